//! The elements of an array or a map, whichever of serde's seven kinds of container it is.

use serde::{Serialize, ser};

use super::{EncodeError, Packer};
use crate::emitter::pack::{self, Kind};

/// An array or a map whose elements are being written. It counts them itself, so that a wrong hint of a
/// `Serialize` cannot make a message that kills its readers.
pub(super) struct Container<'o> {
    pub(super) out: &'o mut Vec<u8>,
    pub(super) depth: usize,
    pub(super) header_at: usize,
    pub(super) kind: Kind,
    pub(super) length: usize,
}

impl Container<'_> {
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        value.serialize(Packer { out: self.out, depth: self.depth, key: false })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.length += 1;
        self.value(value)
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), EncodeError> {
        self.length += 1;
        pack::string(self.out, name);
        self.value(value)
    }

    fn finish(self) {
        pack::close(self.out, self.header_at, self.kind, self.length);
    }
}

macro_rules! elements {
    ($($name:ident :: $method:ident),*) => {$(
        impl ser::$name for Container<'_> {
            type Ok = ();
            type Error = EncodeError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
                self.element(value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($name:ident),*) => {$(
        impl ser::$name for Container<'_> {
            type Ok = ();
            type Error = EncodeError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), EncodeError> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), EncodeError> {
                self.finish();
                Ok(())
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Container<'_> {
    type Ok = ();
    type Error = EncodeError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), EncodeError> {
        self.length += 1;
        key.serialize(Packer { out: self.out, depth: self.depth, key: true })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        self.value(value)
    }

    fn end(self) -> Result<(), EncodeError> {
        self.finish();
        Ok(())
    }
}
