//! Runs the behaviour suite inside the Worker, one case a request. For tests.

use edgecask::config::Config;
use edgecask::{Client, Error, Result};
use edgecask_behaviour::{CASES, Scope};
use serde_json::json;
use worker::Env;

use crate::Answer;

/// Runs a case; one that fails panics, which ends the request with an error.
pub(crate) async fn run(transport: &str, number: &str, env: &Env) -> Result<Answer> {
    let client = match transport {
        "memory" => Client::memory(),
        "rest" => Config::from_worker(env)?.client()?,
        "failing-store" => return Err(Error::store("no rows at postgres://ada:secret@db")),
        _ => return Ok(Answer::not_found("transport")),
    };
    let Some(case) = number.parse().ok().and_then(|number: usize| CASES.get(number)) else {
        return Ok(Answer::not_found("case"));
    };
    worker::console_log!("{transport}::{}", case.name());
    case.run(Scope::new(client)?).await;
    Ok(Answer::json(json!({"passed": case.name()})))
}
