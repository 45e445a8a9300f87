//! Objects with a key that identifies them within their type.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::parser::types::Field;
use async_graphql::registry::Registry;
use async_graphql::{ContextSelectionSet, OutputType, Positioned, ServerResult, Value};

/// An object with its key, so that its fields can be cached separately. A resolver returns it instead of the object. The
/// schema stays the same.
///
/// ```
/// use async_graphql::{Object, SimpleObject};
/// use edgecask_graphql::Keyed;
///
/// #[derive(SimpleObject)]
/// struct User { id: u64, name: String }
///
/// struct Query;
/// #[Object]
/// impl Query {
///     async fn users(&self) -> Vec<Keyed<User>> {
///         let users = [User { id: 1, name: "Ada".to_owned() }];
///         users.into_iter().map(|user| Keyed::new(user.id, user)).collect()
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed<T> {
    key: String,
    object: T,
}

impl<T> Keyed<T> {
    /// An object, and the key that distinguishes it from all others of its type.
    pub fn new(key: impl Display, object: T) -> Self {
        Self { key: key.to_string(), object }
    }

    /// The object.
    pub fn into_inner(self) -> T {
        self.object
    }
}

/// The keys of the objects of one request, by their paths.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parents(Arc<Mutex<HashMap<String, String>>>);

impl Parents {
    pub(crate) fn key(&self, path: &str) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }

    fn set(&self, path: String, key: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path, key.to_owned());
    }
}

#[cfg_attr(feature = "boxed-trait", async_trait::async_trait)]
impl<T: OutputType> OutputType for Keyed<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn qualified_type_name() -> String {
        T::qualified_type_name()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.object.introspection_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        if let (Some(parents), Some(path)) = (ctx.data_opt::<Parents>(), ctx.path_node) {
            parents.set(path.to_string(), &self.key);
        }
        self.object.resolve(ctx, field).await
    }
}
