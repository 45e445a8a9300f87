//! CLIENT. The engine has no connections: all callers are one client, without a name.

use super::replies::unknown_subcommand;
use crate::transport::memory::args::{Args, wrong_arity};
use crate::transport::memory::engine::{Engine, Handler};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = &[Handler::new("CLIENT", -2, client)];

const INFO: &str = "id=1 addr=embedded name= db=0 user=default resp=2\n";

fn client(_: &mut Engine, args: Args<'_>) -> Result<Value> {
    let word = args.word(0);
    match (word.as_str(), args.len()) {
        ("ID", 1) => Ok(Value::Integer(1)),
        ("GETNAME", 1) => Ok(Value::Nil),
        ("INFO", 1) | ("LIST", _) => Ok(Value::bulk(INFO)),
        ("SETINFO", 3) => match args.word(1).as_str() {
            "LIB-NAME" | "LIB-VER" => Ok(Value::OK),
            _ => {
                let option = String::from_utf8_lossy(args.at(1)?).into_owned();
                Err(Error::server(&format!("ERR Unrecognized option '{option}'")))
            }
        },
        ("ID" | "GETNAME" | "INFO" | "SETINFO", _) => Err(wrong_arity(&format!("client|{word}"))),
        _ => Err(unknown_subcommand("CLIENT", args)),
    }
}
