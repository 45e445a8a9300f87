//! Phoenix: an orchestrator whose agents share answers of language models, sessions and their health.
//!
//! Records are JSON in strings, in the fields of its Rust service. Points in time are text in the form of RFC 3339.
//!
//! The service writes the state of a session by HSET on that string, which Redis refuses. Here it is
//! [`Json::update`](crate::keyspace::types::Json::update).
//!
//! The service takes a task by RPOP, so that a worker that stops loses it. Here [`take_task`] keeps it in a second list until
//! it is finished, and [`return_tasks`] brings back what a worker has left. Both lists must be on one server: a cluster refuses
//! LMOVE between slots.
//!
//! The figures of the server for Prometheus are [`ServerStats`](crate::cache::ServerStats).
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

/// The hash by which an answer of a language model is found again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InputHash(blake3::Hash);

impl InputHash {
    /// The BLAKE3 hash of a model's name and its input. The same input to another model has another hash.
    pub fn of(model: &str, input: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        // The length keeps the two apart.
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

/// An answer of a language model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Response {
    /// The answer.
    pub response: String,
    /// When it was given.
    pub timestamp: String,
    /// For how many seconds it is cached.
    pub ttl: u64,
    /// Where it comes from.
    pub metadata: ResponseMetadata,
}

/// Where an answer comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ResponseMetadata {
    /// The model that gave it.
    pub model: String,
    /// How many tokens it has.
    pub tokens: u32,
    /// Who runs the model.
    pub provider: String,
}

/// A session of the orchestrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Session {
    /// What all of its messages carry.
    pub correlation_id: String,
    /// When it began.
    pub created_at: String,
    /// When it was last used.
    pub last_accessed: String,
    /// The plan that it follows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    /// The task that it is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
    /// Whether it goes on.
    pub state: SessionState,
}

impl Session {
    /// An active session that begins now, without a plan or a task.
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

/// Whether a session goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SessionState {
    /// It goes on.
    Active,
    /// It has reached its end.
    Completed,
    /// It was given up.
    Failed,
}

pub use agents::{AgentHealth, Breaker, record_failure, record_success};
pub use error::CacheError;
pub use keys::*;
pub use tasks::{TakenTask, Task, enqueue_task, return_tasks, take_task};

crate::keyspaces! {
    /// The keyspaces of Phoenix.
    mod keys, owner: "phoenix" {
        /// An answer of a language model, by the hash of the model and its input.
        response(hash: InputHash) => Json<Response>, "phoenix:cache:{hash}", ttl: 1 hour;
        /// A session.
        session(correlation_id: &str) => Json<Session>, "phoenix:session:{correlation_id}", ttl: 2 hours;
        /// How an agent does.
        agent_health(agent_id: &str) => Json<AgentHealth>, "phoenix:health:{agent_id}", forever;
        /// Tasks that wait, newest first.
        tasks() => List<Task>, "phoenix:tasks:queue", ttl: 24 hours;
        /// Tasks that a worker has taken and not finished.
        taken_tasks(worker: &str) => List<Task>, "phoenix:tasks:taken:{worker}", ttl: 24 hours;
        /// Who holds a lock.
        lock(name: &str) => Text<String>, "phoenix:locks:{name}", ttl: 30 seconds;
    }
}
