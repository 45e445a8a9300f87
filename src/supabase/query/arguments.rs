//! Arguments of a function that stand in the URL.

use crate::Result;
use crate::supabase::filter::array;
use crate::supabase::names::{column, invalid, no_nul};

/// The name of an argument in a URL, which must not be that of a parameter of PostgREST's.
pub(super) fn argument_name(name: &str) -> Result<&str> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    if column(name)? != name || !name.chars().all(is_name) {
        return Err(invalid(
            "an argument with this name cannot stand in a URL: call the function by a POST",
        ));
    }
    Ok(name)
}

pub(super) fn argument_value(value: &serde_json::Value) -> Result<String> {
    use serde_json::Value;
    let element = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    let written = match value {
        Value::Array(items) => {
            let items = items.iter().map(element).collect::<Option<Vec<_>>>();
            items.map(|items| array(items.iter().map(String::as_str)))
        }
        Value::Object(_) => Some(value.to_string()),
        scalar => element(scalar),
    };
    let written = written.ok_or_else(|| {
        invalid("NULL and arrays of arrays or documents cannot stand in a URL: call the function by a POST")
    })?;
    no_nul(&written)?;
    Ok(written)
}
