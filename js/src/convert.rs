//! Conversions between JavaScript's values and Rust's. The TypeScript in `face/` has checked the arguments: options are plain
//! objects whose properties have the types of its tables.

use js_sys::{Array, BigInt, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use edgecask::command::Command;
use edgecask::{Error, ErrorKind, Result, Value};

/// Integers beyond this are bigints in JavaScript.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// `["SET", "k", "1"]`.
pub(super) fn command(args: &Array) -> Result<Command> {
    let mut args = args.iter();
    let name = args.next().and_then(|name| name.as_string());
    let name = name.ok_or_else(|| invalid("a command begins with its name, a string"))?;
    args.try_fold(Command::new(name), argument)
}

/// `["value", "1"]`, as the arguments of a command without a name of its own.
pub(super) fn arguments(args: &Array) -> Result<Command> {
    args.iter().try_fold(Command::new(""), argument)
}

fn argument(command: Command, arg: JsValue) -> Result<Command> {
    if let Some(text) = arg.as_string() {
        return Ok(command.arg(text));
    }
    match arg.dyn_ref::<Uint8Array>() {
        Some(bytes) => Ok(command.arg(bytes.to_vec())),
        None => {
            Err(invalid("an argument is a string or a Uint8Array").with_command(|| command.label()))
        }
    }
}

/// `[["SET", "k", "1"], ["GET", "k"]]`.
pub(super) fn commands(batch: &Array) -> Result<Vec<Command>> {
    let lists = batch.iter().map(|args| {
        let args =
            args.dyn_into::<Array>().map_err(|_| invalid("a batch is an array of arrays"))?;
        command(&args)
    });
    lists.collect()
}

pub(super) fn invalid(message: &'static str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

pub(super) fn reply(value: Value) -> JsValue {
    match value {
        Value::Nil => JsValue::NULL,
        Value::Integer(number) if number.unsigned_abs() <= MAX_SAFE_INTEGER => {
            (number as f64).into()
        }
        Value::Integer(number) => BigInt::from(number).into(),
        Value::Simple(bytes) | Value::Bulk(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => text.into(),
            Err(_) => Uint8Array::from(&bytes[..]).into(),
        },
        Value::Array(items) => items.into_iter().map(reply).collect::<Array>().into(),
        Value::Error(text) => error(Error::server(&String::from_utf8_lossy(&text))),
        other => reply(other.into_resp2()),
    }
}

/// An `EdgecaskError`; or the exception of the user's JavaScript code, as it was.
pub(super) fn error(error: Error) -> JsValue {
    #[cfg(feature = "cache")]
    if let Some(thrown) = super::json::thrown(&error) {
        return thrown;
    }
    super::errors::edgecask_error(&error)
}

/// A property of an options object; `undefined` and `null` count as not given.
pub(super) fn option(options: &JsValue, name: &str) -> Option<JsValue> {
    if !options.is_object() {
        return None;
    }
    let value = Reflect::get(options, &name.into()).ok()?;
    (!value.is_undefined() && !value.is_null()).then_some(value)
}

/// A property that is a whole number.
pub(super) fn whole(options: &JsValue, name: &str) -> Option<u64> {
    Some(option(options, name)?.as_f64()? as u64)
}

/// A property that is a string.
pub(super) fn text(options: &JsValue, name: &str) -> Option<String> {
    option(options, name)?.as_string()
}

/// A property that is `true`.
pub(super) fn flag(options: &JsValue, name: &str) -> bool {
    option(options, name).is_some_and(|flag| flag.is_truthy())
}

/// A property that is a list of strings.
#[cfg(feature = "cache")]
pub(super) fn texts(options: &JsValue, name: &str) -> Vec<String> {
    let list = option(options, name).and_then(|list| list.dyn_into::<Array>().ok());
    list.unwrap_or_default().iter().filter_map(|text| text.as_string()).collect()
}
