//! Fields of an [async-graphql](async_graphql) schema in [Edgecask's cache](edgecask::cache): with a time to live, a scope
//! and tags for each field or type. The guide is `docs/graphql.md`.
//!
//! | to | take |
//! |---|---|
//! | say what is cached | [`FieldCache::builder`], [`Rule`]; async-graphql's own `cache_control(…)` counts too |
//! | name the user of a request | [`Viewer`], as data of the request |
//! | cache fields of objects | [`Keyed`] |
//! | invalidate | [`Cache::invalidate_tags`] of [`FieldCache::cache`], [`Builder::invalidate`] |

mod document;
mod extension;
mod keyed;
mod request;
mod rule;
mod rules;
mod template;
mod viewer;

use std::fmt;
use std::sync::{Arc, OnceLock};

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory};
use async_graphql::registry::Registry;
use edgecask::Keyspace;
use edgecask::cache::Cache;

use self::extension::FieldExtension;
pub use self::keyed::Keyed;
pub use self::rule::Rule;
use self::rules::Rules;
pub use self::viewer::Viewer;

/// The guide, whose snippets are tested.
#[cfg(doctest)]
#[doc = include_str!("../../docs/graphql.md")]
mod guide {}

/// An extension that caches the fields of one schema. Clones share everything.
///
/// A hit is one round trip, or none with a first tier; where tags hold values of results, it is one more. A miss costs what
/// [`Cache::get_or_load`] does.
///
/// ```
/// use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Schema};
/// use edgecask::{Client, cache::Cache};
/// use edgecask_graphql::{FieldCache, Rule};
/// use std::time::Duration;
///
/// struct Query;
/// #[Object]
/// impl Query {
///     async fn price(&self, item: u64) -> u64 { item * 2 }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let price = Rule::new().max_age(Duration::from_secs(60)).tags(["item:{args.item}"]);
/// let fields = FieldCache::builder(Cache::new(Client::memory())).rule("Query.price", price).build()?;
/// let schema = Schema::build(Query, EmptyMutation, EmptySubscription).extension(fields.clone()).finish();
///
/// for _ in 0..2 {
///     let response = schema.execute("{ price(item: 7) }").await;
///     assert_eq!(response.cache_control.value().as_deref(), Some("max-age=60"));
/// }
/// assert_eq!(fields.cache().stats().hits, 1);
/// fields.cache().invalidate_tags(["item:7"]).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FieldCache(Arc<Shared>);

/// The state that all requests of a schema share.
struct Shared {
    cache: Cache,
    keyspace: Keyspace,
    rules: Rules,
    /// Whether the schema has every type, field and argument that the rules name.
    fits: OnceLock<bool>,
    schema: OnceLock<[u8; 32]>,
}

/// The builder of a [`FieldCache`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    cache: Cache,
    keyspace: Keyspace,
    rules: Vec<(String, Rule)>,
    mutations: Vec<(String, Vec<String>)>,
}

/// A malformed rule, or a second one for the same name.
#[derive(Debug, thiserror::Error)]
#[error("the rule of '{name}' is wrong: {reason}")]
pub struct InvalidRule {
    name: String,
    reason: String,
}

impl FieldCache {
    /// Caches fields in this cache.
    pub fn builder(cache: Cache) -> Builder {
        let keyspace = Keyspace::literal("graphql");
        Builder { cache, keyspace, rules: Vec::new(), mutations: Vec::new() }
    }

    /// The cache of the fields: for invalidations and statistics.
    pub fn cache(&self) -> &Cache {
        &self.0.cache
    }
}

impl Builder {
    /// Adds a rule for a field (`"User.posts"`), or for all fields that give a type (`"User"`). A rule of an interface holds
    /// for the types that implement it.
    ///
    /// ```
    /// use edgecask::{Client, cache::Cache};
    /// use edgecask_graphql::{FieldCache, Rule};
    /// use std::time::Duration;
    ///
    /// let fields = FieldCache::builder(Cache::new(Client::memory()))
    ///     .rule("User", Rule::new().max_age(Duration::from_secs(300)))
    ///     .rule("User.email", Rule::new().private())
    ///     .rule("Query.user", Rule::new().tags(["user:{args.id}"]))
    ///     .build()?;
    /// # Ok::<(), edgecask_graphql::InvalidRule>(())
    /// ```
    pub fn rule(mut self, name: impl Into<String>, rule: Rule) -> Self {
        self.rules.push((name.into(), rule));
        self
    }

    /// The tags that a field of the mutation invalidates after it was resolved, also if it failed. They may contain arguments and
    /// the user, as [`Rule::tags`] do. If they cannot be written, the field fails and changes nothing. It costs one script
    /// for each tag, in one round trip.
    ///
    /// ```
    /// use edgecask::{Client, cache::Cache};
    /// use edgecask_graphql::FieldCache;
    ///
    /// let fields = FieldCache::builder(Cache::new(Client::memory()))
    ///     .invalidate("renameUser", ["user:{args.id}", "users"])
    ///     .build()?;
    /// # Ok::<(), edgecask_graphql::InvalidRule>(())
    /// ```
    pub fn invalidate(
        mut self,
        field: impl Into<String>,
        tags: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        self.mutations.push((field.into(), tags.into_iter().map(Into::into).collect()));
        self
    }

    /// The keyspace of the entries. Default: `graphql`.
    pub fn keyspace(mut self, keyspace: Keyspace) -> Self {
        self.keyspace = keyspace;
        self
    }

    /// Builds the extension. The rules are compared with the schema at the first request: if the schema lacks a name, an error is
    /// logged and nothing is cached.
    ///
    /// # Errors
    /// [`InvalidRule`] if a name or a tag is malformed, or there are two rules of one name.
    pub fn build(self) -> Result<FieldCache, InvalidRule> {
        let mut rules = Rules::default();
        for (name, rule) in self.rules {
            rules.add(&name, rule).map_err(|reason| InvalidRule { name, reason })?;
        }
        for (name, tags) in self.mutations {
            rules.add_mutation(&name, &tags).map_err(|reason| InvalidRule { name, reason })?;
        }
        let (cache, keyspace) = (self.cache, self.keyspace);
        let (fits, schema) = Default::default();
        Ok(FieldCache(Arc::new(Shared { cache, keyspace, rules, fits, schema })))
    }
}

impl Shared {
    /// keep a field private, so then nothing is cached.
    fn fits(&self, registry: &Registry) -> bool {
        *self.fits.get_or_init(|| {
            let unknown = self.rules.unknown(registry);
            if !unknown.is_empty() {
                tracing::error!(
                    ?unknown,
                    "rules name what the schema does not have: no field is cached"
                );
            }
            unknown.is_empty()
        })
    }

    /// A hash that distinguishes this version of the schema from others.
    fn schema_hash(&self, ctx: &ExtensionContext<'_>) -> &[u8; 32] {
        self.schema.get_or_init(|| *blake3::hash(ctx.sdl().as_bytes()).as_bytes())
    }
}

impl ExtensionFactory for FieldCache {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(FieldExtension::new(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for FieldCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FieldCache")
            .field("cache", &self.0.cache)
            .field("keyspace", &self.0.keyspace)
            .finish_non_exhaustive()
    }
}
