//! Phoenix: an orchestrator whose agents share responses of language models, sessions and their health.
//!
//! Records are JSON in strings, with the fields of its Rust service. Points in time are text in the form of RFC 3339.
//!
//! The service writes the state of a session by HSET on that string, which Redis refuses. Use
//! [`Json::update`](crate::keyspace::types::Json::update).
//!
//! The service takes a task by RPOP, so the task is lost if the worker stops. [`task_queue`] leases tasks of the same list, and delivers
//! them again until they are acknowledged. Both may be used at the same time.
//!
//! [`lock`](fn@lock) makes a lock of its key by [`Text::lock`](crate::keyspace::types::Text::lock).
//!
//! [`ServerStats`](crate::cache::ServerStats) has the statistics of the server for Prometheus.
//!
//! ```
//! use edgecask::Client;
//! use edgecask::systems::phoenix::{self, InputHash, ResponseMetadata, Response, Session, SessionState};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let client = Client::memory();
//! let cached = phoenix::response(InputHash::of("gpt-5", "What is a cache?"))?;
//! assert_eq!(cached.get(&client).await?, None);
//! let response = Response {
//!     response: "A place for what is needed again.".to_owned(),
//!     timestamp: "2026-11-28T10:00:00Z".to_owned(),
//!     ttl: 3600,
//!     metadata: ResponseMetadata { model: "gpt-5".to_owned(), tokens: 9, provider: "openai".to_owned() },
//! };
//! cached.set(&client, &response).await?;
//!
//! let session = phoenix::session("c-1")?;
//! session.set(&client, &Session::new("c-1", "2026-11-28T10:00:00Z")).await?;
//! let changed = session.update(&client, |session| session.state = SessionState::Completed).await?;
//! assert_eq!(changed.map(|session| session.state), Some(SessionState::Completed));
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod agents;
mod error;
mod tasks;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::KeyPart;

/// The hash that identifies a response of a language model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InputHash(blake3::Hash);

impl InputHash {
    /// The BLAKE3 hash of a model's name and its input.
    pub fn of(model: &str, input: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        // The length separates the two.
        hasher.update(&(model.len() as u64).to_le_bytes());
        hasher.update(model.as_bytes());
        hasher.update(input.as_bytes());
        Self(hasher.finalize())
    }
}

/// 64 hexadecimal digits.
impl KeyPart for InputHash {
    fn write_part(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(&self.0.to_hex())
    }
}

/// A response of a language model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Response {
    /// The text of the response.
    pub response: String,
    /// When the model responded.
    pub timestamp: String,
    /// How long it is cached, in seconds.
    pub ttl: u64,
    /// The origin of the response.
    pub metadata: ResponseMetadata,
}

/// The origin of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResponseMetadata {
    /// The model.
    pub model: String,
    /// The number of tokens.
    pub tokens: u32,
    /// The provider of the model.
    pub provider: String,
}

/// A session of the orchestrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Session {
    /// The identifier that all of its messages carry.
    pub correlation_id: String,
    /// When it was created.
    pub created_at: String,
    /// When it was last used.
    pub last_accessed: String,
    /// The plan that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    /// The current task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Whether it is active.
    pub state: SessionState,
}

impl Session {
    /// An active session that is created now, without a plan or a task.
    pub fn new(correlation_id: impl Into<String>, now: impl Into<String>) -> Self {
        let now = now.into();
        Self {
            correlation_id: correlation_id.into(),
            created_at: now.clone(),
            last_accessed: now,
            plan_id: None,
            task_id: None,
            state: SessionState::Active,
        }
    }
}

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SessionState {
    /// The session is active.
    Active,
    /// The session has completed.
    Completed,
    /// The session has failed.
    Failed,
}

pub use agents::{AgentHealth, Breaker, record_failure, record_success};
pub use error::CacheError;
pub use keys::*;
pub use tasks::{Task, enqueue_task, task_queue};

crate::keyspaces! {
    /// The keyspaces of Phoenix.
    mod keys, owner: "phoenix" {
        /// A response of a language model, by the hash of the model and its input.
        response(hash: InputHash) => Json<Response>, "phoenix:cache:{hash}", ttl: 1 hour;
        /// A session.
        session(correlation_id: &str) => Json<Session>, "phoenix:session:{correlation_id}", ttl: 2 hours;
        /// The health of an agent.
        agent_health(agent_id: &str) => Json<AgentHealth>, "phoenix:health:{agent_id}", forever;
        /// Waiting tasks, newest first.
        tasks() => List<Task>, "phoenix:tasks:queue", ttl: 24 hours;
        /// The holder of a lock.
        lock(name: &str) => Text<String>, "phoenix:locks:{name}", ttl: 30 seconds;
    }
}
