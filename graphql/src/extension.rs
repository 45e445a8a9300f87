//! The extension of async-graphql, which is called at each step of a request.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_graphql::extensions::{
    Extension, ExtensionContext, NextExecute, NextParseQuery, NextPrepareRequest, NextResolve,
    NextValidation, ResolveInfo,
};
use async_graphql::parser::types::{ExecutableDocument, OperationType};
use async_graphql::{
    CacheControl, QueryPathSegment, Response, ServerError, ServerResult, ValidationResult, Value,
    Variables,
};
use edgecask::platform;
use edgecask::{ErrorKind, Key};
use serde::{Deserialize, Serialize};

use crate::Shared;
use crate::document::{Budget, Document};
use crate::keyed::Parents;
use crate::request::Request;
use crate::rule::Rule;
use crate::rules::{Hints, Walk};
use crate::template::Facts;
use crate::viewer::Viewer;

/// How much longer than a value its tags are remembered.
const TAGS_STAY: Duration = Duration::from_secs(24 * 3600);

/// The extension of one request.
pub(crate) struct FieldExtension {
    shared: Arc<Shared>,
    /// The name of the operation, and whether files are sent with it.
    prepared: OnceLock<(Option<String>, bool)>,
    parents: Parents,
    request: OnceLock<Request>,
}

/// The entry in the cache.
#[derive(Serialize, Deserialize)]
struct Stored {
    value: Value,
    /// The tags of the value and of all fields in it.
    tags: BTreeSet<String>,
}

/// A field was resolved, and its value must not be stored.
#[derive(Debug, thiserror::Error)]
#[error("what the field gave is not to be stored")]
struct NotStored;

/// The result of a field, and its tags, if all of them are known.
type Given = (ServerResult<Value>, Option<BTreeSet<String>>);

/// A field that is cached by itself.
struct Plan {
    key: Key,
    tags_key: Option<Key>,
    ttl: Duration,
    rule: Rule,
    /// Tags that are known before it is resolved.
    known: BTreeSet<String>,
}

