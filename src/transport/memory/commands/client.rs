//! CLIENT. The engine has no connections: all callers are one client, whose name is the one that was set last. Compared with
//! Redis 8.

use super::replies::unknown_subcommand;
use crate::transport::memory::args::{Args, syntax, wrong_arity};
use crate::transport::memory::client_names::ClientNames;
use crate::transport::memory::engine::{Engine, Handler};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[Handler::new("CLIENT", -2, client)];

fn client(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    match (word.as_str(), args.len()) {
        ("ID", 1) => Ok(Value::Integer(1)),
        ("GETNAME", 1) => Ok(match engine.client.name.as_str() {
            "" => Value::Nil,
            name => Value::bulk(name.to_owned()),
        }),
        ("SETNAME", 2) => {
            engine.client.name = printable(args.at(1)?).ok_or_else(|| {
                Error::server(
                    "ERR Client names cannot contain spaces, newlines or special characters.",
                )
            })?;
            Ok(Value::OK)
        }
        ("INFO", 1) => Ok(Value::bulk(info(engine, "client|info"))),
        ("LIST", _) => list(engine, args),
        ("SETINFO", 3) => set_info(engine, args),
        ("NO-EVICT" | "NO-TOUCH", 2) => match args.word(1).as_str() {
            "ON" | "OFF" => Ok(Value::OK),
            _ => Err(syntax()),
        },
        // Nothing is tracked, and nothing is paused.
        ("GETREDIR", 1) => Ok(Value::Integer(-1)),
        ("UNPAUSE", 1) => Ok(Value::OK),
        (
            "ID" | "GETNAME" | "SETNAME" | "INFO" | "SETINFO" | "NO-EVICT" | "NO-TOUCH"
            | "GETREDIR" | "UNPAUSE",
            _,
        ) => Err(wrong_arity(&format!("client|{word}"))),
        _ => Err(unknown_subcommand("CLIENT", args)),
    }
}

/// A text without spaces and without what cannot be printed, as names are.
fn printable(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?;
    text.bytes().all(|byte| byte.is_ascii_graphic()).then(|| text.to_owned())
}

fn info(engine: &Engine, command: &str) -> String {
    let ClientNames { name, library, library_version } = &engine.client;
    format!(
        "id=1 addr=embedded name={name} flags=N db=0 cmd={command} user=default resp=2 lib-name={library} \
         lib-ver={library_version}\n"
    )
}

fn list(engine: &Engine, args: Args<'_>) -> Result<Value> {
    let is_listed = match args.word(1).as_str() {
        "" if args.len() == 1 => true,
        "TYPE" if args.len() == 3 => match args.word(2).as_str() {
            "NORMAL" => true,
            "MASTER" | "REPLICA" | "SLAVE" | "PUBSUB" => false,
            _ => {
                let given = String::from_utf8_lossy(args.at(2)?).into_owned();
                return Err(Error::server(&format!("ERR Unknown client type '{given}'")));
            }
        },
        "ID" if args.len() > 2 => {
            let mut is_listed = false;
            for at in 2..args.len() {
                let id = args.int(at).ok().filter(|id| *id > 0);
                let id = id.ok_or_else(|| Error::server("ERR Invalid client ID"))?;
                is_listed |= id == 1;
            }
            is_listed
        }
        _ => return Err(syntax()),
    };
    Ok(Value::bulk(if is_listed { info(engine, "client|list") } else { String::new() }))
}

fn set_info(engine: &mut Engine, args: Args<'_>) -> Result<Value> {
    let option = args.word(1);
    let target = match option.as_str() {
        "LIB-NAME" => &mut engine.client.library,
        "LIB-VER" => &mut engine.client.library_version,
        _ => {
            let option = String::from_utf8_lossy(args.at(1)?).into_owned();
            return Err(Error::server(&format!("ERR Unrecognized option '{option}'")));
        }
    };
    *target = printable(args.at(2)?).ok_or_else(|| {
        let option = option.to_ascii_lowercase();
        Error::server(&format!(
            "ERR {option} cannot contain spaces, newlines or special characters."
        ))
    })?;
    Ok(Value::OK)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::transport::memory::commands;

    fn reply(engine: &mut Engine, line: &str) -> Result<Value> {
        let mut words = line.split(' ').map(str::to_owned);
        engine.run(&Command::new(words.next().unwrap_or_default()).args_from(words), 1)
    }

    #[test]
    fn the_client_has_the_name_that_was_set_last() {
        let engine = &mut Engine::new(commands::find);
        assert_eq!(reply(engine, "CLIENT GETNAME").ok(), Some(Value::Nil));
        assert!(reply(engine, "CLIENT SETNAME worker-1").is_ok());
        assert!(reply(engine, "CLIENT SETINFO LIB-NAME lib").is_ok());
        assert_eq!(reply(engine, "CLIENT GETNAME").ok(), Some(Value::bulk("worker-1")));
        for line in ["CLIENT INFO", "CLIENT LIST", "CLIENT LIST TYPE normal", "CLIENT LIST ID 1 7"]
        {
            let text =
                reply(engine, line).ok().and_then(|text| text.as_bytes().map(<[u8]>::to_vec));
            let text = String::from_utf8(text.unwrap_or_default()).unwrap_or_default();
            assert!(text.contains(" name=worker-1 ") && text.contains(" lib-name=lib "), "{text}");
        }
        assert_eq!(reply(engine, "CLIENT LIST TYPE pubsub").ok(), Some(Value::bulk("")));
        assert!(reply(engine, "CLIENT SETNAME").is_err());
        let bad = Command::new("CLIENT").arg("SETNAME").arg("a b");
        assert!(engine.run(&bad, 1).is_err());
        assert_eq!(reply(engine, "CLIENT GETNAME").ok(), Some(Value::bulk("worker-1")));
    }
}
