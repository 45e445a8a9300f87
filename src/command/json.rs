//! JSON documents, which are changed in place by path (RedisJSON, also on Upstash).

use super::{Arguments, Command, Execute, ToArg, applied};
use crate::{FromValue, Json, Result, Value};

/// A JSON document as an argument.
impl ToArg for serde_json::Value {
    fn write_to(&self, args: &mut Arguments) {
        args.push_display(self);
    }
}

/// When JSON.SET sets a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SetIf {
    /// Always.
    #[default]
    Always,
    /// Only if the path does not exist (`NX`).
    Absent,
    /// Only if the path exists (`XX`).
    Present,
}

/// The formatting of JSON.GET. By default there is no white space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonFormat {
    indent: Option<String>,
    newline: Option<String>,
    space: Option<String>,
}

impl JsonFormat {
    /// The default.
    pub fn new() -> Self {
        Self::default()
    }

    /// The indentation of each level.
    #[must_use]
    pub fn indent(mut self, text: impl Into<String>) -> Self {
        self.indent = Some(text.into());
        self
    }

    /// The end of each line.
    #[must_use]
    pub fn newline(mut self, text: impl Into<String>) -> Self {
        self.newline = Some(text.into());
        self
    }

    /// The text between a name and its value.
    #[must_use]
    pub fn space(mut self, text: impl Into<String>) -> Self {
        self.space = Some(text.into());
        self
    }
}

/// A reply for each place that the path matches; a path of the old form (without `$`) has a single one.
fn each<T: FromValue>(value: Value) -> Result<Vec<Option<T>>> {
    match value {
        Value::Array(items) => items.into_iter().map(FromValue::from_value).collect(),
        Value::Nil => Ok(Vec::new()),
        single => Ok(vec![Some(T::from_value(single)?)]),
    }
}

/// Numbers at each place: as JSON text, or as replies in RESP3.
fn numbers<R: FromValue>(value: Value) -> Result<Vec<Option<R>>> {
    let Some(text) = value.as_bytes() else { return each(value) };
    let Json(parsed) = Json::<serde_json::Value>::from_value(Value::bulk(text.to_vec()))?;
    let number = |item: &serde_json::Value| match item {
        serde_json::Value::Null => Ok(None),
        item => R::from_value(Value::bulk(item.to_string())).map(Some),
    };
    match &parsed {
        serde_json::Value::Array(items) => items.iter().map(number).collect(),
        single => Ok(vec![number(single)?]),
    }
}

/// The types at each place, which come as a single reply, an array, or an array of arrays.
fn types(value: Value) -> Result<Vec<Option<String>>> {
    match value {
        Value::Array(items) => {
            let mut types = Vec::new();
            for item in items {
                match item {
                    Value::Array(inner) => {
                        for item in inner {
                            types.push(FromValue::from_value(item)?);
                        }
                    }
                    item => types.push(FromValue::from_value(item)?),
                }
            }
            Ok(types)
        }
        single => each(single),
    }
}

