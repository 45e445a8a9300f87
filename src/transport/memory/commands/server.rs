use super::replies::length;
use crate::transport::memory::args::{Args, syntax, wrong_arity};
use crate::transport::memory::engine::{Engine, Handler};
use crate::{Error, Result, Value, platform};

pub(super) const HANDLERS: &[Handler] = &[
    Handler::new("DBSIZE", 1, |engine, _| Ok(length(engine.keyspace.len()))),
    Handler::new("ECHO", 2, |_, args| Ok(args.bytes(0)?.into())),
    Handler::new("FLUSHALL", -1, flush),
    Handler::new("FLUSHDB", -1, flush),
    Handler::new("INFO", -1, info),
    Handler::new("PING", -1, |_, args| match args.len() {
        0 => Ok(Value::Simple("PONG".into())),
        1 => Ok(args.bytes(0)?.into()),
        _ => Err(wrong_arity("PING")),
    }),
    Handler::new("TIME", 1, |_, _| {
        let now = platform::unix_micros();
        let parts = [now / 1_000_000, now % 1_000_000];
        Ok(Value::Array(parts.map(|part| Value::bulk(part.to_string())).to_vec()))
    }),
    Handler::new("WAIT", 3, |_, args| {
        args.int(0)?;
        check_timeout(args, 1)?;
        // It has no replicas, and never will have.
        Ok(Value::Integer(0))
    }),
    Handler::new("WAITAOF", 4, |_, args| {
        let local = args.int(0)?;
        if !(0..=1).contains(&local) {
            return Err(Error::server("ERR value is out of range, value must between 0 and 1"));
        }
        args.count(1)?;
        check_timeout(args, 2)?;
        if local > 0 {
            return Err(Error::server(
                "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.",
            ));
        }
        Ok(Value::Array(vec![Value::Integer(0), Value::Integer(0)]))
    }),
];

/// Checks a timeout in milliseconds.
fn check_timeout(args: Args<'_>, at: usize) -> Result<()> {
    let millis =
        args.int(at).map_err(|_| Error::server("ERR timeout is not an integer or out of range"))?;
    match millis {
        0.. => Ok(()),
        _ => Err(Error::server("ERR timeout is negative")),
    }
}

/// The sections of INFO that are asked for, or all.
fn info(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    const ALL: [&str; 3] = ["all", "default", "everything"];
    let names: Vec<String> =
        args.from(0).map(|name| String::from_utf8_lossy(name).to_ascii_lowercase()).collect();
    let asked = |section: &str| {
        names.is_empty() || names.iter().any(|name| name == section || ALL.contains(&&name[..]))
    };
    let (keys, expires) = (engine.keyspace.len(), engine.keyspace.volatile());
    let keyspace = match keys {
        0 => String::new(),
        _ => format!("db0:keys={keys},expires={expires},avg_ttl=0\r\n"),
    };
    let limits = engine.limits();
    let memory = format!(
        "used_memory:{}\r\nmaxmemory:{}\r\nmaxmemory_policy:{}\r\n",
        engine.keyspace.used_bytes(),
        limits.max_bytes.unwrap_or(0),
        limits.eviction.name(),
    );
    let version = env!("CARGO_PKG_VERSION");
    let sections = [
        ("Server", format!("edgecask_version:{version}\r\nredis_mode:embedded\r\n")),
        ("Clients", format!("blocked_clients:{}\r\n", engine.blocked())),
        ("Memory", memory),
        ("Persistence", persistence(engine)),
        ("Stats", format!("evicted_keys:{}\r\n", engine.evicted())),
        ("Replication", "role:master\r\nconnected_slaves:0\r\n".to_owned()),
        ("Keyspace", keyspace),
    ];
    let asked = sections.into_iter().filter(|(name, _)| asked(&name.to_ascii_lowercase()));
    let texts: Vec<String> = asked.map(|(name, lines)| format!("# {name}\r\n{lines}")).collect();
    Ok(Value::bulk(texts.join("\r\n")))
}

/// The section of INFO on the snapshot file, if there is one.
fn persistence(engine: &mut Engine) -> String {
    #[cfg(not(target_arch = "wasm32"))]
    if let Some(snapshots) = engine.snapshots.clone() {
        use crate::transport::memory::snapshot::Source;
        return format!(
            "rdb_changes_since_last_save:{}\r\nrdb_bgsave_in_progress:{}\r\nrdb_last_save_time:{}\r\nrdb_last_bgsave_status:{}\r\n",
            engine.changes().wrapping_sub(snapshots.saved_changes()),
            u8::from(snapshots.is_saving()),
            snapshots.saved_at(),
            if snapshots.has_failed() { "err" } else { "ok" },
        );
    }
    #[cfg(target_arch = "wasm32")]
    let _ = engine;
    String::new()
}

fn flush(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    match (args.len(), args.word(0).as_str()) {
        (0, _) | (1, "ASYNC" | "SYNC") => {
            engine.keyspace.clear();
            Ok(Value::OK)
        }
        _ => Err(syntax()),
    }
}
