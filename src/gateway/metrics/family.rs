//! A family of numbers under one name, each with labels of its own, or one number without.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, MetricEncoder},
    metrics::{MetricType, TypedMetric},
    registry::Unit,
};

use crate::histogram::Histogram;

/// What numbers are called, and what they say.
pub(super) struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
}

impl Family {
    /// `help` is a sentence. A unit and `_total` are not part of the name: they are put behind it.
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None }
    }

    pub(super) fn in_unit(self, unit: Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// Writes the one number.
    pub(super) fn one<M: EncodeMetric + TypedMetric>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        number: M,
    ) -> fmt::Result {
        number.encode(self.begin::<M>(encoder)?)
    }

    /// Writes a number for each of these labels, which must differ.
    pub(super) fn each<L: EncodeLabelSet, M: EncodeMetric + TypedMetric>(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        numbers: impl IntoIterator<Item = (L, M)>,
    ) -> fmt::Result {
        let mut family = self.begin::<M>(encoder)?;
        numbers.into_iter().try_for_each(|(labels, number)| number.encode(family.encode_family(&labels)?))
    }

    fn begin<'e, M: TypedMetric>(
        &'e self,
        encoder: &'e mut DescriptorEncoder<'_>,
    ) -> Result<MetricEncoder<'e>, fmt::Error> {
        encoder.encode_descriptor(self.name, self.help, self.unit.as_ref(), M::TYPE)
    }
}

impl TypedMetric for Histogram {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Histogram {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_histogram::<[(&str, &str); 0]>(self.sum(), self.count(), &self.buckets(), None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}