/// The commands on JSON documents. Each is one command and one round trip.
///
/// Paths are JSONPath, such as `$.user.name`. New values must be JSON text: a `serde_json::Value`, or text from
/// `serde_json::to_string`. A path may match several places, so replies are lists, with `None` for values of a type that
/// the command does not support.
///
/// ```no_run
/// use edgecask::{Json, prelude::*};
/// use serde_json::json;
///
/// # async fn profiles(client: Client) -> edgecask::Result<()> {
/// client.json_set("user:1", "$", json!({"name": "Ada", "logins": 1})).await?;
/// let logins = client.json_numincrby::<u64>("user:1", "$.logins", 2).await?;
/// assert_eq!(logins, [Some(3)]);
/// let names: Option<Json<Vec<String>>> = client.json_get("user:1", ["$.name"]).await?;
/// # Ok(())
/// # }
/// ```
pub trait JsonCommands: Execute {
    /// Appends to arrays, and returns their new lengths. [Redis JSON.ARRAPPEND](https://redis.io/docs/latest/commands/json.arrappend/).
    #[doc(alias = "JSON.ARRAPPEND")]
    fn json_arrappend(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        values: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<i64>>> {
        self.execute_with(Command::new("JSON.ARRAPPEND").arg(key).arg(path).args_from(values), each)
    }

    /// The first index of a value in arrays; -1 if it is absent. [Redis
    /// JSON.ARRINDEX](https://redis.io/docs/latest/commands/json.arrindex/).
    #[doc(alias = "JSON.ARRINDEX")]
    fn json_arrindex(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        value: impl ToArg,
    ) -> Self::Reply<Vec<Option<i64>>> {
        self.execute_with(Command::new("JSON.ARRINDEX").arg(key).arg(path).arg(value), each)
    }

    /// As [`JsonCommands::json_arrindex`], from one index to another, the last not included (0: to the end). [Redis
    /// JSON.ARRINDEX](https://redis.io/docs/latest/commands/json.arrindex/).
    #[doc(alias = "JSON.ARRINDEX")]
    fn json_arrindex_range(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        value: impl ToArg,
        start: i64,
        stop: i64,
    ) -> Self::Reply<Vec<Option<i64>>> {
        let command = Command::new("JSON.ARRINDEX").arg(key).arg(path).arg(value);
        self.execute_with(command.arg(start).arg(stop), each)
    }

    /// Inserts into arrays before an index, and returns their new lengths. [Redis JSON.ARRINSERT](https://redis.io/docs/latest/commands/json.arrinsert/).
    #[doc(alias = "JSON.ARRINSERT")]
    fn json_arrinsert(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        index: i64,
        values: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<i64>>> {
        let command = Command::new("JSON.ARRINSERT").arg(key).arg(path).arg(index);
        self.execute_with(command.args_from(values), each)
    }

    /// The lengths of arrays. [Redis JSON.ARRLEN](https://redis.io/docs/latest/commands/json.arrlen/).
    #[doc(alias = "JSON.ARRLEN")]
    fn json_arrlen(&self, key: impl ToArg, path: impl ToArg) -> Self::Reply<Vec<Option<i64>>> {
        self.execute_with(Command::new("JSON.ARRLEN").arg(key).arg(path), each)
    }

    /// Removes an element from arrays (-1: the last), and returns it as JSON text. [Redis
    /// JSON.ARRPOP](https://redis.io/docs/latest/commands/json.arrpop/).
    #[doc(alias = "JSON.ARRPOP")]
    fn json_arrpop<R: FromValue>(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        index: i64,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute_with(Command::new("JSON.ARRPOP").arg(key).arg(path).arg(index), each)
    }

    /// Keeps the elements from one index to another, both included, and returns the new lengths. [Redis JSON.ARRTRIM](https://redis.io/docs/latest/commands/json.arrtrim/).
    #[doc(alias = "JSON.ARRTRIM")]
    fn json_arrtrim(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        start: i64,
        stop: i64,
    ) -> Self::Reply<Vec<Option<i64>>> {
        self.execute_with(
            Command::new("JSON.ARRTRIM").arg(key).arg(path).arg(start).arg(stop),
            each,
        )
    }

    /// Empties arrays and objects, and sets numbers to 0; returns how many values changed. [Redis
    /// JSON.CLEAR](https://redis.io/docs/latest/commands/json.clear/).
    #[doc(alias = "JSON.CLEAR")]
    fn json_clear(&self, key: impl ToArg, path: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("JSON.CLEAR").arg(key).arg(path))
    }

    /// The size of values in memory, in bytes. [Redis JSON.DEBUG
    /// MEMORY](https://redis.io/docs/latest/commands/json.debug-memory/).
    #[doc(alias = "JSON.DEBUG MEMORY")]
    fn json_debug_memory(
        &self,
        key: impl ToArg,
        path: impl ToArg,
    ) -> Self::Reply<Vec<Option<i64>>> {
        self.execute_with(Command::new("JSON.DEBUG").arg("MEMORY").arg(key).arg(path), each)
    }

    /// Deletes values, and returns how many. [Redis JSON.DEL](https://redis.io/docs/latest/commands/json.del/).
    #[doc(alias = "JSON.DEL")]
    fn json_del(&self, key: impl ToArg, path: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("JSON.DEL").arg(key).arg(path))
    }

