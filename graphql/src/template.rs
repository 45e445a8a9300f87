//! Templates of tags with values of a field: `user:{args.id}`.

use async_graphql::parser::types::Field;
use async_graphql::{Name, Value};

use crate::document::{Budget, Document};

/// The most tags that one template may give.
const MAX_TAGS: usize = 1000;

/// The text of a tag, with placeholders for values.
#[derive(Debug, Clone)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    /// A value below the field's arguments.
    Args(Vec<String>),
    /// A value below the field's result.
    Result(Vec<String>),
    /// The key of the object that the field belongs to.
    Parent,
    /// The user of the request.
    Viewer,
}

/// The values that templates take.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub(crate) document: &'a Document,
    pub(crate) field: &'a Field,
    pub(crate) arguments: &'a [(Name, Value)],
    pub(crate) parent: Option<&'a str>,
    pub(crate) viewer: Option<&'a str>,
    pub(crate) result: Option<&'a Value>,
}

impl Template {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (place, after) =
                after.split_once('}').ok_or_else(|| format!("'{text}' lacks a closing brace"))?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::parse(place).ok_or_else(|| {
                format!("'{{{place}}}' is none of {{args.…}}, {{result.…}}, {{parent}}, {{viewer}}")
            })?);
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        match pieces.is_empty() {
            true => Err("a tag is empty".to_owned()),
            false => Ok(Self(pieces)),
        }
    }

    /// Whether it can be written before the field is resolved, of its arguments and the user alone.
    pub(crate) fn is_of_request(&self) -> bool {
        !self.0.iter().any(|piece| matches!(piece, Piece::Result(_) | Piece::Parent))
    }

    /// Whether it takes values of the field's result.
    pub(crate) fn is_of_result(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Result(_)))
    }

    /// The names of the arguments that it takes.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Args(path) => path.first().map(String::as_str),
            _ => None,
        })
    }

    /// The tags: one for each combination of values. `None` if a value is missing, null, an object or not selected.
    pub(crate) fn render(&self, facts: &Facts<'_>) -> Option<Vec<String>> {
        let mut tags = vec![String::new()];
        for piece in &self.0 {
            let values = piece.values(facts)?;
            if tags.len().saturating_mul(values.len()) > MAX_TAGS {
                return None;
            }
            tags = tags
                .iter()
                .flat_map(|tag| values.iter().map(move |value| format!("{tag}{value}")))
                .collect();
        }
        Some(tags)
    }
}

impl Piece {
    fn parse(place: &str) -> Option<Self> {
        let path = |path: &str| -> Option<Vec<String>> {
            let names: Vec<_> = path.split('.').map(str::to_owned).collect();
            names.iter().all(|name| !name.is_empty()).then_some(names)
        };
        match place.split_once('.') {
            Some(("args", names)) => path(names).map(Self::Args),
            Some(("result", names)) => path(names).map(Self::Result),
            None if place == "parent" => Some(Self::Parent),
            None if place == "viewer" => Some(Self::Viewer),
            _ => None,
        }
    }

    fn values(&self, facts: &Facts<'_>) -> Option<Vec<String>> {
        let mut values = Vec::new();
        match self {
            Self::Text(text) => values.push(text.clone()),
            Self::Parent => values.push(facts.parent?.to_owned()),
            Self::Viewer => values.push(facts.viewer?.to_owned()),
            Self::Args(path) => {
                let (first, rest) = path.split_first()?;
                let (_, value) = facts.arguments.iter().find(|(name, _)| name == first)?;
                below_argument(value, rest, &mut values)?;
            }
            Self::Result(path) => {
                below_result(facts.document, facts.field, facts.result?, path, &mut values)?;
            }
        }
        Some(values)
    }
}

fn below_argument(value: &Value, path: &[String], out: &mut Vec<String>) -> Option<()> {
    match (value, path.split_first()) {
        (Value::List(items), _) => {
            items.iter().try_for_each(|item| below_argument(item, path, out))
        }
        (Value::Object(fields), Some((first, rest))) => {
            below_argument(fields.get(first.as_str())?, rest, out)
        }
        (_, Some(_)) => None,
        (value, None) => push_text(value, out),
    }
}

/// Values are found by the names of fields, whatever their aliases are.
fn below_result(
    document: &Document,
    field: &Field,
    value: &Value,
    path: &[String],
    out: &mut Vec<String>,
) -> Option<()> {
    match (value, path.split_first()) {
        (Value::List(items), _) => {
            items.iter().try_for_each(|item| below_result(document, field, item, path, out))
        }
        (Value::Object(fields), Some((first, rest))) => {
            let mut selected = Vec::new();
            document.collect(&field.selection_set.node, &mut selected, &mut Budget::new())?;
            let of_name = |field: &&&Field| field.name.node == *first && field.arguments.is_empty();
            let (child, value) = selected
                .iter()
                .filter(of_name)
                .find_map(|child| Some((*child, fields.get(&child.response_key().node)?)))?;
            // Fragments may give one alias to different fields of different types.
            let alias = &child.response_key().node;
            let is_certain = selected
                .iter()
                .filter(|other| other.response_key().node == *alias)
                .all(|other| other.name.node == *first && other.arguments.is_empty());
            is_certain.then(|| below_result(document, child, value, rest, out))?
        }
        (_, Some(_)) => None,
        (value, None) => push_text(value, out),
    }
}

fn push_text(value: &Value, out: &mut Vec<String>) -> Option<()> {
    if out.len() >= MAX_TAGS {
        return None;
    }
    out.push(match value {
        Value::String(text) => text.clone(),
        Value::Enum(name) => name.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Boolean(yes) => yes.to_string(),
        Value::Null | Value::Binary(_) | Value::List(_) | Value::Object(_) => return None,
    });
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_malformed_template_is_refused() {
        for wrong in
            ["", "a{", "a{}", "a{id}", "{args}", "{args.}", "{args..a}", "{result}", "{parent.id}"]
        {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
        for right in ["users", "user:{args.input.id}", "{viewer}:{parent}:{result.posts.id}"] {
            assert!(Template::parse(right).is_ok(), "{right}");
        }
    }
}