impl FieldExtension {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (prepared, parents, request) = Default::default();
        Self { shared, prepared, parents, request }
    }

    fn walk<'a>(&'a self, ctx: &'a ExtensionContext<'_>, request: &'a Request) -> Walk<'a> {
        let viewer = ctx.data_opt::<Viewer>().and_then(Viewer::id);
        let (rules, registry) = (&self.shared.rules, &ctx.schema_env.registry);
        Walk { rules, registry, document: &request.document, viewer }
    }

    async fn query_field(
        &self,
        ctx: &ExtensionContext<'_>,
        request: &Request,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let is_field = matches!(info.path_node.segment, QueryPathSegment::Name(_));
        let registry = &ctx.schema_env.registry;
        let hints = match is_field && !info.is_for_introspection {
            true => self.shared.rules.hints(registry, info.parent_type, info.name),
            false => None,
        };
        let is_root = info.path_node.parent.is_none();
        let Some(hints) =
            hints.filter(|hints| is_root || !hints.tags.is_empty() || hints.field.is_some())
        else {
            let path_node = *info.path_node;
            let result = next.run(ctx, info).await;
            if result.is_err() && !request.loads.is_empty() {
                request.loads.report(&path_node.to_string(), None);
            }
            return result;
        };
        let path = info.path_node.to_string();
        let parent =
            info.path_node.parent.and_then(|parent| request.parents.key(&parent.to_string()));
        let arguments = request.document.arguments(&info.field.arguments).unwrap_or_default();
        let facts = Facts {
            document: &request.document,
            field: info.field,
            arguments: &arguments,
            parent: parent.as_deref(),
            viewer: ctx.data_opt::<Viewer>().and_then(Viewer::id),
            result: None,
        };
        if let Some(plan) = self.plan(ctx, request, &info, &hints, &facts, is_root) {
            return platform::boxed(|| {
                self.cached(ctx, request, &path, plan, &hints, facts, info, next)
            })
            .await;
        }
        let result = next.run(ctx, info).await;
        if !request.loads.is_empty() {
            let tags = match &result {
                Ok(value) => tags_of(&hints, &Facts { result: value.as_ref(), ..facts }),
                Err(_) => None,
            };
            request.loads.report(&path, tags.as_ref());
        }
        result
    }

    /// How a field is cached as an entry of its own. `None` if it is not.
    fn plan(
        &self,
        ctx: &ExtensionContext<'_>,
        request: &Request,
        info: &ResolveInfo<'_>,
        hints: &Hints<'_>,
        facts: &Facts<'_>,
        is_root: bool,
    ) -> Option<Plan> {
        // A field of an object is named by the object's key: its path says too little.
        let is_named = hints.field.is_some_and(|entry| entry.rule.max_age.is_some());
        let has_key = facts.parent.is_some_and(|parent| !parent.is_empty());
        let is_own = is_root || is_named && has_key;
        if !request.may_cache || !is_own {
            return None;
        }
        let walk = self.walk(ctx, request);
        let policy = walk.field(info.parent_type, info.field, &mut Budget::new())?;
        let ttl = policy.max_age.filter(|age| *age >= Duration::from_millis(1))?;
        let anonymous = Viewer::anonymous();
        let viewer = ctx.data_opt::<Viewer>().unwrap_or(&anonymous);
        let mut parts = viewer.scope(policy.private)?;
        parts.push(format!("{}.{}", info.parent_type, info.name));
        parts.extend(facts.parent.map(str::to_owned));
        let mut hash = blake3::Hasher::new();
        hash.update(self.shared.schema_hash(ctx));
        hash.update(request.document.canonical(info.field)?.as_bytes());
        parts.push(hash.finalize().to_hex().as_str()[..32].to_owned());
        let key = self.shared.keyspace.key(&parts).ok()?;
        let mut known = policy.tags;
        for template in hints.tags.iter().filter(|template| !template.is_of_result()) {
            known.extend(template.render(facts)?);
        }
        let tags_key = match policy.has_later_tags {
            true => {
                parts.push("tags".to_owned());
                Some(self.shared.keyspace.key(&parts).ok()?)
            }
            false => None,
        };
        let entry = hints.field.or(hints.of_type);
        let rule = entry.map_or_else(Rule::new, |entry| entry.rule.clone());
        Some(Plan { key, tags_key, ttl, rule, known })
    }

    #[allow(clippy::too_many_arguments, reason = "all of them are one field")]
    async fn cached(
        &self,
        ctx: &ExtensionContext<'_>,
        request: &Request,
        path: &str,
        plan: Plan,
        hints: &Hints<'_>,
        facts: Facts<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let position = info.field.name.pos;
        let failed = |error: edgecask::Error| ServerError::new(error.to_string(), Some(position));
        let mine = Mutex::new(Some((info, next)));
        // The result of the field, if it must not be stored.
        let given = Mutex::new(None);
        let mut loaded =
            platform::boxed(|| self.load(ctx, request, path, &plan, hints, &facts, &mine, &given))
                .await;
        // Another request resolved the field, and learned its tags: now it can be stored.
        if plan.tags_key.is_some() && is_left_over(&loaded, &mine) {
            loaded = platform::boxed(|| {
                self.load(ctx, request, path, &plan, hints, &facts, &mine, &given)
            })
            .await;
        }
        match (take(&given), loaded) {
            (Some((Ok(value), tags)), _) => {
                request.loads.report(path, tags.as_ref());
                Ok(Some(value))
            }
            (Some((Err(_), _)), Ok(stale)) => {
                request.loads.report(path, None);
                Ok(Some(stale.value))
            }
            (Some((Err(error), _)), Err(_)) => {
                request.loads.report(path, None);
                Err(error)
            }
            (None, Ok(stored)) => {
                request.loads.report(path, Some(&stored.tags));
                Ok(Some(stored.value))
            }
            (None, Err(error)) => {
                request.loads.report(path, None);
                // The result of the other request must not be stored, nor shared: this request resolves the field too.
                match take(&mine).filter(|_| error.kind() == ErrorKind::Store) {
                    Some((info, next)) => next.run(ctx, info).await,
                    None => Err(failed(error)),
                }
            }
        }
    }

    /// The field's value from the cache or from its resolver. A result that must not be stored is kept for this request.
    #[allow(clippy::too_many_arguments, reason = "all of them are one field")]
    async fn load<'i, 'n>(
        &self,
        ctx: &ExtensionContext<'_>,
        request: &Request,
        path: &str,
        plan: &Plan,
        hints: &Hints<'_>,
        facts: &Facts<'_>,
        mine: &Mutex<Option<(ResolveInfo<'i>, NextResolve<'n>)>>,
        given: &Mutex<Option<Given>>,
    ) -> edgecask::Result<Stored> {
        let cache = &self.shared.cache;
        let mut named = plan.known.clone();
        if let Some(key) = &plan.tags_key {
            named.extend(cache.get::<BTreeSet<String>>(key).await?.unwrap_or_default());
        }
        let options = plan.rule.load_options(plan.ttl, named.iter().cloned());
        let load = || async {
            let (info, next) = take(mine).ok_or(NotStored)?;
            let loading = request.loads.begin(path);
            let result = next.run(ctx, info).await;
            let seen = loading.end();
            let value = match result {
                Ok(value) => value.unwrap_or_default(),
                Err(error) => {
                    put(given, (Err(error), None));
                    return Err(NotStored);
                }
            };
            let own = tags_of(hints, &Facts { result: Some(&value), ..*facts });
            let tags = seen.tags.zip(own).map(|(mut tags, own)| {
                tags.extend(own);
                tags
            });
            match tags {
                Some(tags) if tags.is_subset(&named) => {
                    request.stored(path, &plan.key);
                    Ok(Stored { value, tags })
                }
                tags => {
                    // Before waiting requests are told, so that the next load can store the value.
                    if let (Some(key), Some(tags)) = (&plan.tags_key, &tags)
                        && let Err(error) =
                            cache.set(key, tags, plan.ttl.saturating_add(TAGS_STAY)).await
                    {
                        tracing::warn!(%error, "the tags of a field cannot be remembered: it is not cached");
                    }
                    put(given, (Ok(value), tags));
                    Err(NotStored)
                }
            }
        };
        // In a box: fields are nested, and each takes some of the stack.
        platform::boxed(|| cache.get_or_load(&plan.key, options, load)).await
    }

    async fn mutation_field(
        &self,
        ctx: &ExtensionContext<'_>,
        request: &Request,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let Some(templates) = self.shared.rules.mutation(info.name) else {
            return next.run(ctx, info).await;
        };
        let position = info.field.name.pos;
        let arguments = request.document.arguments(&info.field.arguments).unwrap_or_default();
        let facts = Facts {
            document: &request.document,
            field: info.field,
            arguments: &arguments,
            parent: None,
            viewer: ctx.data_opt::<Viewer>().and_then(Viewer::id),
            result: None,
        };
        // The tags are written first: data that cannot be invalidated must not change.
        let tags: Option<Vec<_>> =
            templates.iter().map(|template| template.render(&facts)).collect();
        let Some(tags) = tags else {
            let message =
                "an argument that a tag to invalidate needs is missing: nothing was changed";
            return Err(ServerError::new(message, Some(position)));
        };
        let result = next.run(ctx, info).await;
        // A resolver that fails may have changed something.
        let invalidated = self.shared.cache.invalidate_tags(tags.into_iter().flatten()).await;
        let invalidated =
            invalidated.map_err(|error| ServerError::new(error.to_string(), Some(position)));
        let value = result?;
        invalidated?;
        Ok(value)
    }
}

