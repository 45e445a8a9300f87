//! Layers: behaviour around a transport, each itself a transport.
//!
//! Layers are added with [`Client::layer`](crate::Client::layer); the one added last sees a command first. From the
//! transport outwards, this order makes sense:
//!
//! | layer | what it does |
//! |---|---|
//! | [`Deadline`] | limits each attempt |
//! | [`CircuitBreaker`] | stops asking a server that does not answer |
//! | [`Retry`] | sends again what failed and is safe; an open circuit ends it |
//! | [`Deadline`] | limits the whole call |

mod circuit_breaker;
mod deadline;
mod retry;

use std::sync::Arc;

pub use circuit_breaker::CircuitBreaker;
pub use deadline::Deadline;
pub use retry::Retry;

use crate::transport::Transport;

/// Something that wraps a transport in another.
pub trait Layer {
    /// Wraps it.
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport>;
}
