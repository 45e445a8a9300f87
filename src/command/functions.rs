//! Functions: libraries of Lua code that are stored on the server (Redis 7).

use std::collections::BTreeMap;

use super::{Command, Execute, ToArg};
use crate::{FromValue, Value};

/// The commands on functions. Each is one command and one round trip. A [`Script`](super::Script) needs no loading.
///
/// ```no_run
/// use edgecask::prelude::*;
///
/// # async fn functions(client: Client) -> edgecask::Result<()> {
/// let code = "#!lua name=greetings\nredis.register_function('hello', function(keys, args) return 'hello ' .. args[1] end)";
/// client.function_load(code, true).await?;
/// let greeting: String = client.fcall("hello", [""; 0], ["ada"]).await?;
/// # Ok(())
/// # }
/// ```
pub trait FunctionCommands: Execute {
    /// Calls a function. [Redis FCALL](https://redis.io/docs/latest/commands/fcall/).
    #[doc(alias = "FCALL")]
    fn fcall<R: FromValue>(
        &self,
        name: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<R> {
        self.execute(Command::new("FCALL").arg(name).counted(keys).args_from(args))
    }

    /// Calls a function that only reads (flag `no-writes`). [Redis FCALL_RO](https://redis.io/docs/latest/commands/fcall_ro/).
    #[doc(alias = "FCALL_RO")]
    fn fcall_ro<R: FromValue>(
        &self,
        name: impl ToArg,
        keys: impl IntoIterator<Item = impl ToArg>,
        args: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<R> {
        self.execute(Command::new("FCALL_RO").arg(name).counted(keys).args_from(args))
    }

    /// Deletes a library. [Redis FUNCTION DELETE](https://redis.io/docs/latest/commands/function-delete/).
    #[doc(alias = "FUNCTION DELETE")]
    fn function_delete(&self, library: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("FUNCTION").arg("DELETE").arg(library))
    }

    /// All libraries, in a form for [`FunctionCommands::function_restore`]. [Redis FUNCTION DUMP](https://redis.io/docs/latest/commands/function-dump/).
    #[doc(alias = "FUNCTION DUMP")]
    fn function_dump(&self) -> Self::Reply<Vec<u8>> {
        self.execute(Command::new("FUNCTION").arg("DUMP"))
    }

    /// Deletes all libraries. [Redis FUNCTION FLUSH](https://redis.io/docs/latest/commands/function-flush/).
    #[doc(alias = "FUNCTION FLUSH")]
    fn function_flush(&self) -> Self::Reply<()> {
        self.execute(Command::new("FUNCTION").arg("FLUSH"))
    }

    /// Stops the running function, if it has not written anything. [Redis FUNCTION
    /// KILL](https://redis.io/docs/latest/commands/function-kill/).
    #[doc(alias = "FUNCTION KILL")]
    fn function_kill(&self) -> Self::Reply<()> {
        self.execute(Command::new("FUNCTION").arg("KILL"))
    }

    /// The libraries whose names match a glob, each as a map with `library_name`, `engine`, `functions` and, if asked
    /// for, `library_code`. [Redis FUNCTION LIST](https://redis.io/docs/latest/commands/function-list/).
    #[doc(alias = "FUNCTION LIST")]
    fn function_list(
        &self,
        pattern: impl ToArg,
        with_code: bool,
    ) -> Self::Reply<Vec<BTreeMap<String, Value>>> {
        let command = Command::new("FUNCTION").arg("LIST").arg("LIBRARYNAME").arg(pattern);
        self.execute(command.arg_if(with_code, "WITHCODE"))
    }

    /// Loads a library, which replaces an old one if `replace` is set, and returns its name. [Redis FUNCTION
    /// LOAD](https://redis.io/docs/latest/commands/function-load/).
    #[doc(alias = "FUNCTION LOAD")]
    fn function_load(&self, code: impl ToArg, replace: bool) -> Self::Reply<String> {
        let command = Command::new("FUNCTION").arg("LOAD").arg_if(replace, "REPLACE");
        self.execute(command.arg(code))
    }

    /// Loads the libraries of a dump, which replace all existing ones. [Redis FUNCTION
    /// RESTORE](https://redis.io/docs/latest/commands/function-restore/).
    #[doc(alias = "FUNCTION RESTORE")]
    fn function_restore(&self, dump: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("FUNCTION").arg("RESTORE").arg(dump).arg("FLUSH"))
    }

    /// The running function, and the number of libraries and functions. [Redis FUNCTION
    /// STATS](https://redis.io/docs/latest/commands/function-stats/).
    #[doc(alias = "FUNCTION STATS")]
    fn function_stats(&self) -> Self::Reply<BTreeMap<String, Value>> {
        self.execute(Command::new("FUNCTION").arg("STATS"))
    }
}

impl<E: Execute + ?Sized> FunctionCommands for E {}
