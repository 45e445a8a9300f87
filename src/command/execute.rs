use super::Command;
use crate::{FromValue, Result, Value};

/// The receiver of typed commands: a [`Client`](crate::Client) sends a command at once, a [`Pipeline`](crate::Pipeline) or
/// [`Transaction`](crate::Transaction) queues it.
///
/// Each family of typed commands is a trait over this one, so that every command works on all receivers. Import the traits
/// together: `use edgecask::prelude::*;`.
pub trait Execute {
    /// The result for the caller: a future of `R`, or the slot of an `R` among the replies.
    type Reply<R>;

    /// Takes a command whose reply `convert` turns into an `R`.
    fn execute_with<R>(&self, command: Command, convert: fn(Value) -> Result<R>) -> Self::Reply<R>;

    /// Takes any command, including those that this crate does not know.
    ///
    /// ```
    /// use edgecask::prelude::*;
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let client = Client::memory();
    /// let length: u64 = client.execute(Command::new("APPEND").arg("k").arg("abc")).await?;
    /// assert_eq!(length, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn execute<R: FromValue>(&self, command: Command) -> Self::Reply<R> {
        self.execute_with(command, R::from_value)
    }
}
