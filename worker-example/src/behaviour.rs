//! Runs the behaviour suite and the documents of the systems inside the Worker, one a request. For tests.

use edgecask::config::Config;
use edgecask::{Client, Error, Result};
use edgecask_behaviour::{CASES, DOCUMENTS, Scope};
use serde_json::json;
use worker::Env;

use crate::Answer;

/// Runs a case; one that fails panics, which ends the request with an error.
pub(crate) async fn run(transport: &str, number: &str, env: &Env) -> Result<Answer> {
    if transport == "failing-store" {
        return Err(Error::store("no rows at postgres://ada:secret@db"));
    }
    let Some(case) = number.parse().ok().and_then(|number: usize| CASES.get(number)) else {
        return Ok(Answer::not_found("case"));
    };
    let client = client(transport, env)?;
    worker::console_log!("{transport}::{}", case.name());
    case.run(Scope::new(client)?).await;
    Ok(Answer::json(json!({"passed": case.name()})))
}

/// Checks a document, which empties the database.
pub(crate) async fn document(transport: &str, number: &str, env: &Env) -> Result<Answer> {
    let Some(document) = number.parse().ok().and_then(|number: usize| DOCUMENTS.get(number)) else {
        return Ok(Answer::not_found("document"));
    };
    let client = client(transport, env)?;
    worker::console_log!("{transport}::{}", document.name());
    document.run(&client).await;
    Ok(Answer::json(json!({"passed": document.name()})))
}

fn client(transport: &str, env: &Env) -> Result<Client> {
    match transport {
        "memory" => Ok(Client::memory()),
        _ => Config::from_worker(env)?.client(),
    }
}
