//! Errors on their way through Lua.

use std::fmt;

use mlua::{Lua, Value};

/// The name of the prelude's chunk.
pub(super) const PRELUDE: &str = "=prelude";

/// An error that a function of the host throws.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Raised {
    /// A string, as Lua's own functions throw it.
    Text(Vec<u8>),
    /// The table of an error reply: `{err = …}`.
    Reply(Vec<u8>),
    /// The same, of a command that has failed.
    CommandReply(Vec<u8>),
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Text(text) | Self::Reply(text) | Self::CommandReply(text)) = self;
        f.write_str(&String::from_utf8_lossy(text))
    }
}

impl std::error::Error for Raised {}

impl Raised {
    pub(super) fn reply(text: &str) -> mlua::Error {
        Self::Reply(text.as_bytes().to_vec()).into()
    }

    /// The text with the place in the script that called this function, as `luaL_error` puts it.
    pub(super) fn text(lua: &Lua, text: &str) -> mlua::Error {
        Self::text_at(lua, 1, text)
    }

    /// The same, for the caller at this level of the stack.
    pub(super) fn text_at(lua: &Lua, level: usize, text: &str) -> mlua::Error {
        let place = lua
            .inspect_stack(level, |frame| {
                let source = frame.source().short_src?.into_owned();
                Some(format!("{source}:{}: ", frame.current_line()?))
            })
            .flatten()
            .unwrap_or_default();
        Self::Text(format!("{place}{text}").into_bytes()).into()
    }

    /// As Lua's own functions refuse an argument.
    pub(super) fn bad_argument(lua: &Lua, at: usize, function: &str, text: &str) -> mlua::Error {
        Self::text(lua, &format!("bad argument #{at} to '{function}' ({text})"))
    }

    /// The original of an error of `mlua`.
    pub(super) fn of(error: &mlua::Error) -> Self {
        match error {
            mlua::Error::CallbackError { cause, .. } => Self::of(cause),
            mlua::Error::MemoryError(_) => Self::Text(b"not enough memory".to_vec()),
            mlua::Error::RuntimeError(text) => {
                let text = text.split("\nstack traceback:").next().unwrap_or_default();
                Self::Text(text.as_bytes().to_vec())
            }
            error => match error.downcast_ref::<Self>() {
                Some(raised) => raised.clone(),
                None => Self::Text(error.to_string().into_bytes()),
            },
        }
    }

    /// The value that a script sees.
    pub(super) fn into_lua(self, lua: &Lua) -> mlua::Result<Value> {
        let (text, failed) = match self {
            Self::Text(text) => return Ok(Value::String(lua.create_string(text)?)),
            Self::Reply(text) => (text, false),
            Self::CommandReply(text) => (text, true),
        };
        let table = lua.create_table()?;
        table.raw_set("err", lua.create_string(text)?)?;
        if failed {
            table.raw_set("ignore_error_stats_update", true)?;
        }
        Ok(Value::Table(table))
    }
}

impl From<Raised> for mlua::Error {
    fn from(raised: Raised) -> Self {
        Self::external(raised)
    }
}

/// `host.thrown`: the value that stands for an error of the host.
pub(super) fn thrown(lua: &Lua, value: Value) -> mlua::Result<Value> {
    match value {
        Value::Error(error) => Raised::of(&error).into_lua(lua),
        other => Ok(other),
    }
}

/// The error handler of every script: a table with the text, and the place where the error was thrown.
pub(super) fn handler(lua: &Lua, value: Value) -> mlua::Result<Value> {
    let table = match thrown(lua, value)? {
        Value::Table(table) => table,
        other => {
            let table = lua.create_table()?;
            let text = match &other {
                Value::String(text) => text.as_bytes().to_vec(),
                other => other.to_string()?.into_bytes(),
            };
            table.raw_set("err", lua.create_string([b"ERR ", &text[..]].concat())?)?;
            table
        }
    };
    // A function of C throws on behalf of its caller, and so do those of the prelude.
    let mut level = 1;
    let place = loop {
        let frame = lua.inspect_stack(level, |frame| {
            let source = frame.source();
            let skip =
                (level == 1 && source.what == "C") || source.source.as_deref() == Some(PRELUDE);
            (skip, source.source.unwrap_or_default().into_owned(), frame.current_line())
        });
        match frame {
            Some((true, ..)) => level += 1,
            Some((false, source, line)) => break Some((source, line)),
            None => break None,
        }
    };
    if let Some((source, line)) = place {
        table.raw_set("source", source)?;
        table.raw_set("line", line.map_or(-1, |line| i64::try_from(line).unwrap_or(-1)))?;
    }
    Ok(Value::Table(table))
}
