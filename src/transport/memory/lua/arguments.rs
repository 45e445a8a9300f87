//! The arguments of the library functions, refused in Lua's own words.

use mlua::{Function, Lua, LuaString, MultiValue, Table, Value};

use super::raised::Raised;

/// The arguments of a call.
pub(super) struct Arguments<'a> {
    pub(super) lua: &'a Lua,
    function: &'static str,
    values: MultiValue,
}

impl Arguments<'_> {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// The same arguments, and a nil after them.
    pub(super) fn with_nil(&self) -> Self {
        let values = self.values.iter().cloned().chain([Value::Nil]).collect();
        Self { lua: self.lua, function: self.function, values }
    }

    /// The argument at a position, counted from 1.
    pub(super) fn at(&self, at: usize) -> Option<&Value> {
        self.values.get(at - 1)
    }

    pub(super) fn refuse(&self, at: usize, text: &str) -> mlua::Error {
        Raised::bad_argument(self.lua, at, self.function, text)
    }

    /// An error without a position among the arguments.
    pub(super) fn fail(&self, text: &str) -> mlua::Error {
        Raised::text(self.lua, text)
    }

    fn of_type(&self, at: usize, expected: &str) -> mlua::Error {
        // To Lua 5.1 a null pointer is a `userdata` as others are.
        let got = match self.at(at) {
            None => "no value",
            Some(Value::LightUserData(_)) => "userdata",
            Some(value) => match value.type_name() {
                "integer" => "number",
                other => other,
            },
        };
        self.refuse(at, &format!("{expected} expected, got {got}"))
    }

    pub(super) fn number(&self, at: usize) -> mlua::Result<f64> {
        let number = match self.at(at) {
            Some(Value::Number(number)) => Some(*number),
            Some(Value::Integer(number)) => Some(*number as f64),
            Some(value) => self.lua.coerce_number(value.clone())?,
            None => None,
        };
        number.ok_or_else(|| self.of_type(at, "number"))
    }

    /// A number, or the default if there is none.
    pub(super) fn number_or(&self, at: usize, default: f64) -> mlua::Result<f64> {
        match self.at(at) {
            None | Some(Value::Nil) => Ok(default),
            Some(_) => self.number(at),
        }
    }

    pub(super) fn string(&self, at: usize) -> mlua::Result<LuaString> {
        let string = match self.at(at) {
            Some(Value::String(string)) => Some(string.clone()),
            Some(value) => self.lua.coerce_string(value.clone())?,
            None => None,
        };
        string.ok_or_else(|| self.of_type(at, "string"))
    }
}

/// Adds a function to a library.
pub(super) fn add(
    lua: &Lua,
    library: &Table,
    name: &'static str,
    run: impl Fn(&Arguments<'_>) -> mlua::Result<MultiValue> + Send + 'static,
) -> mlua::Result<()> {
    let function: Function = lua.create_function(move |lua, values: MultiValue| {
        run(&Arguments { lua, function: name, values })
    })?;
    library.raw_set(name, function)
}

/// One value to return.
pub(super) fn one(value: Value) -> MultiValue {
    MultiValue::from_iter([value])
}
