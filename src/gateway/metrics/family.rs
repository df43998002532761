//! A family of numbers under one name, each with labels of its own, or one number without.

use std::fmt::{self, Write as _};

use prometheus_client::{
    encoding::{
        DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder, MetricEncoder,
    },
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

/// A label's value, whatever it is: the library writes it as it is, so that a quote in it would end it.
#[derive(Debug, Clone, Hash, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Text(pub(super) String);

impl EncodeLabelValue for Text {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|char| match char {
            '"' => encoder.write_str("\\\""),
            '\\' => encoder.write_str("\\\\"),
            '\n' => encoder.write_str("\\n"),
            other => encoder.write_char(other),
        })
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

#[cfg(test)]
mod tests {
    use prometheus_client::{
        collector::Collector, encoding::text::encode, metrics::gauge::ConstGauge, registry::Registry,
    };

    use super::*;

    #[derive(Debug)]
    struct Queues;

    #[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
    struct OfQueue {
        queue: Text,
    }

    impl Collector for Queues {
        fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let queue = Text("a\"b\\c\nd".to_owned());
            Family::new("jobs", "Jobs.").each(&mut encoder, [(OfQueue { queue }, ConstGauge::new(1_i64))])
        }
    }

    #[test]
    fn a_label_may_hold_whatever_a_name_does() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Queues));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        assert!(text.contains(r#"jobs{queue="a\"b\\c\nd"} 1"#), "{text}");
    }
}
