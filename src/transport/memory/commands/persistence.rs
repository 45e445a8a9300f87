//! SAVE, BGSAVE and LASTSAVE, for an engine with a snapshot file.

use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::engine::{Engine, Handler};
use crate::transport::memory::snapshot::Snapshots;
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[
    Handler::new("BGSAVE", -1, |engine, args| background_save(snapshots(engine)?, args)),
    Handler::new("LASTSAVE", 1, |engine, _| {
        let saved_at = snapshots(engine)?.saved_at();
        Ok(Value::Integer(i64::try_from(saved_at).unwrap_or(i64::MAX)))
    }),
    Handler::new("SAVE", 1, |engine, _| {
        let saved = snapshots(engine)?.clone().save_now(engine);
        match saved {
            None => Err(under_way()),
            Some(Ok(())) => Ok(Value::OK),
            Some(Err(error)) => Err(Error::server(&format!("ERR {error}"))),
        }
    }),
];

fn snapshots(engine: &Engine) -> Result<&Snapshots> {
    engine.snapshots.as_ref().ok_or_else(|| {
        Error::server("ERR this engine has no snapshot file: see MemoryOptions::snapshot")
    })
}

fn under_way() -> Error {
    Error::server("ERR Background save already in progress")
}

fn background_save(snapshots: &Snapshots, args: Args<'_>) -> Result<Value> {
    let schedules = match args.len() {
        0 => false,
        1 if args.is(0, "SCHEDULE") => true,
        _ => return Err(syntax()),
    };
    let is_saving = snapshots.is_saving();
    if is_saving && !schedules {
        return Err(under_way());
    }
    snapshots.order();
    Ok(Value::Simple(match is_saving {
        true => "Background saving scheduled".into(),
        false => "Background saving started".into(),
    }))
}
