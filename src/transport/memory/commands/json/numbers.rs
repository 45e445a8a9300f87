//! JSON.NUMINCRBY, JSON.NUMMULTBY and JSON.NUMPOWBY. Integers wrap around, as in RedisJSON.

use serde_json::Number;

use super::arguments::Arguments;
use super::documents::{Replies, absent, change_each};
use crate::transport::memory::args::Args;
use crate::transport::memory::json::{Json, Layout, Writer};
use crate::transport::memory::keyspace::Keyspace;
use crate::{Error, Result, Value};

/// JSON.NUMINCRBY.
pub(super) fn add(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    calculate(db, args, i64::wrapping_add, |left, right| left + right)
}

/// JSON.NUMMULTBY.
pub(super) fn multiply(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    calculate(db, args, i64::wrapping_mul, |left, right| left * right)
}

/// JSON.NUMPOWBY.
pub(super) fn raise(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    calculate(db, args, |left, right| left.wrapping_pow(right as u32), f64::powf)
}

fn calculate(
    db: &mut Keyspace,
    args: Args<'_>,
    integers: fn(i64, i64) -> i64,
    floats: fn(f64, f64) -> f64,
) -> Result<Value> {
    let mut args = Arguments::new(args);
    let key = args.bytes()?;
    let path = args.path()?;
    let text = args.text()?;
    let mut operand = None;
    let replies = change_each(
        db,
        key,
        path,
        |value| matches!(value, Json::Number(_)),
        |path| absent(path.full(), " or does not contains a number"),
        |document, place| {
            let operand = match &operand {
                Some(operand) => operand,
                None => operand.insert(read_operand(text)?),
            };
            let calculated = document.change(place, |value, _| {
                let Json::Number(number) = value else { return Err(not_a_number()) };
                *number = match (number.as_i64(), operand.as_i64()) {
                    (Some(left), Some(right)) => integers(left, right).into(),
                    _ => {
                        let float = |number: &Number| number.as_f64().unwrap_or(f64::NAN);
                        let result = floats(float(number), float(operand));
                        Number::from_f64(result).ok_or_else(not_a_number)?
                    }
                };
                Ok(Json::Number(number.clone()))
            });
            calculated.unwrap_or(Ok(Json::Null))
        },
    )?;
    let mut writer = Writer::new(Layout::default());
    match &replies {
        Replies::Last(last) => writer.value(last)?,
        Replies::Each(each) => {
            writer.array(each.iter().map(|one| one.as_ref().unwrap_or(&Json::Null)))?;
        }
    }
    Ok(Value::bulk(writer.finish()))
}

fn read_operand(text: &str) -> Result<Number> {
    match Json::read(text) {
        Ok(Json::Number(number)) => Ok(number),
        Ok(_) => Err(Error::server("bad input number")),
        Err(message) => Err(Error::server(&format!("ERR {message}"))),
    }
}

fn not_a_number() -> Error {
    Error::server("ERR result is not a number")
}
