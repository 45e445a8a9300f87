//! The server itself: is it there, what time is it, how many keys, delete them all.

use std::time::Duration;

use super::{Command, Execute, ToArg};
use crate::{FromValue, Result, Value};

/// The basic commands on the server and the connection. Each is one command and one round trip.
///
/// ```
/// use edgecask::prelude::*;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.ping().await?;
/// assert_eq!(client.dbsize().await?, 0);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ServerCommands: Execute {
    /// The number of keys. Redis DBSIZE.
    fn dbsize(&self) -> Self::Reply<u64> {
        self.execute(Command::new("DBSIZE"))
    }

    /// Gives the message back. Redis ECHO.
    fn echo<R: FromValue>(&self, message: impl ToArg) -> Self::Reply<R> {
        self.execute(Command::new("ECHO").arg(message))
    }

    /// Deletes every key of every database. Redis FLUSHALL.
    fn flushall(&self) -> Self::Reply<()> {
        self.execute(Command::new("FLUSHALL"))
    }

    /// Deletes every key of this database. Redis FLUSHDB.
    fn flushdb(&self) -> Self::Reply<()> {
        self.execute(Command::new("FLUSHDB"))
    }

    /// What the server says of itself, as `name:value` lines; a section such as `memory` narrows it. Redis INFO.
    fn info(&self, section: &str) -> Self::Reply<String> {
        let command = Command::new("INFO");
        self.execute(if section.is_empty() { command } else { command.arg(section) })
    }

    /// Whether the server answers. Redis PING.
    fn ping(&self) -> Self::Reply<()> {
        self.execute(Command::new("PING"))
    }

    /// The server's clock, as time since the Unix epoch. Redis TIME.
    fn time(&self) -> Self::Reply<Duration> {
        fn since_epoch(value: Value) -> Result<Duration> {
            let (seconds, micros) = <(u64, u32)>::from_value(value)?;
            Ok(Duration::from_secs(seconds) + Duration::from_micros(micros.into()))
        }
        self.execute_with(Command::new("TIME"), since_epoch)
    }
}

impl<E: Execute + ?Sized> ServerCommands for E {}
