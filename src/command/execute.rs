use super::Command;
use crate::{FromValue, Result, Value};

/// Where a typed command goes: a [`Client`](crate::Client) sends it at once, a [`Pipeline`](crate::Pipeline) or
/// [`Transaction`](crate::Transaction) keeps it for later.
///
/// Every family of typed commands is a trait over this one, so that each command is written once and works in all of
/// them. Import them together: `use edgecask::prelude::*;`.
pub trait Execute {
    /// What the caller gets: a future of `R`, or the place of an `R` among the replies to come.
    type Reply<R>;

    /// Takes a command whose reply `convert` turns into an `R`.
    fn execute_with<R>(&self, command: Command, convert: fn(Value) -> Result<R>) -> Self::Reply<R>;

    /// Takes any command, also one that this crate does not know.
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
