use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The names of all columns in an array of rows, in the order of their first appearance.
pub(super) struct Columns(pub(super) Vec<String>);

impl<'de> serde::Deserialize<'de> for Columns {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;

        impl<'de> Visitor<'de> for Rows {
            type Value = Columns;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("rows")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Columns, A::Error> {
                let mut names = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some(Row(row)) = rows.next_element()? {
                    names.extend(row.into_iter().filter(|name| seen.insert(name.clone())));
                }
                Ok(Columns(names))
            }
        }

        struct Row(Vec<String>);

        impl<'de> serde::Deserialize<'de> for Row {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Fields;

                impl<'de> Visitor<'de> for Fields {
                    type Value = Row;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a row")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                        let mut names = Vec::new();
                        while let Some((name, IgnoredAny)) = map.next_entry()? {
                            names.push(name);
                        }
                        Ok(Row(names))
                    }
                }

                deserializer.deserialize_map(Fields)
            }
        }

        deserializer.deserialize_seq(Rows)
    }
}
