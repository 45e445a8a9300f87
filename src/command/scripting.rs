//! Lua scripts, each with a native implementation for the embedded engine.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::{Arguments, Command, Execute, ToArg};
use crate::{FromValue, Result, Value};

/// What a native implementation may do: call commands inside the script, as `redis.call` does in Lua.
pub trait ScriptContext {
    /// Runs a command.
    ///
    /// # Errors
    /// The command's error reply, which ends the script if it is passed on.
    fn call(&mut self, command: Command) -> Result<Value>;
}

/// The native form of a Lua script: a plain function of its keys and arguments.
pub type NativeScript = fn(&mut dyn ScriptContext, keys: &[Bytes], args: &[Bytes]) -> Result<Value>;

/// A Lua script for Redis and, for the embedded engine, a function that does the same.
///
/// The sha is computed once. [`Client::run_script`](crate::Client::run_script) sends EVALSHA, and EVAL if the server
/// does not know the script yet.
///
/// ```
/// use edgecask::{command::Script, prelude::*};
///
/// let double = Script::new("return redis.call('INCRBY', KEYS[1], ARGV[1] * 2)").with_native(
///     |redis, keys, args| {
///         let by: i64 = String::from_utf8_lossy(&args[0]).parse().unwrap_or(0);
///         redis.call(Command::new("INCRBY").arg(&keys[0]).arg(by * 2))
///     },
/// );
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// assert_eq!(client.run_script::<i64>(&double, ["n"], ["21"]).await?, 42);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Script(Arc<Inner>);

struct Inner {
    source: String,
    sha: OnceLock<String>,
    read_only: bool,
    key_locking: bool,
    /// The same script with Upstash's flag, made when it is first needed.
    flagged: OnceLock<Script>,
    native: Option<NativeScript>,
}

/// Upstash's own flag: the script locks its keys and not the whole database while it runs.
const KEY_LOCKING: &str = "#!lua flags=allow-key-locking\n";

impl Script {
    /// A script of this source. Without a native implementation it does not run on the embedded engine.
    pub fn new(source: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            source: source.into(),
            sha: OnceLock::new(),
            read_only: false,
            key_locking: false,
            flagged: OnceLock::new(),
            native: None,
        }))
    }

    /// Sets the function that the embedded engine runs in its place.
    #[must_use]
    pub fn with_native(self, native: NativeScript) -> Self {
        self.rebuilt(|inner| inner.native = Some(native))
    }

    /// Declares that the script only reads: it is sent by EVALSHA_RO and EVAL_RO, and a read-only token will do.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.rebuilt(|inner| inner.read_only = true)
    }

    /// Declares that the script touches no keys but its KEYS. On Upstash it then locks those alone while it runs
    /// (`#!lua flags=allow-key-locking`), and not the whole database; elsewhere nothing changes. Not for a source that has
    /// a `#!lua` line of its own.
    #[must_use]
    pub fn key_locking(self) -> Self {
        self.rebuilt(|inner| inner.key_locking = true)
    }

    /// The form with Upstash's flag, if the script may have it.
    pub(crate) fn flagged(&self) -> Option<&Self> {
        let may = self.0.key_locking && !self.0.source.starts_with("#!");
        may.then(|| {
            self.0.flagged.get_or_init(|| {
                let source = [KEY_LOCKING, &self.0.source].concat();
                self.clone().rebuilt(|inner| inner.source = source)
            })
        })
    }

    fn rebuilt(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner {
            source: self.0.source.clone(),
            sha: OnceLock::new(),
            read_only: self.0.read_only,
            key_locking: self.0.key_locking,
            flagged: OnceLock::new(),
            native: self.0.native,
        };
        change(&mut inner);
        Self(Arc::new(inner))
    }

    /// The Lua source.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The SHA-1 of the source, by which Redis knows the script.
    pub fn sha(&self) -> &str {
        self.0.sha.get_or_init(|| sha1(self.0.source.as_bytes()))
    }

    /// The native implementation.
    pub fn native(&self) -> Option<NativeScript> {
        self.0.native
    }

    pub(crate) fn evalsha(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Command {
        let name = if self.0.read_only { "EVALSHA_RO" } else { "EVALSHA" };
        self.command(name, self.sha(), keys, args)
    }

    /// The EVALSHA of this script with the keys and arguments of another's.
    pub(crate) fn evalsha_instead(&self, evalsha: &Command) -> Command {
        Command::new(if self.0.read_only { "EVALSHA_RO" } else { "EVALSHA" })
            .arg(self.sha())
            .args_from(evalsha.args().skip(1))
            .with_native(self.native())
    }

    /// The EVAL that does the same as this EVALSHA.
    pub(crate) fn eval_instead(&self, evalsha: &Command) -> Command {
        let name = if self.0.read_only { "EVAL_RO" } else { "EVAL" };
        Command::new(name)
            .arg(self.source())
            .args_from(evalsha.args().skip(1))
            .with_native(self.native())
    }

    fn command(
        &self,
        name: &'static str,
        script: &str,
        keys: impl IntoIterator<Item = impl ToArg>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Command {
        let keys = Arguments::new(keys);
        Command::new(name)
            .arg(script)
            .arg(keys.len())
            .args_from(keys.iter())
            .args_from(args)
            .with_native(self.native())
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("sha", &self.sha())
            .field("read_only", &self.0.read_only)
            .field("native", &self.0.native.is_some())
            .finish()
    }
}

/// The SHA-1 of a script, in lower-case hexadecimal.
pub(crate) fn sha1(source: &[u8]) -> String {
    sha1_smol::Sha1::from(source).digest().to_string()
}

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

    /// Makes the server forget all scripts. [Redis SCRIPT FLUSH](https://redis.io/docs/latest/commands/script-flush/).
    #[doc(alias = "SCRIPT FLUSH")]
    fn script_flush(&self) -> Self::Reply<()> {
        self.execute(Command::new("SCRIPT").arg("FLUSH"))
    }

    /// Ends the script that is running, if it has written nothing. [Redis SCRIPT KILL](https://redis.io/docs/latest/commands/script-kill/).
    #[doc(alias = "SCRIPT KILL")]
    fn script_kill(&self) -> Self::Reply<()> {
        self.execute(Command::new("SCRIPT").arg("KILL"))
    }

    /// Makes a script known without running it, and gives its sha. [Redis SCRIPT LOAD](https://redis.io/docs/latest/commands/script-load/).
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
