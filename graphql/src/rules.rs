//! The table of rules, and the policy that follows from it for a selection.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::{MetaType, MetaTypeName, Registry};
use async_graphql::{CacheControl, Name, Value};

use crate::document::{Budget, Document};
use crate::rule::Rule;
use crate::template::{Facts, Template};

/// A rule with its tags parsed.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) rule: Rule,
    pub(crate) tags: Vec<Template>,
}

#[derive(Debug, Clone, Default)]
struct OfType {
    own: Option<Entry>,
    fields: HashMap<String, Entry>,
}

/// The rules of types and of fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    types: HashMap<String, OfType>,
    /// The tags that each field of the mutation invalidates.
    mutations: HashMap<String, Vec<Template>>,
}

/// The settings of a field by the rules and the schema.
#[derive(Debug, Default)]
pub(crate) struct Hints<'a> {
    /// From the rule or annotation of the field, or else of its type. `None`: the field inherits it.
    max_age: Option<Duration>,
    private: bool,
    pub(crate) tags: Vec<&'a Template>,
    /// The rule that names the field.
    pub(crate) field: Option<&'a Entry>,
    pub(crate) of_type: Option<&'a Entry>,
    /// The type that the field gives, without lists.
    returned: &'a str,
}

/// How a whole selection may be cached.
#[derive(Debug, Default)]
pub(crate) struct Policy {
    /// `None`: no rule limits it.
    pub(crate) max_age: Option<Duration>,
    pub(crate) private: bool,
    /// Tags that are known before a field is resolved.
    pub(crate) tags: BTreeSet<String>,
    /// Whether there are tags that are known only after that.
    pub(crate) has_later_tags: bool,
}

impl Policy {
    fn limit(&mut self, age: Duration) {
        self.max_age = Some(self.max_age.map_or(age, |limit| limit.min(age)));
    }
}

/// The context of a walk through a selection.
pub(crate) struct Walk<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) registry: &'a Registry,
    pub(crate) document: &'a Document,
    pub(crate) viewer: Option<&'a str>,
}

impl Rules {
    /// Adds a rule; `name` is a type or `Type.field`.
    pub(crate) fn add(&mut self, name: &str, rule: Rule) -> Result<(), String> {
        let tags = rule.tags.iter().map(|tag| Template::parse(tag)).collect::<Result<_, _>>()?;
        let entry = Entry { rule, tags };
        let is_new = match name.split_once('.') {
            Some((of, field)) if !of.is_empty() && !field.is_empty() && !field.contains('.') => {
                let fields = &mut self.types.entry(of.to_owned()).or_default().fields;
                fields.insert(field.to_owned(), entry).is_none()
            }
            None if !name.is_empty() => {
                self.types.entry(name.to_owned()).or_default().own.replace(entry).is_none()
            }
            _ => {
                return Err(
                    "it names neither a type nor a field, as 'User' and 'User.posts' do".to_owned()
                );
            }
        };
        if is_new { Ok(()) } else { Err("there are two rules for it".to_owned()) }
    }

    /// Adds the tags that a field of the mutation invalidates.
    pub(crate) fn add_mutation(&mut self, field: &str, tags: &[String]) -> Result<(), String> {
        for tag in tags {
            let template = Template::parse(tag)?;
            if !template.is_of_request() {
                return Err(format!("'{tag}' needs more than arguments and the user"));
            }
            self.mutations.entry(field.to_owned()).or_default().push(template);
        }
        Ok(())
    }

    pub(crate) fn mutation(&self, field: &str) -> Option<&[Template]> {
        self.mutations.get(field).map(Vec::as_slice)
    }

    /// The names of rules, or of their arguments, that this schema does not have.
    pub(crate) fn unknown(&self, registry: &Registry) -> Vec<String> {
        let mut unknown = Vec::new();
        let check =
            |of: &str, name: &str, tags: &[Template], unknown: &mut Vec<String>| match registry
                .types
                .get(of)
                .and_then(|of| of.field_by_name(name))
            {
                None => unknown.push(format!("{of}.{name}")),
                Some(field) => {
                    let arguments = tags.iter().flat_map(Template::arguments);
                    let missing = arguments.filter(|argument| !field.args.contains_key(*argument));
                    unknown.extend(missing.map(|argument| format!("{of}.{name}({argument}:)")));
                }
            };
        for (of, rules) in &self.types {
            if !registry.types.get(of).is_some_and(MetaType::is_composite) {
                unknown.push(of.clone());
                continue;
            }
            for (name, entry) in &rules.fields {
                check(of, name, &entry.tags, &mut unknown);
            }
        }
        for (name, tags) in &self.mutations {
            check(
                registry.mutation_type.as_deref().unwrap_or("Mutation"),
                name,
                tags,
                &mut unknown,
            );
        }
        unknown.sort();
        unknown
    }

