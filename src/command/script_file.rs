//! The macro that makes a [`Script`] from Lua files.

use std::time::Duration;

#[cfg(feature = "memory")]
use super::cmd::NativeScript;
use super::script::Script;
use crate::Error;

/// Declares static scripts whose Lua stands in files, in the folder `scripts/` of their room:
///
/// ```text
/// script! {
///     /// `KEYS`: a counter. `ARGV`: by how much. Returns the new count.
///     pub(crate) static COUNT: Script = {
///         file: "count.lua",
///         keys: 1,
///         args: 1,
///         flags: [key_locking],
///         native: count,
///     };
/// }
///
/// fn count(redis: &mut dyn ScriptContext, [key]: &[Bytes; 1], [by]: &[Bytes; 1]) -> Result<Value> {
///     redis.call(Command::new("INCRBY").arg(key).arg(by))
/// }
/// ```
///
/// - `file`: the file, or several whose texts follow each other.
/// - `keys` and `args`: how many keys and arguments the script takes, or `..` for any number. The native implementation takes
///   arrays, or slices for any number.
/// - `flags`: methods of [`Script`], such as `key_locking` and `read_only`.
/// - `native`: the implementation for an engine without Lua. A build without the embedded engine leaves it out.
macro_rules! script {
    ($($(#[$meta:meta])* $vis:vis static $name:ident: Script = {
        file: $($file:literal)+,
        keys: $keys:tt,
        args: $args:tt,
        flags: [$($flag:ident),*],
        native: $native:path,
    };)+) => {$(
        $(#[$meta])*
        $vis static $name: ::std::sync::LazyLock<$crate::command::Script> =
            ::std::sync::LazyLock::new(|| {
                $crate::command::script_file::with_native(
                    $crate::command::Script::new(concat!($(include_str!($file)),+))$(.$flag())*,
                    |redis, keys, args| {
                        use $crate::command::script_file::{script, wrong_count};
                        let keys = script!(@counted keys, $keys).ok_or_else(wrong_count)?;
                        let args = script!(@counted args, $args).ok_or_else(wrong_count)?;
                        $native(redis, keys, args)
                    },
                )
            });
    )+};
    (@counted $of:ident, ..) => { Some($of) };
    (@counted $of:ident, $count:literal) => { <&[::bytes::Bytes; $count]>::try_from($of).ok() };
}
pub(crate) use script;

pub(crate) fn wrong_count() -> Error {
    Error::server("ERR wrong number of keys or arguments for this script")
}

#[cfg(feature = "memory")]
pub(crate) fn with_native(script: Script, native: NativeScript) -> Script {
    script.with_native(native)
}

/// No engine runs the native implementation, so that the linker leaves it out.
#[cfg(not(feature = "memory"))]
pub(crate) fn with_native(script: Script, _: super::cmd::NativeScript) -> Script {
    script
}

/// A time as an argument of a script, in milliseconds: at least one, and few enough for sums of them to be exact in Lua.
pub(crate) fn millis_arg(time: Duration) -> String {
    time.as_millis().clamp(1, u128::from(u64::MAX >> 16)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_milliseconds() {
        assert_eq!(millis_arg(Duration::from_micros(10)), "1");
        assert_eq!(millis_arg(Duration::MAX), "281474976710655");
    }
}
