//! Stores of records, and the decorator that caches any of them.
//!
//! A [`Store`] is a small trait: get, set, delete. [`MemoryStore`] keeps records in this process, a store of your own keeps
//! them in a database, and [`CachingStore`] wraps any store in a cache and is itself a store. Three components are built on
//! it, each with one factory:
//!
//! | component | factory | key | time to live |
//! |---|---|---|---|
//! | [`LlmPolicyStore`] | [`create_llm_policy_store`] | `copilot:llm:policy:{tenantId}` | 300 s |
//! | [`ConversationConfigStore`] | [`create_conversation_config_store`] | `copilot:conv:config:{tenantId}:{userId?}` | 300 s |
//! | [`AuthValidationCache`] | [`create_auth_validation_cache`] | `copilot:auth:validation:{userId}` | 300 s |

mod auth_validation;
mod caching;
mod conversation_config;
mod llm_policy;
mod memory;

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use auth_validation::{
    AuthBackend, AuthValidationCache, AuthValidationConfig, MemoryAuthBackend, Validation,
    create_auth_validation_cache,
};
pub use caching::{CachingStore, OnWrite, StoreConfig};
pub use conversation_config::{
    ConversationConfig, ConversationConfigStore, ConversationScope,
    create_conversation_config_store,
};
pub use llm_policy::{LlmPolicy, LlmPolicyStore, create_llm_policy_store};
pub use memory::MemoryStore;

use crate::BoxError;
use crate::platform::{MaybeSend, MaybeSync};

/// Fields of a JSON object that this crate does not know. They are kept, so that an older program does not drop the fields
/// of a newer one.
pub type Extra = BTreeMap<String, serde_json::Value>;

/// The identifier of a record. Its parts become the last parts of the record's key.
pub trait RecordId: Clone + Eq + Hash + fmt::Debug + Send + Sync + 'static {
    /// The parts in order. No part may be empty.
    fn parts(&self) -> Vec<&str>;
}

impl RecordId for String {
    fn parts(&self) -> Vec<&str> {
        vec![self]
    }
}

/// A record that a store keeps.
pub trait Record: Clone + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its identifier.
    type Id: RecordId;

    /// The identifier of this record.
    fn id(&self) -> Self::Id;
}

/// A place that keeps records. Implement it for a database with plain `async fn`s; any error will do.
///
/// ```
/// use edgecask::store::{LlmPolicy, Store};
/// use edgecask::BoxError;
///
/// struct Database;
///
/// impl Store<LlmPolicy> for Database {
///     async fn get(&self, tenant_id: &String) -> Result<Option<LlmPolicy>, BoxError> {
///         Ok(Some(LlmPolicy::new(tenant_id))) // SELECT …
///     }
///
///     async fn set(&self, policy: &LlmPolicy) -> Result<(), BoxError> {
///         Ok(()) // INSERT … ON CONFLICT UPDATE …
///     }
///
///     async fn delete(&self, tenant_id: &String) -> Result<bool, BoxError> {
///         Ok(false) // DELETE …
///     }
/// }
/// ```
pub trait Store<R: Record>: MaybeSend + MaybeSync + 'static {
    /// The record, or `None` if there is none.
    ///
    /// # Errors
    /// The store's own.
    fn get(&self, id: &R::Id) -> impl Future<Output = Result<Option<R>, BoxError>> + MaybeSend;

    /// Writes a record, and replaces any other with the same id.
    ///
    /// # Errors
    /// The store's own.
    fn set(&self, record: &R) -> impl Future<Output = Result<(), BoxError>> + MaybeSend;

    /// Deletes a record; returns whether it was there.
    ///
    /// # Errors
    /// The store's own.
    fn delete(&self, id: &R::Id) -> impl Future<Output = Result<bool, BoxError>> + MaybeSend;
}