    /// The same as [`JsonCommands::json_del`]. [Redis JSON.FORGET](https://redis.io/docs/latest/commands/json.forget/).
    #[doc(alias = "JSON.FORGET")]
    fn json_forget(&self, key: impl ToArg, path: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("JSON.FORGET").arg(key).arg(path))
    }

    /// The values at some paths as JSON text: an array for one `$` path, an object for several. [Redis JSON.GET](https://redis.io/docs/latest/commands/json.get/).
    #[doc(alias = "JSON.GET")]
    fn json_get<R: FromValue>(
        &self,
        key: impl ToArg,
        paths: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Option<R>> {
        self.execute(Command::new("JSON.GET").arg(key).args_from(paths))
    }

    /// As [`JsonCommands::json_get`], with formatting. [Redis JSON.GET](https://redis.io/docs/latest/commands/json.get/).
    #[doc(alias = "JSON.GET")]
    fn json_get_formatted<R: FromValue>(
        &self,
        key: impl ToArg,
        format: &JsonFormat,
        paths: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Option<R>> {
        let command = Command::new("JSON.GET").arg(key).option("INDENT", format.indent.as_ref());
        let command = command.option("NEWLINE", format.newline.as_ref());
        self.execute(command.option("SPACE", format.space.as_ref()).args_from(paths))
    }

    /// Merges a document into values (RFC 7396); `null` deletes. [Redis JSON.MERGE](https://redis.io/docs/latest/commands/json.merge/).
    #[doc(alias = "JSON.MERGE")]
    fn json_merge(&self, key: impl ToArg, path: impl ToArg, value: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("JSON.MERGE").arg(key).arg(path).arg(value))
    }

    /// The value at a path of many documents, as JSON text. [Redis JSON.MGET](https://redis.io/docs/latest/commands/json.mget/).
    #[doc(alias = "JSON.MGET")]
    fn json_mget<R: FromValue>(
        &self,
        keys: impl IntoIterator<Item = impl ToArg>,
        path: impl ToArg,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute(Command::new("JSON.MGET").args_from(keys).arg(path))
    }

    /// Sets values in many documents, as a unit: key, path and value of each. [Redis JSON.MSET](https://redis.io/docs/latest/commands/json.mset/).
    #[doc(alias = "JSON.MSET")]
    fn json_mset(
        &self,
        values: impl IntoIterator<Item = (impl ToArg, impl ToArg, impl ToArg)>,
    ) -> Self::Reply<()> {
        let command = Command::new("JSON.MSET");
        self.execute(
            values
                .into_iter()
                .fold(command, |command, (key, path, value)| command.arg(key).arg(path).arg(value)),
        )
    }

    /// Adds to numbers, and returns the sums. [Redis JSON.NUMINCRBY](https://redis.io/docs/latest/commands/json.numincrby/).
    #[doc(alias = "JSON.NUMINCRBY")]
    fn json_numincrby<R: FromValue>(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        by: impl ToArg,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute_with(Command::new("JSON.NUMINCRBY").arg(key).arg(path).arg(by), numbers)
    }

    /// Multiplies numbers, and returns the products. [Redis JSON.NUMMULTBY](https://redis.io/docs/latest/commands/json.nummultby/).
    #[doc(alias = "JSON.NUMMULTBY")]
    fn json_nummultby<R: FromValue>(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        by: impl ToArg,
    ) -> Self::Reply<Vec<Option<R>>> {
        self.execute_with(Command::new("JSON.NUMMULTBY").arg(key).arg(path).arg(by), numbers)
    }

    /// The names in objects. [Redis JSON.OBJKEYS](https://redis.io/docs/latest/commands/json.objkeys/).
    #[doc(alias = "JSON.OBJKEYS")]
    fn json_objkeys(
        &self,
        key: impl ToArg,
        path: impl ToArg,
    ) -> Self::Reply<Vec<Option<Vec<String>>>> {
        self.execute_with(Command::new("JSON.OBJKEYS").arg(key).arg(path), each)
    }

    /// How many names objects have. [Redis JSON.OBJLEN](https://redis.io/docs/latest/commands/json.objlen/).
    #[doc(alias = "JSON.OBJLEN")]
    fn json_objlen(&self, key: impl ToArg, path: impl ToArg) -> Self::Reply<Vec<Option<i64>>> {
        self.execute_with(Command::new("JSON.OBJLEN").arg(key).arg(path), each)
    }

    /// The value as nested replies: arrays begin with `[`, objects with `{`. [Redis JSON.RESP](https://redis.io/docs/latest/commands/json.resp/).
    #[doc(alias = "JSON.RESP")]
    fn json_resp(&self, key: impl ToArg, path: impl ToArg) -> Self::Reply<Value> {
        self.execute(Command::new("JSON.RESP").arg(key).arg(path))
    }

    /// Sets values. [Redis JSON.SET](https://redis.io/docs/latest/commands/json.set/).
    #[doc(alias = "JSON.SET")]
    fn json_set(&self, key: impl ToArg, path: impl ToArg, value: impl ToArg) -> Self::Reply<()> {
        self.execute(Command::new("JSON.SET").arg(key).arg(path).arg(value))
    }

    /// Sets values on a condition; returns whether it was met. [Redis JSON.SET](https://redis.io/docs/latest/commands/json.set/).
    #[doc(alias = "JSON.SET")]
    fn json_set_if(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        value: impl ToArg,
        condition: SetIf,
    ) -> Self::Reply<bool> {
        let command = Command::new("JSON.SET").arg(key).arg(path).arg(value);
        let command = match condition {
            SetIf::Always => command,
            SetIf::Absent => command.arg("NX"),
            SetIf::Present => command.arg("XX"),
        };
        self.execute_with(command, applied)
    }

    /// Appends to strings, given as JSON text, and returns their new lengths. [Redis JSON.STRAPPEND](https://redis.io/docs/latest/commands/json.strappend/).
    #[doc(alias = "JSON.STRAPPEND")]
    fn json_strappend(
        &self,
        key: impl ToArg,
        path: impl ToArg,
        value: impl ToArg,
    ) -> Self::Reply<Vec<Option<i64>>> {
        self.execute_with(Command::new("JSON.STRAPPEND").arg(key).arg(path).arg(value), each)
    }

    /// The lengths of strings. [Redis JSON.STRLEN](https://redis.io/docs/latest/commands/json.strlen/).
    #[doc(alias = "JSON.STRLEN")]
    fn json_strlen(&self, key: impl ToArg, path: impl ToArg) -> Self::Reply<Vec<Option<i64>>> {
        self.execute_with(Command::new("JSON.STRLEN").arg(key).arg(path), each)
    }

    /// Inverts booleans, and returns the new values. [Redis
    /// JSON.TOGGLE](https://redis.io/docs/latest/commands/json.toggle/).
    #[doc(alias = "JSON.TOGGLE")]
    fn json_toggle(&self, key: impl ToArg, path: impl ToArg) -> Self::Reply<Vec<Option<bool>>> {
        self.execute_with(Command::new("JSON.TOGGLE").arg(key).arg(path), each)
    }

    /// The types of values: `object`, `array`, `string`, `integer`, `number`, `boolean`, `null`. [Redis JSON.TYPE](https://redis.io/docs/latest/commands/json.type/).
    #[doc(alias = "JSON.TYPE")]
    fn json_type(&self, key: impl ToArg, path: impl ToArg) -> Self::Reply<Vec<Option<String>>> {
        self.execute_with(Command::new("JSON.TYPE").arg(key).arg(path), types)
    }
}

impl<E: Execute + ?Sized> JsonCommands for E {}
