//! Commands on the server: PING, INFO, configuration, ACL, flushing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Command, Execute, ToArg, time};
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
    /// The number of keys. [Redis DBSIZE](https://redis.io/docs/latest/commands/dbsize/).
    #[doc(alias = "DBSIZE")]
    fn dbsize(&self) -> Self::Reply<u64> {
        self.execute(Command::new("DBSIZE"))
    }

    /// Returns the message. [Redis ECHO](https://redis.io/docs/latest/commands/echo/).
    #[doc(alias = "ECHO")]
    fn echo<R: FromValue>(&self, message: impl ToArg) -> Self::Reply<R> {
        self.execute(Command::new("ECHO").arg(message))
    }

    /// Deletes every key of every database. [Redis FLUSHALL](https://redis.io/docs/latest/commands/flushall/).
    #[doc(alias = "FLUSHALL")]
    fn flushall(&self) -> Self::Reply<()> {
        self.execute(Command::new("FLUSHALL"))
    }

    /// Deletes every key of this database. [Redis FLUSHDB](https://redis.io/docs/latest/commands/flushdb/).
    #[doc(alias = "FLUSHDB")]
    fn flushdb(&self) -> Self::Reply<()> {
        self.execute(Command::new("FLUSHDB"))
    }

    /// Information about the server, as `name:value` lines; a section such as `memory` selects a part. [Redis
    /// INFO](https://redis.io/docs/latest/commands/info/).
    #[doc(alias = "INFO")]
    fn info(&self, section: &str) -> Self::Reply<String> {
        let command = Command::new("INFO");
        self.execute(if section.is_empty() { command } else { command.arg(section) })
    }

    /// Checks that the server answers. [Redis PING](https://redis.io/docs/latest/commands/ping/).
    #[doc(alias = "PING")]
    fn ping(&self) -> Self::Reply<()> {
        self.execute(Command::new("PING"))
    }

    /// The server's clock, as time since the Unix epoch. [Redis TIME](https://redis.io/docs/latest/commands/time/).
    #[doc(alias = "TIME")]
    fn time(&self) -> Self::Reply<Duration> {
        fn since_epoch(value: Value) -> Result<Duration> {
            let (seconds, micros) = <(u64, u32)>::from_value(value)?;
            Ok(Duration::from_secs(seconds) + Duration::from_micros(micros.into()))
        }
        self.execute_with(Command::new("TIME"), since_epoch)
    }

    /// The ACL categories. [Redis ACL CAT](https://redis.io/docs/latest/commands/acl-cat/).
    #[doc(alias = "ACL CAT")]
    fn acl_cat(&self) -> Self::Reply<Vec<String>> {
        self.execute(Command::new("ACL").arg("CAT"))
    }

    /// Deletes users, and returns how many were there. [Redis ACL DELUSER](https://redis.io/docs/latest/commands/acl-deluser/).
    #[doc(alias = "ACL DELUSER")]
    fn acl_deluser(&self, users: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("ACL").arg("DELUSER").args_from(users))
    }

    /// A random password. [Redis ACL GENPASS](https://redis.io/docs/latest/commands/acl-genpass/).
    #[doc(alias = "ACL GENPASS")]
    fn acl_genpass(&self) -> Self::Reply<String> {
        self.execute(Command::new("ACL").arg("GENPASS"))
    }

    /// The rules of a user, by name. [Redis ACL GETUSER](https://redis.io/docs/latest/commands/acl-getuser/).
    #[doc(alias = "ACL GETUSER")]
    fn acl_getuser(&self, user: impl ToArg) -> Self::Reply<Option<BTreeMap<String, Value>>> {
        self.execute(Command::new("ACL").arg("GETUSER").arg(user))
    }

    /// The rules of all users, a line each. [Redis ACL LIST](https://redis.io/docs/latest/commands/acl-list/).
    #[doc(alias = "ACL LIST")]
    fn acl_list(&self) -> Self::Reply<Vec<String>> {
        self.execute(Command::new("ACL").arg("LIST"))
    }

    /// A REST token with a user's rights. Upstash ACL RESTTOKEN.
    #[doc(alias = "ACL RESTTOKEN")]
    fn acl_resttoken(&self, user: impl ToArg, password: impl ToArg) -> Self::Reply<String> {
        self.execute(Command::new("ACL").arg("RESTTOKEN").arg(user).arg(password))
    }

    /// Creates a user, or changes its rules, such as `on`, `>password`, `~app:*`, `+@read`. [Redis ACL
    /// SETUSER](https://redis.io/docs/latest/commands/acl-setuser/).
    #[doc(alias = "ACL SETUSER")]
    fn acl_setuser(
        &self,
        user: impl ToArg,
        rules: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<()> {
        self.execute(Command::new("ACL").arg("SETUSER").arg(user).args_from(rules))
    }

    /// The names of all users. [Redis ACL USERS](https://redis.io/docs/latest/commands/acl-users/).
    #[doc(alias = "ACL USERS")]
    fn acl_users(&self) -> Self::Reply<Vec<String>> {
        self.execute(Command::new("ACL").arg("USERS"))
    }

    /// The user of this connection or token. [Redis ACL WHOAMI](https://redis.io/docs/latest/commands/acl-whoami/).
    #[doc(alias = "ACL WHOAMI")]
    fn acl_whoami(&self) -> Self::Reply<String> {
        self.execute(Command::new("ACL").arg("WHOAMI"))
    }

    /// Tells the server about the client: `LIB-NAME` or `LIB-VER`. [Redis CLIENT SETINFO](https://redis.io/docs/latest/commands/client-setinfo/).
    #[doc(alias = "CLIENT SETINFO")]
    fn client_setinfo(&self, attribute: impl ToArg, value: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("CLIENT").arg("SETINFO").arg(attribute).arg(value))
    }

    /// How many commands the server has. [Redis COMMAND COUNT](https://redis.io/docs/latest/commands/command-count/).
    #[doc(alias = "COMMAND COUNT")]
    fn command_count(&self) -> Self::Reply<u64> {
        self.execute(Command::new("COMMAND").arg("COUNT"))
    }

    /// Information about commands: name, arity, flags, positions of keys and more; `None` for unknown ones. [Redis COMMAND
    /// INFO](https://redis.io/docs/latest/commands/command-info/).
    #[doc(alias = "COMMAND INFO")]
    fn command_info(
        &self,
        names: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<Vec<Value>>>> {
        self.execute(Command::new("COMMAND").arg("INFO").args_from(names))
    }

    /// The settings whose names match a glob. [Redis CONFIG GET](https://redis.io/docs/latest/commands/config-get/).
    #[doc(alias = "CONFIG GET")]
    fn config_get(&self, pattern: impl ToArg) -> Self::Reply<BTreeMap<String, String>> {
        self.execute(Command::new("CONFIG").arg("GET").arg(pattern))
    }

    /// Resets the counters of INFO. [Redis CONFIG RESETSTAT](https://redis.io/docs/latest/commands/config-resetstat/).
    #[doc(alias = "CONFIG RESETSTAT")]
    fn config_resetstat(&self) -> Self::Reply<()> {
        self.execute(Command::new("CONFIG").arg("RESETSTAT"))
    }

    /// Changes a setting. [Redis CONFIG SET](https://redis.io/docs/latest/commands/config-set/).
    #[doc(alias = "CONFIG SET")]
    fn config_set(&self, name: impl ToArg, value: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("CONFIG").arg("SET").arg(name).arg(value))
    }

    /// Waits until this many replicas have all writes of this connection, or until the timeout is over, and returns how
    /// many replicas have them. `None` waits for ever; a shorter time than 1 ms, and zero, counts as 1 ms. [Redis
    /// WAIT](https://redis.io/docs/latest/commands/wait/).
    ///
    /// Connections are shared, so send it in one pipeline after the writes; such a pipeline gets a connection of its own. A
    /// WAIT that is sent alone is refused. The client's deadline has to be longer than the timeout. Over TCP, on one
    /// server:
    ///
    /// ```no_run
    /// use edgecask::prelude::*;
    /// use std::time::Duration;
    ///
    /// # async fn example(client: Client) -> edgecask::Result<()> {
    /// let pipeline = client.pipeline();
    /// let set = pipeline.set("k", "v");
    /// let replicas = pipeline.wait(1, Duration::from_millis(500));
    /// let mut replies = pipeline.exec().await?;
    /// replies.take(set)?;
    /// println!("{} replicas have it", replies.take(replicas)?);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "WAIT")]
    fn wait(&self, replicas: u64, timeout: impl Into<Option<Duration>>) -> Self::Reply<u64> {
        let millis = time::millis_or_zero(timeout.into());
        self.execute(Command::new("WAIT").arg(replicas).arg(millis))
    }
}

impl<E: Execute + ?Sized> ServerCommands for E {}
