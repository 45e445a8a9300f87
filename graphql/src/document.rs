//! A request's document: resolves its variables, finds its fragments, and writes its fields in a canonical form.

use std::collections::HashMap;
use std::fmt::Write;

use async_graphql::parser::types::{
    Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition,
    OperationDefinition, OperationType, Selection, SelectionSet,
};
use async_graphql::{InputType, Name, Positioned, Value, Variables};
use async_graphql_value::Value as InputValue;

/// The most selections that are visited for one field: fragments that name each other can expand to millions.
const MAX_SELECTIONS: usize = 10_000;

/// The most levels of selections that are visited.
const MAX_DEPTH: usize = 100;

/// How many selections and levels may still be visited.
pub(crate) struct Budget {
    selections: usize,
    depth: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { selections: MAX_SELECTIONS, depth: MAX_DEPTH }
    }

    /// Counts one more selection. `None` if there are too many.
    pub(crate) fn spend(&mut self) -> Option<()> {
        self.selections = self.selections.checked_sub(1)?;
        Some(())
    }

    /// Does `work` one level deeper.
    pub(crate) fn deeper<T>(&mut self, work: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        self.depth = self.depth.checked_sub(1)?;
        let done = work(self);
        self.depth += 1;
        done
    }
}

/// The operation that a request executes.
pub(crate) struct Document {
    fragments: HashMap<Name, Positioned<FragmentDefinition>>,
    operation: OperationDefinition,
    variables: Variables,
}

impl Document {
    /// `None` if the request does not select one of the document's operations.
    pub(crate) fn new(
        document: &ExecutableDocument,
        variables: &Variables,
        operation: Option<&str>,
    ) -> Option<Self> {
        let operation = match (&document.operations, operation) {
            (DocumentOperations::Single(operation), None) => operation,
            (DocumentOperations::Multiple(operations), Some(name)) => operations.get(name)?,
            (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
                operations.values().next()?
            }
            _ => return None,
        };
        Some(Self {
            fragments: document.fragments.clone(),
            operation: operation.node.clone(),
            variables: variables.clone(),
        })
    }

    pub(crate) fn operation(&self) -> OperationType {
        self.operation.ty
    }

    pub(crate) fn root(&self) -> &SelectionSet {
        &self.operation.selection_set.node
    }

    pub(crate) fn fragment(&self, name: &Name) -> Option<&FragmentDefinition> {
        self.fragments.get(name).map(|fragment| &fragment.node)
    }

    /// Whether `@skip` or `@include` leave a selection out, by async-graphql's own rule: it does not look at the default
    /// of a variable.
    pub(crate) fn is_skipped(&self, selection: &Selection) -> bool {
        let directives = match selection {
            Selection::Field(field) => &field.node.directives,
            Selection::FragmentSpread(spread) => &spread.node.directives,
            Selection::InlineFragment(fragment) => &fragment.node.directives,
        };
        directives.iter().any(|directive| {
            let include = match directive.node.name.node.as_str() {
                "skip" => false,
                "include" => true,
                _ => return false,
            };
            directive.node.get_argument("if").is_some_and(|condition| {
                let given = |name: Name| self.variables.get(&name).cloned().ok_or(());
                let value = condition.node.clone().into_const_with(given).unwrap_or_default();
                include != bool::parse(Some(value)).unwrap_or_default()
            })
        })
    }

    /// A field's arguments in the order of their names. `None` if a variable has no value.
    pub(crate) fn arguments(
        &self,
        arguments: &[(Positioned<Name>, Positioned<InputValue>)],
    ) -> Option<Vec<(Name, Value)>> {
        let resolved = arguments.iter().map(|(name, value)| {
            let value = value.node.clone().into_const_with(|name| self.variable(&name).ok_or(()));
            Some((name.node.clone(), value.ok()?))
        });
        let mut resolved = resolved.collect::<Option<Vec<_>>>()?;
        resolved.sort_by(|(one, _), (other, _)| one.cmp(other));
        Some(resolved)
    }

    fn variable(&self, name: &Name) -> Option<Value> {
        let mut definitions = self.operation.variable_definitions.iter();
        let definition = definitions.find(|definition| definition.node.name.node == *name)?;
        self.variables.get(name).or_else(|| definition.node.default_value()).cloned()
    }

