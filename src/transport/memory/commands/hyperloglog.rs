use bytes::Bytes;

use crate::transport::memory::args::Args;
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::hyperloglog::Registers;
use crate::transport::memory::keyspace::{Data, Keyspace};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "PFADD" - 2 | db,
    args | {
        let found = read(db, args.at(0)?)?;
        let is_new = found.is_none();
        let mut registers = found.unwrap_or_default();
        let changed = args.from(1).fold(false, |changed, element| registers.add(element) | changed);
        if changed || is_new {
            write(db, args.at(0)?, &registers);
        }
        Ok((changed || is_new).into())
    },
    "PFCOUNT" - 2 | db,
    args | Ok(Value::Integer(union(db, args)?.estimate() as i64)),
    "PFMERGE" - 2 | db,
    args | {
        let registers = union(db, args)?;
        write(db, args.at(0)?, &registers);
        Ok(Value::OK)
    },
];

fn read(db: &Keyspace, key: &[u8]) -> Result<Option<Registers>> {
    let Some(value) = db.read::<Bytes>(key)? else { return Ok(None) };
    if !Registers::is_one(value) {
        return Err(Error::server("WRONGTYPE Key is not a valid HyperLogLog string value."));
    }
    let registers = Registers::decode(value)
        .ok_or_else(|| Error::server("INVALIDOBJ Corrupted HLL object detected"))?;
    Ok(Some(registers))
}

/// Stores registers under a key, which keeps its time to live.
fn write(db: &mut Keyspace, key: &[u8], registers: &Registers) {
    let expires_at = db.entry(key).and_then(|entry| entry.expires_at);
    let value = Data::String(registers.encode());
    db.put(Bytes::copy_from_slice(key), value, expires_at);
}

/// The registers of all keys together.
fn union(db: &Keyspace, args: Args<'_>) -> Result<Registers> {
    let mut all = Registers::default();
    for key in args.from(0) {
        if let Some(registers) = read(db, key)? {
            all.merge(&registers);
        }
    }
    Ok(all)
}
