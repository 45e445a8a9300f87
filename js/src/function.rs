//! A transport over a function of the caller, which calls a Redis client of another package.
//!
//! The face wraps that function: the wrapper neither throws nor rejects, and its replies are copies in the forms that `value`
//! reads.

use std::fmt;
use std::time::Duration;

use js_sys::{Array, BigInt, Function, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::convert;
use super::errors::Foreign;
use edgecask::client::Client;
use edgecask::command::{Command, Script};
use edgecask::layer::{CircuitBreaker, Deadline};
use edgecask::platform::{self, BoxFuture, Local};
use edgecask::transport::{Backend, Capabilities, Messages, Results, Subscription, Transport};
use edgecask::{Error, ErrorKind, Outcome, Result, Value};

/// The most commands of a batch, and about the most bytes.
const BATCH: (usize, usize) = (1000, 1 << 20);

/// A client over the functions of these options.
pub(super) fn client(options: &JsValue) -> Result<Client> {
    let function = |name| convert::option(options, name)?.dyn_into::<Function>().ok();
    let commands =
        function("commands").ok_or_else(|| convert::invalid("commands is a function"))?;
    let transport = FunctionTransport { commands: Local::new(commands) };
    let limit = convert::whole(options, "timeoutMs").map(Duration::from_millis);
    let deadline = limit.map(Deadline::new).unwrap_or_default();
    Ok(Client::new(transport).layer(deadline).layer(CircuitBreaker::default()))
}

struct FunctionTransport {
    /// Takes a list of commands and whether they are a transaction; returns a promise of a list of replies.
    commands: Local<Function>,
}

impl fmt::Debug for FunctionTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionTransport").finish_non_exhaustive()
    }
}

impl FunctionTransport {
    async fn call(&self, commands: &[Command], unit: bool) -> Result<Results> {
        let lists: Array = commands.iter().map(words).collect();
        let called = self.commands.call2(&JsValue::UNDEFINED, &lists, &unit.into());
        let given = match called {
            Ok(promise) => JsFuture::from(Promise::resolve(&promise)).await,
            Err(thrown) => Err(thrown),
        };
        let given = given.map_err(|thrown| {
            Error::new(ErrorKind::Disconnected, "the client's function failed")
                .with_source(Foreign::new(thrown))
        })?;
        // A list of replies, or one fault of all commands.
        let Some(replies) = given.dyn_ref::<Array>() else {
            return Err(redacted(fault(&given), commands));
        };
        if replies.length() as usize != commands.len() {
            return Err(unexpected("there is not one reply for each command"));
        }
        let results = replies
            .iter()
            .zip(commands)
            .map(|(reply, command)| value(&reply).map_err(|error| error.redacted(command.args())));
        Ok(results.collect())
    }
}

fn redacted(error: Error, commands: &[Command]) -> Error {
    error.redacted(commands.iter().flat_map(Command::args))
}

#[deny(clippy::missing_trait_methods)]
impl Transport for FunctionTransport {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::Redis)
            .binary_batches(true)
            .lua(true)
            .pipeline_limits(BATCH.0, BATCH.1)
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        platform::send(move || async move {
            let mut results = self.call(std::slice::from_ref(command), false).await?;
            results.pop().unwrap_or_else(|| Err(unexpected("there is no reply")))
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        platform::send(move || self.call(commands, false))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        platform::send(move || self.call(commands, true))
    }

    fn subscribe<'a>(&'a self, _: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        Box::pin(async {
            let message =
                "a client's function carries no subscriptions; use a Client of this package";
            Err(Error::new(ErrorKind::Unsupported, message))
        })
    }

    fn sync_token(&self) -> Option<String> {
        None
    }

    fn set_sync_token(&self, _: &str) {}

    fn register(&self, _: &Script) {}
}

/// The name and the arguments of a command: strings, and bytes where they are not UTF-8.
fn words(command: &Command) -> Array {
    let name = std::iter::once(JsValue::from(command.name()));
    let args = command.args().map(|arg| match std::str::from_utf8(arg) {
        Ok(text) => text.into(),
        Err(_) => Uint8Array::from(arg).into(),
    });
    name.chain(args).collect()
}

/// A reply from the face, which limits the depth of lists.
fn value(reply: &JsValue) -> Result<Value> {
    if reply.is_null() || reply.is_undefined() {
        return Ok(Value::Nil);
    }
    if let Some(number) = reply.as_f64() {
        return Ok(Value::Integer(number as i64));
    }
    if let Some(text) = reply.as_string() {
        return Ok(Value::bulk(text));
    }
    if let Some(bytes) = reply.dyn_ref::<Uint8Array>() {
        return Ok(Value::bulk(bytes.to_vec()));
    }
    if let Some(items) = reply.dyn_ref::<Array>() {
        let items = items.iter().map(|item| match value(&item) {
            // The error of one item does not affect the others.
            Err(error) if error.kind() == ErrorKind::Server => {
                Ok(Value::Error(error.message().to_owned().into()))
            }
            other => other,
        });
        return Ok(Value::Array(items.collect::<Result<_>>()?));
    }
    if reply.is_bigint() {
        let number = i64::try_from(BigInt::from(reply.clone()));
        return number.map(Value::Integer).map_err(|_| unexpected("an integer is too large"));
    }
    Err(fault(reply))
}

fn unexpected(message: &'static str) -> Error {
    Error::new(ErrorKind::Protocol, message)
}

/// An error of the caller's function, as the face has classified it: `{ kind, message, thrown }`.
fn fault(fault: &JsValue) -> Error {
    let text = |name| convert::text(fault, name).unwrap_or_default();
    let error = match text("kind").as_str() {
        "Server" => Error::server(&text("message")),
        "Connect" => Error::new(ErrorKind::Connect, "the client could not connect"),
        "Timeout" => Error::new(ErrorKind::Timeout, "the client gave up waiting"),
        "Unauthorized" => Error::new(ErrorKind::Unauthorized, "the client was refused"),
        "Throttled" => Error::new(ErrorKind::Throttled, "the client was asked for fewer requests"),
        "Unsupported" => Error::new(ErrorKind::Unsupported, text("message")),
        "Protocol" => Error::new(ErrorKind::Protocol, text("message")),
        _ => Error::new(ErrorKind::Disconnected, "the client's function failed"),
    };
    let error = match convert::flag(fault, "notSent") {
        true => error.with_outcome(Outcome::NotSent),
        false => error,
    };
    match convert::option(fault, "thrown") {
        Some(thrown) => error.with_source(Foreign::new(thrown)),
        None => error,
    }
}