    /// The fields of a selection, those of its fragments too.
    pub(crate) fn collect<'a>(
        &'a self,
        set: &'a SelectionSet,
        out: &mut Vec<&'a Field>,
        budget: &mut Budget,
    ) -> Option<()> {
        budget.deeper(|budget| {
            for selection in set.items.iter().map(|item| &item.node) {
                budget.spend()?;
                if self.is_skipped(selection) {
                    continue;
                }
                match selection {
                    Selection::Field(field) => out.push(&field.node),
                    Selection::InlineFragment(fragment) => {
                        self.collect(&fragment.node.selection_set.node, out, budget)?;
                    }
                    Selection::FragmentSpread(spread) => {
                        let fragment = self.fragment(&spread.node.fragment_name.node)?;
                        self.collect(&fragment.selection_set.node, out, budget)?;
                    }
                }
            }
            Some(())
        })
    }

    /// The canonical form of a field, without its alias: equal fields have equal text. `None` if it has none.
    pub(crate) fn canonical(&self, field: &Field) -> Option<String> {
        let mut out = String::new();
        self.write_field(field, false, &mut out, &mut Budget::new())?;
        Some(out)
    }

    fn write_field(
        &self,
        field: &Field,
        with_alias: bool,
        out: &mut String,
        budget: &mut Budget,
    ) -> Option<()> {
        let name = &field.name.node;
        if let Some(alias) = field.alias.as_ref().filter(|alias| with_alias && alias.node != *name)
        {
            write!(out, "{}:", alias.node).ok()?;
        }
        out.push_str(name);
        self.write_arguments(&field.arguments, out)?;
        self.write_directives(&field.directives, out)?;
        self.write_set(&field.selection_set.node, out, budget)
    }

    fn write_arguments(
        &self,
        arguments: &[(Positioned<Name>, Positioned<InputValue>)],
        out: &mut String,
    ) -> Option<()> {
        if arguments.is_empty() {
            return Some(());
        }
        out.push('(');
        for (name, value) in self.arguments(arguments)? {
            write!(out, "{name}:").ok()?;
            write_value(&value, out)?;
            out.push(',');
        }
        out.push(')');
        Some(())
    }

    /// Directives of the schema are part of the form, because they may change a field's value.
    fn write_directives(
        &self,
        directives: &[Positioned<Directive>],
        out: &mut String,
    ) -> Option<()> {
        for directive in directives.iter().map(|directive| &directive.node) {
            let name = &directive.name.node;
            if name != "skip" && name != "include" {
                write!(out, "@{name}").ok()?;
                self.write_arguments(&directive.arguments, out)?;
            }
        }
        Some(())
    }

    fn write_set(&self, set: &SelectionSet, out: &mut String, budget: &mut Budget) -> Option<()> {
        if set.items.is_empty() {
            return Some(());
        }
        let mut parts = Vec::new();
        self.parts(set, &mut parts, budget)?;
        parts.sort_unstable();
        parts.dedup();
        write!(out, "{{{}}}", parts.join(" ")).ok()
    }

    fn parts(
        &self,
        set: &SelectionSet,
        parts: &mut Vec<String>,
        budget: &mut Budget,
    ) -> Option<()> {
        budget.deeper(|budget| {
            for selection in set.items.iter().map(|item| &item.node) {
                budget.spend()?;
                if self.is_skipped(selection) {
                    continue;
                }
                let (condition, directives, set) = match selection {
                    Selection::Field(field) => {
                        let mut part = String::new();
                        self.write_field(&field.node, true, &mut part, budget)?;
                        parts.push(part);
                        continue;
                    }
                    Selection::InlineFragment(fragment) => {
                        let fragment = &fragment.node;
                        (
                            fragment.type_condition.as_ref(),
                            &fragment.directives,
                            &fragment.selection_set,
                        )
                    }
                    Selection::FragmentSpread(spread) => {
                        let fragment = self.fragment(&spread.node.fragment_name.node)?;
                        (
                            Some(&fragment.type_condition),
                            &spread.node.directives,
                            &fragment.selection_set,
                        )
                    }
                };
                let mut part = String::from("...");
                self.write_directives(directives, &mut part)?;
                if condition.is_none() && part == "..." {
                    self.parts(&set.node, parts, budget)?;
                    continue;
                }
                if let Some(condition) = condition {
                    write!(part, "on {}", condition.node.on.node).ok()?;
                }
                self.write_set(&set.node, &mut part, budget)?;
                parts.push(part);
            }
            Some(())
        })
    }
}

