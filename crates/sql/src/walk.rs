//! Walks a syntax tree by its serde form, so that no kind of node is forgotten, and copies none
//! of it but what is asked for.

use serde::ser::{
    Impossible, Serialize, SerializeSeq, SerializeStruct, SerializeTuple, Serializer,
};
use serde_json::Value;
use std::fmt::Error;

/// A field as JSON, made when it is asked for.
pub(crate) type Field<'a> = &'a dyn Fn() -> Value;

/// Calls `seen` for each field of each node, outer ones first: with the node's kind (`RangeVar`)
/// and the field's name. A node without fields is told with an empty name.
pub(crate) fn walk(tree: &impl Serialize, seen: &mut dyn FnMut(&str, &str, Field<'_>)) {
    let walked = tree.serialize(Walker { kind: "", seen });
    debug_assert!(walked.is_ok(), "a tree of the parser has structs, lists and options, no more");
}

struct Walker<'a> {
    kind: &'static str,
    seen: &'a mut dyn FnMut(&str, &str, Field<'_>),
}

impl Walker<'_> {
    fn below<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Walker { kind: "", seen: &mut *self.seen })
    }
}

/// What has nothing below it.
macro_rules! leaves {
    ($($name:ident($($kind:ty),*))*) => {
        $(fn $name(self, $(_: $kind),*) -> Result<(), Error> { Ok(()) })*
    };
}

/// What no tree of the parser has.
macro_rules! strangers {
    ($($name:ident($($kind:ty),*))*) => {
        $(fn $name(self, $(_: $kind),*) -> Result<Impossible<(), Error>, Error> { Err(Error) })*
    };
}

impl Serializer for Walker<'_> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeStruct = Self;
    type SerializeMap = Impossible<(), Error>;
    type SerializeStructVariant = Impossible<(), Error>;
    type SerializeTupleStruct = Impossible<(), Error>;
    type SerializeTupleVariant = Impossible<(), Error>;

    leaves! {
        serialize_bool(bool) serialize_char(char) serialize_str(&str) serialize_bytes(&[u8])
        serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64)
        serialize_f32(f32) serialize_f64(f64) serialize_none() serialize_unit()
        serialize_unit_struct(&'static str) serialize_unit_variant(&'static str, u32, &'static str)
    }

    strangers! {
        serialize_map(Option<usize>)
        serialize_struct_variant(&'static str, u32, &'static str, usize)
        serialize_tuple_struct(&'static str, usize)
        serialize_tuple_variant(&'static str, u32, &'static str, usize)
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    fn serialize_struct(self, kind: &'static str, n_fields: usize) -> Result<Self, Error> {
        if n_fields == 0 {
            (self.seen)(kind, "", &|| Value::Null);
        }
        Ok(Self { kind, ..self })
    }
}

/// Lists of any length, and tuples.
macro_rules! lists {
    ($($list:ident)*) => {
        $(impl $list for Walker<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Error> {
                self.below(value)
            }

            fn end(self) -> Result<(), Error> {
                Ok(())
            }
        })*
    };
}

lists! { SerializeSeq SerializeTuple }

impl SerializeStruct for Walker<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_field<T: ?Sized + Serialize>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        (self.seen)(self.kind, name, &|| serde_json::to_value(value).unwrap_or_default());
        self.below(value)
    }

    fn end(self) -> Result<(), Error> {
        Ok(())
    }
}
