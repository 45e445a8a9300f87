//! Layers: behaviour around a transport, each itself a transport.
//!
//! Layers are added with [`Client::layer`](crate::Client::layer); the one added last sees a command first.

mod deadline;
mod retry;

use std::sync::Arc;

pub use deadline::Deadline;
pub use retry::Retry;

use crate::transport::Transport;

/// Something that wraps a transport in another.
pub trait Layer {
    /// Wraps it.
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport>;
}