/// The tags of a field that was resolved. `None` if one of them cannot be written.
fn tags_of(hints: &Hints<'_>, facts: &Facts<'_>) -> Option<BTreeSet<String>> {
    let mut tags = BTreeSet::new();
    for template in &hints.tags {
        tags.extend(template.render(facts)?);
    }
    Some(tags)
}

/// Whether another request's load has failed, and the field was not resolved for this one.
fn is_left_over<T, N>(loaded: &edgecask::Result<T>, mine: &Mutex<Option<N>>) -> bool {
    let is_of_loader = loaded.as_ref().is_err_and(|error| error.kind() == ErrorKind::Store);
    is_of_loader && mine.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn put<T>(place: &Mutex<Option<T>>, value: T) {
    *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
}

#[async_trait::async_trait]
impl Extension for FieldExtension {
    async fn prepare_request(
        &self,
        ctx: &ExtensionContext<'_>,
        request: async_graphql::Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<async_graphql::Request> {
        let request = next.run(ctx, request).await?.data(self.parents.clone());
        let _ = self.prepared.set((request.operation_name.clone(), !request.uploads.is_empty()));
        Ok(request)
    }

    async fn parse_query(
        &self,
        ctx: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(ctx, query, variables).await?;
        if let Some((operation, has_files)) = self.prepared.get()
            && let Some(known) = Document::new(&document, variables, operation.as_deref())
        {
            // The variable of an uploaded file contains only its number.
            let may_cache = !has_files && self.shared.fits(&ctx.schema_env.registry);
            let _ = self.request.set(Request::new(known, self.parents.clone(), may_cache));
        }
        Ok(document)
    }

    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let mut result = next.run(ctx).await?;
        if let Some(request) = self.request.get()
            && request.document.operation() == OperationType::Query
        {
            let policy = self.walk(ctx, request).operation().filter(|_| request.may_cache);
            let age = policy.as_ref().map_or(Some(Duration::ZERO), |policy| policy.max_age);
            let is_public = policy.is_some_and(|policy| !policy.private);
            result.cache_control = CacheControl {
                public: result.cache_control.public && is_public,
                max_age: match (result.cache_control.max_age, age.map(|age| age.as_secs())) {
                    (-1, _) | (_, Some(0)) => -1,
                    (annotated, None) => annotated,
                    (_, Some(seconds)) => i32::try_from(seconds).unwrap_or(i32::MAX),
                },
            };
        }
        Ok(result)
    }

    async fn execute(
        &self,
        ctx: &ExtensionContext<'_>,
        operation: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let mut response = next.run(ctx, operation).await;
        if let Some(request) = self.request.get().filter(|_| !response.errors.is_empty()) {
            response.cache_control.max_age = -1;
            // Errors that were not passed to a hook, such as those that a resolver adds to the context.
            for key in request.stored_with(&response.errors) {
                if let Err(error) = self.shared.cache.delete(&key).await {
                    tracing::warn!(%error, "a field with an error in it cannot be deleted from the cache");
                }
            }
        }
        response
    }

    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        match self.request.get() {
            Some(request) => match request.document.operation() {
                OperationType::Query => {
                    platform::boxed(|| self.query_field(ctx, request, info, next)).await
                }
                OperationType::Mutation if info.path_node.parent.is_none() => {
                    self.mutation_field(ctx, request, info, next).await
                }
                _ => next.run(ctx, info).await,
            },
            None => next.run(ctx, info).await,
        }
    }
}