    /// The settings of a field by rules and annotations. `None` if the schema does not have the field.
    pub(crate) fn hints<'a>(
        &'a self,
        registry: &'a Registry,
        parent: &str,
        name: &str,
    ) -> Option<Hints<'a>> {
        let parent_type = registry.types.get(parent)?;
        let returned = MetaTypeName::concrete_typename(&parent_type.field_by_name(name)?.ty);
        let returned_type = registry.types.get(returned)?;
        let mut hints = Hints { returned, ..Hints::default() };
        // A rule of an interface counts for each type that implements it, and the other way round: an object may be any of them.
        let (mut of_field, mut inherits) = (None, false);
        for of in relatives(registry, parent_type) {
            let annotated = registry.types.get(of).and_then(|of| of.field_by_name(name));
            let entry = self.types.get(of).and_then(|rules| rules.fields.get(name));
            hints.take(
                entry,
                annotated.map(|field| &field.cache_control),
                &mut of_field,
                &mut inherits,
            );
            hints.field = hints.field.or(entry);
        }
        let (mut of_type, mut type_inherits) = (None, false);
        if returned_type.is_composite() {
            for of in relatives(registry, returned_type) {
                let annotated = registry.types.get(of).and_then(annotation);
                let entry = self.types.get(of).and_then(|rules| rules.own.as_ref());
                hints.take(entry, annotated, &mut of_type, &mut type_inherits);
                hints.of_type = hints.of_type.or(entry);
            }
        }
        // async-graphql's annotation of the root counts for all of its fields.
        let is_root = parent == registry.query_type;
        let mut of_root = None;
        if is_root {
            hints.take(None, annotation(parent_type), &mut of_root, &mut false);
        }
        let age = match (of_field, inherits) {
            (Some(age), _) => Some(age),
            (None, true) => None,
            (None, false) => match of_type.or(of_root) {
                Some(age) => Some(age),
                None if type_inherits => None,
                None if is_root || returned_type.is_composite() => Some(Duration::ZERO),
                None => None,
            },
        };
        hints.max_age = age;
        Some(hints)
    }
}

impl<'a> Hints<'a> {
    fn take(
        &mut self,
        entry: Option<&'a Entry>,
        annotated: Option<&CacheControl>,
        age: &mut Option<Duration>,
        inherits: &mut bool,
    ) {
        let mut limit = |found: Duration| *age = Some(age.map_or(found, |age| age.min(found)));
        match annotated.map(|annotated| annotated.max_age) {
            None | Some(0) => {}
            Some(seconds) => limit(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))),
        }
        self.private |= annotated.is_some_and(|annotated| !annotated.public);
        if let Some(entry) = entry {
            if let Some(found) = entry.rule.max_age {
                limit(found);
            }
            *inherits |= entry.rule.inherit;
            self.private |= entry.rule.private;
            self.tags.extend(&entry.tags);
        }
    }
}

impl Walk<'_> {
    /// The policy of a field and all that it selects. `None` if it cannot be determined.
    pub(crate) fn field(&self, parent: &str, field: &Field, budget: &mut Budget) -> Option<Policy> {
        let mut policy = Policy::default();
        self.add_field(parent, field, &mut policy, budget)?;
        Some(policy)
    }

    /// The policy of a whole operation.
    pub(crate) fn operation(&self) -> Option<Policy> {
        let mut policy = Policy::default();
        let root = self.document.root();
        self.add_set(&self.registry.query_type, root, &mut policy, &mut Budget::new())?;
        Some(policy)
    }

    fn add_field(
        &self,
        parent: &str,
        field: &Field,
        policy: &mut Policy,
        budget: &mut Budget,
    ) -> Option<()> {
        let name = field.name.node.as_str();
        if name == "__typename" {
            return Some(());
        }
        let hints = self.rules.hints(self.registry, parent, name)?;
        policy.private |= hints.private;
        if let Some(age) = hints.max_age {
            policy.limit(age);
        }
        if !hints.tags.is_empty() {
            let arguments = self.document.arguments(&field.arguments)?;
            let facts = self.facts(field, &arguments);
            for template in &hints.tags {
                match template.is_of_request() {
                    true => policy.tags.extend(template.render(&facts)?),
                    false => policy.has_later_tags = true,
                }
            }
        }
        self.add_set(hints.returned, &field.selection_set.node, policy, budget)
    }

    fn facts<'a>(&'a self, field: &'a Field, arguments: &'a [(Name, Value)]) -> Facts<'a> {
        let (document, viewer) = (self.document, self.viewer);
        Facts { document, field, arguments, parent: None, viewer, result: None }
    }

    fn add_set(
        &self,
        parent: &str,
        set: &SelectionSet,
        policy: &mut Policy,
        budget: &mut Budget,
    ) -> Option<()> {
        budget.deeper(|budget| {
            for selection in set.items.iter().map(|item| &item.node) {
                budget.spend()?;
                if self.document.is_skipped(selection) {
                    continue;
                }
                match selection {
                    Selection::Field(field) => {
                        self.add_field(parent, &field.node, policy, budget)?
                    }
                    Selection::InlineFragment(fragment) => {
                        let condition = fragment.node.type_condition.as_ref();
                        let of =
                            condition.map_or(parent, |condition| condition.node.on.node.as_str());
                        self.add_set(of, &fragment.node.selection_set.node, policy, budget)?;
                    }
                    Selection::FragmentSpread(spread) => {
                        let fragment = self.document.fragment(&spread.node.fragment_name.node)?;
                        let of = fragment.type_condition.node.on.node.as_str();
                        self.add_set(of, &fragment.selection_set.node, policy, budget)?;
                    }
                }
            }
            Some(())
        })
    }
}

fn annotation(of: &MetaType) -> Option<&CacheControl> {
    match of {
        MetaType::Object { cache_control, .. } => Some(cache_control),
        _ => None,
    }
}

/// A type, the types that implement it or are its members, and the interfaces of them all.
fn relatives<'a>(registry: &'a Registry, of: &'a MetaType) -> Vec<&'a str> {
    let possible = of.possible_types().filter(|_| of.is_abstract()).into_iter().flatten();
    let mut all: Vec<&str> =
        std::iter::once(of.name()).chain(possible.map(String::as_str)).collect();
    let interfaces = |of: &&'a str| registry.implements.get(*of).into_iter().flatten();
    let interfaces: BTreeSet<&str> = all.iter().flat_map(interfaces).map(String::as_str).collect();
    let own = all.clone();
    all.extend(interfaces.into_iter().filter(|interface| !own.contains(interface)));
    all
}
