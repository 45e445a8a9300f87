//! Publishing messages.

use super::{Command, Execute, ToArg};

/// The commands of publish and subscribe that answer at once. Each is one command and one round trip.
///
/// ```
/// use edgecask::prelude::*;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// assert_eq!(client.publish("news", "hello").await?, 0, "nobody listens");
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait PubSubCommands: Execute {
    /// Publishes a message, and tells how many subscribers got it. Redis PUBLISH.
    fn publish(&self, channel: impl ToArg, message: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("PUBLISH").arg(channel).arg(message))
    }
}

impl<E: Execute + ?Sized> PubSubCommands for E {}
