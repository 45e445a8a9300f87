//! The commands on Lua scripts.

pub use super::cmd::{NativeScript, ScriptContext};
pub use super::script::Script;
use super::{Command, Execute, ToArg};
use crate::FromValue;

/// The commands on scripts. Each is one command and one round trip. [`Script`] is easier for most uses.
///
/// ```
/// use edgecask::{command::Script, prelude::*};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// let sha: String = client.script_load("return 1").await?;
/// assert_eq!(client.script_exists([&sha]).await?, [true]);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ScriptingCommands: Execute {
    /// Runs a script given by its source. [Redis EVAL](https://redis.io/docs/latest/commands/eval/).
    #[doc(alias = "EVAL")]
    fn eval<R: FromValue>(
        &self,
        source: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg, IntoIter: ExactSizeIterator>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<R> {
        self.execute(script_command("EVAL", source, keys, args))
    }

    /// Runs a script that only reads. [Redis EVAL_RO](https://redis.io/docs/latest/commands/eval_ro/).
    #[doc(alias = "EVAL_RO")]
    fn eval_ro<R: FromValue>(
        &self,
        source: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg, IntoIter: ExactSizeIterator>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<R> {
        self.execute(script_command("EVAL_RO", source, keys, args))
    }

    /// Runs a script by its sha; an error with code `NOSCRIPT` if the server does not know it. [Redis EVALSHA](https://redis.io/docs/latest/commands/evalsha/).
    #[doc(alias = "EVALSHA")]
    fn evalsha<R: FromValue>(
        &self,
        sha: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg, IntoIter: ExactSizeIterator>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<R> {
        self.execute(script_command("EVALSHA", sha, keys, args))
    }

    /// Runs a script that only reads by its sha. [Redis EVALSHA_RO](https://redis.io/docs/latest/commands/evalsha_ro/).
    #[doc(alias = "EVALSHA_RO")]
    fn evalsha_ro<R: FromValue>(
        &self,
        sha: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg, IntoIter: ExactSizeIterator>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<R> {
        self.execute(script_command("EVALSHA_RO", sha, keys, args))
    }

    /// Which of these scripts the server knows. [Redis SCRIPT EXISTS](https://redis.io/docs/latest/commands/script-exists/).
    #[doc(alias = "SCRIPT EXISTS")]
    fn script_exists(&self, shas: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<Vec<bool>> {
        self.execute(Command::new("SCRIPT").arg("EXISTS").args_from(shas))
    }

    /// Removes all scripts from the server. [Redis SCRIPT FLUSH](https://redis.io/docs/latest/commands/script-flush/).
    #[doc(alias = "SCRIPT FLUSH")]
    fn script_flush(&self) -> Self::Reply<()> {
        self.execute(Command::new("SCRIPT").arg("FLUSH"))
    }

    /// Stops the running script, if it has not written anything. [Redis SCRIPT
    /// KILL](https://redis.io/docs/latest/commands/script-kill/).
    #[doc(alias = "SCRIPT KILL")]
    fn script_kill(&self) -> Self::Reply<()> {
        self.execute(Command::new("SCRIPT").arg("KILL"))
    }

    /// Loads a script without running it, and returns its sha. [Redis SCRIPT
    /// LOAD](https://redis.io/docs/latest/commands/script-load/).
    #[doc(alias = "SCRIPT LOAD")]
    fn script_load(&self, source: impl ToArg) -> Self::Reply<String> {
        self.execute(Command::new("SCRIPT").arg("LOAD").arg(source))
    }
}

impl<E: Execute + ?Sized> ScriptingCommands for E {}

fn script_command(
    name: &'static str,
    script: impl ToArg,
    keys: impl IntoIterator<Item = impl ToArg, IntoIter: ExactSizeIterator>,
    args: impl IntoIterator<Item = impl ToArg>,
) -> Command {
    let keys = keys.into_iter();
    Command::new(name).arg(script).arg(keys.len()).args_from(keys).args_from(args)
}
