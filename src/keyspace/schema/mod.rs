//! The schemas of records whose types have one.
//!
//! `SchemaOf::<T>::SCHEMA` is the constant of the type itself where `T` is a `JsonSchema`, and that of the trait [`NoSchema`] for all
//! other types.

#[cfg(feature = "schema")]
mod json;
#[cfg(feature = "schema")]
mod typescript;

use std::marker::PhantomData;

#[cfg(feature = "schema")]
pub use json::json_schema;
#[cfg(feature = "schema")]
pub use typescript::typescript;

/// Writes the schema of a record, and its definitions into the generator.
#[cfg(feature = "schema")]
pub(super) type Describe = fn(&mut schemars::SchemaGenerator) -> schemars::Schema;

/// The schema of a record, if its type has one.
#[derive(Debug, Clone, Copy)]
pub struct RecordSchema {
    #[cfg(feature = "schema")]
    pub(super) describe: Option<Describe>,
}

/// Finds the schema of a type.
#[derive(Debug)]
pub struct SchemaOf<T>(PhantomData<T>);

/// The fallback for types without a schema.
pub trait NoSchema {
    /// No schema.
    const SCHEMA: RecordSchema = RecordSchema {
        #[cfg(feature = "schema")]
        describe: None,
    };
}

impl<T> NoSchema for SchemaOf<T> {}

#[cfg(feature = "schema")]
impl<T: schemars::JsonSchema> SchemaOf<T> {
    /// The schema of the type.
    pub const SCHEMA: RecordSchema =
        RecordSchema { describe: Some(|generator| generator.subschema_for::<T>()) };
}
