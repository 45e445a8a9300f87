//! A Lua script, with a native implementation for the embedded engine.

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::args::{Arguments, ToArg};
use super::cmd::{Command, NativeScript};

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
    /// The same script with Upstash's flag, built when it is first needed.
    flagged: OnceLock<Script>,
    native: Option<NativeScript>,
}

/// Upstash's own flag: the script locks its keys and not the whole database while it runs.
const KEY_LOCKING: &str = "#!lua flags=allow-key-locking\n";

impl Script {
    /// A script of this source. Without a native implementation it runs on the embedded engine only
    /// with the feature `lua`.
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

    /// Sets the function that the embedded engine runs instead of the script.
    #[must_use]
    pub fn with_native(self, native: NativeScript) -> Self {
        self.rebuilt(|inner| inner.native = Some(native))
    }

    /// Declares that the script only reads. It is then sent by EVALSHA_RO and EVAL_RO.
    #[must_use]
    pub fn read_only(self) -> Self {
        self.rebuilt(|inner| inner.read_only = true)
    }

    /// Declares that the script touches no keys other than its KEYS. On Upstash it then locks only these keys while it runs
    /// (`#!lua flags=allow-key-locking`), and not the whole database. Elsewhere nothing changes. It does not apply to a
    /// source with its own `#!lua` line.
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

    /// The SHA-1 of the source, which identifies the script in Redis.
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
    }

    /// The EVAL that does the same as this EVALSHA.
    pub(crate) fn eval_instead(&self, evalsha: &Command) -> Command {
        let name = if self.0.read_only { "EVAL_RO" } else { "EVAL" };
        Command::new(name).arg(self.source()).args_from(evalsha.args().skip(1))
    }

    fn command(
        &self,
        name: &'static str,
        script: &str,
        keys: impl IntoIterator<Item = impl ToArg>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Command {
        let keys = Arguments::new(keys);
        Command::new(name).arg(script).arg(keys.len()).args_from(keys.iter()).args_from(args)
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
