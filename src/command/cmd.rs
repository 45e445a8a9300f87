//! A command: a name, arguments, and what its caller states about it.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::args::{Arguments, ToArg};
use super::table::Resend;
use crate::{Result, Value};

/// A command: a name, and arguments of any bytes.
///
/// ```
/// use edgecask::command::Command;
///
/// let command = Command::new("set").arg("greeting").arg(&b"\xff\x00"[..]).arg("EX").arg(60);
/// assert_eq!(command.name(), "SET");
/// assert_eq!(command.args().nth(1), Some(&b"\xff\x00"[..]));
/// // `Debug` shows the name and the key, never a value.
/// assert_eq!(format!("{command:?}"), "SET greeting");
/// ```
#[derive(Clone)]
pub struct Command {
    name: Cow<'static, str>,
    args: Arguments,
    pub(super) stated: Option<Resend>,
    no_fallback: bool,
}

impl Command {
    /// A command without arguments. The name is converted to upper case.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        let mut name = name.into();
        if name.bytes().any(|byte| byte.is_ascii_lowercase()) {
            name = name.to_ascii_uppercase().into();
        }
        Self { name, args: Arguments::default(), stated: None, no_fallback: false }
    }

    /// Appends an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl ToArg) -> Self {
        arg.write_to(&mut self.args);
        self
    }

    /// Appends an argument for each item.
    #[must_use]
    pub fn args_from(mut self, args: impl IntoIterator<Item = impl ToArg>) -> Self {
        self.args.extend(args);
        self
    }

    /// Appends the items of every pair, in turn.
    #[must_use]
    pub fn pairs_from(mut self, pairs: impl IntoIterator<Item = (impl ToArg, impl ToArg)>) -> Self {
        for (first, second) in pairs {
            first.write_to(&mut self.args);
            second.write_to(&mut self.args);
        }
        self
    }

    /// The number of items, then the items.
    pub(crate) fn counted(self, items: impl IntoIterator<Item = impl ToArg>) -> Self {
        let items = Arguments::new(items);
        self.arg(items.len()).args_from(items.iter())
    }

    /// A word and its value, if there is one.
    pub(crate) fn option(self, word: &'static str, value: Option<impl ToArg>) -> Self {
        match value {
            Some(value) => self.arg(word).arg(value),
            None => self,
        }
    }

    pub(crate) fn arg_if(self, yes: bool, arg: &'static str) -> Self {
        if yes { self.arg(arg) } else { self }
    }

    /// The same command with other arguments.
    pub(crate) fn with_args(&self, args: Arguments) -> Self {
        Self { args, name: self.name.clone(), ..*self }
    }

    /// States whether this command may be sent again after a lost answer, and overrides the rule for its name and
    /// arguments. For example: an INCR that may count twice, or a SET that must not arrive late.
    ///
    /// The statement also applies inside a batch ([`Resend::of`]), so it must also hold for a second run of the batch's
    /// other commands.
    ///
    /// ```
    /// use edgecask::command::{Command, Resend};
    ///
    /// let version = Command::new("INCR").arg("version").with_resend(Resend::Safe);
    /// assert_eq!(version.resend(), Resend::Safe);
    /// ```
    #[must_use]
    pub fn with_resend(mut self, resend: Resend) -> Self {
        self.stated = Some(resend);
        self
    }

    /// Excludes this command from a [`Fallback`](crate::layer::Fallback): if the first transport is unavailable, the
    /// command fails.
    #[must_use]
    pub fn without_fallback(mut self) -> Self {
        self.no_fallback = true;
        self
    }

    /// Whether [`Command::without_fallback`] was called.
    pub fn is_without_fallback(&self) -> bool {
        self.no_fallback
    }

    /// The name, in upper case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arguments in order, without the name.
    pub fn args(&self) -> impl ExactSizeIterator<Item = &[u8]> + Clone {
        self.args.iter()
    }

    /// The argument at a position, counted from 0.
    pub fn get(&self, at: usize) -> Option<&[u8]> {
        self.args.get(at)
    }

    /// The length of all arguments together, in bytes.
    pub fn len_bytes(&self) -> usize {
        self.name.len() + self.args.len_bytes()
    }

    /// About how many bytes it takes in a request of many commands.
    pub(crate) fn len_in_batch(&self) -> usize {
        self.len_bytes() + 3 * self.args().len() + 16
    }

    /// The name and the first key, for messages. Long keys are cut.
    pub fn label(&self) -> String {
        const LONGEST: usize = 200;
        match self.first_key() {
            Some(key) if key.len() > LONGEST => {
                format!("{} {}…", self.name, key[..LONGEST].escape_ascii())
            }
            Some(key) => format!("{} {}", self.name, key.escape_ascii()),
            None => self.name.clone().into_owned(),
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label())
    }
}

impl PartialEq for Command {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.args == other.args
    }
}

impl Eq for Command {}

/// A command of this name: short for [`Command::new`], as Redis users know it.
///
/// ```
/// use edgecask::prelude::*;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// let length: u64 = client.execute(cmd("APPEND").arg("k").arg("abc")).await?;
/// assert_eq!(length, 3);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn cmd(name: impl Into<Cow<'static, str>>) -> Command {
    Command::new(name)
}

/// The commands that a native implementation can call inside the script, as `redis.call` does in Lua.
pub trait ScriptContext {
    /// Runs a command.
    ///
    /// # Errors
    /// The command's error reply, which ends the script if it is passed on.
    fn call(&mut self, command: Command) -> Result<Value>;
}

/// The native implementation of a Lua script: a function of its keys and arguments.
pub type NativeScript = fn(&mut dyn ScriptContext, keys: &[Bytes], args: &[Bytes]) -> Result<Value>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_keep_every_byte_and_every_digit() {
        let command = Command::new("X")
            .arg("")
            .arg(vec![0_u8, 255])
            .arg(i64::MIN)
            .arg(u64::MAX)
            .arg(0.1)
            .arg(f64::INFINITY);
        let args: Vec<_> = command.args().collect();
        let expected: [&[u8]; 6] =
            [b"", b"\x00\xff", b"-9223372036854775808", b"18446744073709551615", b"0.1", b"inf"];
        assert_eq!(args, expected);
    }

    #[test]
    fn a_label_shows_the_key_and_no_value() {
        let command = Command::new("set").arg("key\n").arg("secret");
        assert_eq!(command.label(), "SET key\\n");
        assert_eq!(Command::new("EVAL").arg("return 1").arg(0).arg("secret").label(), "EVAL");
    }
}
