//! Layers: behaviour around a transport, each itself a transport.
//!
//! Layers are added with [`Client::layer`](crate::Client::layer); the one added last sees a command first. From the
//! transport outwards, this order makes sense:
//!
//! | layer | what it does |
//! |---|---|
//! | [`RequestBudget`] | stays within a Worker's limits on subrequests and connections; over REST as a layer of the HTTP client |
//! | [`Deadline`] | limits each attempt |
//! | [`CircuitBreaker`] | sends nothing to a server that does not answer |
//! | [`AutoPipeline`] | sends concurrent commands in one round trip |
//! | [`Retry`] | sends again what failed and is safe; an open circuit ends it |
//! | [`Fallback`] | uses another transport while this one is unavailable |
//! | [`Deadline`] | limits the whole call; for one call there is [`Call::within`](crate::Call::within) |
//! | [`KeyPrefix`] | gives a tenant or an environment its own keyspace |
//! | [`Observe`] | spans for `tracing`, counts for `metrics` |

mod auto_pipeline;
mod circuit_breaker;
mod deadline;
mod fallback;
mod key_prefix;
mod observe;
mod request_budget;
mod retry;

use std::sync::Arc;

pub use auto_pipeline::AutoPipeline;
pub use circuit_breaker::CircuitBreaker;
pub use deadline::Deadline;
pub use fallback::Fallback;
pub(crate) use fallback::WithoutFallback;
pub use key_prefix::KeyPrefix;
pub use observe::{Observe, Observed};
pub use request_budget::{RequestBudget, Subrequests};
#[cfg(feature = "supabase")]
pub(crate) use retry::Retries;
pub use retry::Retry;

use crate::transport::Transport;

/// Wraps a transport in another one.
pub trait Layer {
    /// Wraps it.
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport>;
}