/// A value whose text is the same whatever the order of its fields. `None` for bytes.
fn write_value(value: &Value, out: &mut String) -> Option<()> {
    match value {
        Value::Null => out.push_str("null"),
        Value::Number(number) => write!(out, "{number}").ok()?,
        Value::String(text) => out.push_str(&serde_json::to_string(text).ok()?),
        Value::Boolean(yes) => write!(out, "{yes}").ok()?,
        Value::Enum(name) => out.push_str(name),
        Value::Binary(_) => return None,
        Value::List(items) => {
            out.push('[');
            for item in items {
                write_value(item, out)?;
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            out.push('{');
            for (name, value) in fields {
                // The names in a variable's object may be any text.
                out.push_str(&serde_json::to_string(name.as_str()).ok()?);
                out.push(':');
                write_value(value, out)?;
                out.push(',');
            }
            out.push('}');
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn canonical(query: &str, variables: &str) -> Option<String> {
        let variables = serde_json::from_str(variables).expect("variables are JSON");
        let document = Document::new(&parse_query(query).expect(query), &variables, None)?;
        let Selection::Field(field) = &document.root().items[0].node else {
            panic!("{query} begins with a field")
        };
        document.canonical(&field.node)
    }

    #[test]
    fn one_field_has_one_form() {
        let expected = canonical("{ user(a: 1, b: {x: \"é\", y: [RED]}) { id n: name } }", "{}");
        assert!(expected.is_some());
        for (query, variables) in [
            ("{ me: user(b: {y: [RED], x: \"é\"}, a: 1) { n: name, id id } }", "{}"),
            (
                "query($a: Int = 1) { user(a: $a, b: {x: \"\\u00e9\", y: [RED]}) { ...{ id } n: name } }",
                "{}",
            ),
            (
                "query($a: Int = 2, $no: Boolean) { user(a: $a, b: {x: \"é\", y: [RED]}) { id n: name @skip(if: $no) email @include(if: $no) } }",
                "{\"a\": 1, \"no\": false}",
            ),
        ] {
            assert_eq!(canonical(query, variables), expected, "{query}");
        }
        assert_eq!(
            canonical("{ user { ...F } } fragment F on User { id }", "{}"),
            canonical("{ user { ... on User { id } } }", "{}"),
        );
    }

    #[test]
    fn different_fields_have_different_forms() {
        let queries = [
            "{ user { id } }",
            "{ user { a: id } }",
            "{ user { id @upper } }",
            "{ user @upper { id } }",
            "{ user { ... on User { id } } }",
            "{ user { ... on Admin { id } } }",
            "{ user(id: 1) { id } }",
            "{ user(id: \"1\") { id } }",
            "{ user(id: null) { id } }",
            "{ user(id: [1]) { id } }",
            "{ user(id: {a: 1}) { id } }",
            "{ user(id: \"{\\\"a\\\":1}\") { id } }",
            "{ user(id: A) { id } }",
            "{ user(id: \"A\") { id } }",
            "{ user(id: true) { id } }",
            "{ user { id posts { id } } }",
            "{ user { id posts(first: 1) { id } } }",
        ];
        let forms: std::collections::HashSet<_> =
            queries.iter().map(|query| canonical(query, "{}").expect(query)).collect();
        assert_eq!(forms.len(), queries.len(), "{forms:#?}");
    }

    #[test]
    fn fragments_that_mean_too_much_have_no_form() {
        let mut query = "{ user { ...F0 } } ".to_owned();
        for level in 0..30 {
            let next = level + 1;
            let _ = write!(query, "fragment F{level} on User {{ ...F{next} ...F{next} }} ");
        }
        query.push_str("fragment F30 on User { id }");
        assert_eq!(canonical(&query, "{}"), None);
        assert_eq!(canonical("{ user { ...F } } fragment F on User { ...F }", "{}"), None);
        assert_eq!(canonical("{ user(id: $missing) { id } }", "{}"), None);
    }
}
