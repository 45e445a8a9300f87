use std::time::Duration;

use js_sys::{Array, Function, Promise};
use tracing::Dispatch;
use wasm_bindgen::prelude::*;

use super::call::{limited, promise};
use super::subscriber::JsSubscriber;
use super::{convert, log};
use edgecask::client::Client;
use edgecask::command::Script;
use edgecask::config::Config;
use edgecask::layer::{AutoPipeline, CircuitBreaker, Deadline, KeyPrefix, RequestBudget, Retry};
use edgecask::transport::rest::{RestOptions, RestTransport};
use edgecask::{Result, Value};

/// A Redis client over the Upstash REST API, or over an embedded engine.
#[wasm_bindgen(js_name = Client)]
#[derive(Debug)]
pub struct JsClient {
    pub(super) client: Client,
    log: Option<Dispatch>,
}

#[wasm_bindgen(js_class = Client)]
impl JsClient {
    /// A client of the REST API, with `ClientOptions`. Nothing is sent yet.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue) -> Result<JsClient, JsValue> {
        let client = connect(options).map_err(convert::error)?;
        Ok(Self { client, log: log::of_options(options) })
    }

    /// A client over a new, empty embedded engine.
    #[cfg(feature = "cache")]
    pub fn memory(options: &JsValue) -> JsClient {
        Self { client: Client::memory(), log: log::of_options(options) }
    }

    /// A client over a function that sends commands by a client of another package.
    #[cfg(feature = "cache")]
    pub fn over(options: &JsValue) -> Result<JsClient, JsValue> {
        let client = super::function::client(options).map_err(convert::error)?;
        Ok(Self { client, log: log::of_options(options) })
    }

    /// A client from environment variables, which this function looks up.
    #[wasm_bindgen(js_name = fromEnv)]
    pub fn from_env(lookup: &Function, options: &JsValue) -> Result<JsClient, JsValue> {
        let lookup = |name: &str| lookup.call1(&JsValue::UNDEFINED, &name.into()).ok()?.as_string();
        let client = Config::from_variables(lookup).and_then(|config| config.client());
        Ok(Self { client: client.map_err(convert::error)?, log: log::of_options(options) })
    }

    /// Sends a command: a list of strings and Uint8Arrays.
    pub fn command(&self, args: &Array, options: JsValue) -> Promise {
        let (client, command) = (self.client.clone(), convert::command(args));
        promise(self.log(), async move {
            let command = command.map_err(convert::error)?;
            limited(&options, async { client.send(&command).await }).await.map(convert::reply)
        })
    }

    /// Sends a list of commands in order, as a transaction (MULTI/EXEC) or as a pipeline with a result for each.
    pub fn batch(&self, commands: &Array, unit: bool, options: JsValue) -> Promise {
        let (client, commands) = (self.client.clone(), convert::commands(commands));
        promise(self.log(), async move {
            let commands = commands.map_err(convert::error)?;
            let sent = async {
                match unit {
                    true => client.send_transaction(&commands).await,
                    false => client.send_pipeline(&commands).await,
                }
            };
            limited(&options, sent).await.map(replies)
        })
    }

    /// Runs a Lua script by its SHA-1 digest (EVALSHA), and sends its source if the server does not know it yet.
    pub fn eval(
        &self,
        source: String,
        keys: Vec<String>,
        args: &Array,
        options: JsValue,
    ) -> Promise {
        let (client, args) = (self.client.clone(), convert::arguments(args));
        promise(self.log(), async move {
            let args = args.map_err(convert::error)?;
            let script = Script::new(source);
            let reply = client.run_script::<Value>(&script, keys, args.args());
            limited(&options, reply).await.map(convert::reply)
        })
    }

    /// The messages of some channels, or of all that match some globs.
    pub fn subscribe(&self, to: Vec<String>, patterns: bool) -> Promise {
        let (client, log) = (self.client.clone(), self.log());
        promise(log.clone(), async move {
            let subscriber = match patterns {
                true => client.psubscribe(to).await,
                false => client.subscribe(to).await,
            };
            Ok(JsSubscriber::new(subscriber.map_err(convert::error)?, log))
        })
    }

    /// All commands that the server executes from now on, as lines of text.
    pub fn monitor(&self) -> Promise {
        let (client, log) = (self.client.clone(), self.log());
        promise(log.clone(), async move {
            Ok(JsSubscriber::new(client.monitor().await.map_err(convert::error)?, log))
        })
    }

    /// A token with which the reads of another client see the writes of this one.
    #[wasm_bindgen(js_name = syncToken)]
    pub fn sync_token(&self) -> Option<String> {
        self.client.sync_token()
    }

    /// Makes reads see the writes of another client before it returned this token.
    #[wasm_bindgen(js_name = setSyncToken)]
    pub fn set_sync_token(&self, token: &str) {
        self.client.set_sync_token(token);
    }
}

impl JsClient {
    fn log(&self) -> Dispatch {
        log::or_module(self.log.as_ref())
    }

    /// The logger of a cache or store over this client, with these options.
    #[cfg(feature = "cache")]
    pub(super) fn log_of(&self, options: &JsValue) -> Option<Dispatch> {
        log::of_options(options).or_else(|| self.log.clone())
    }
}

fn connect(options: &JsValue) -> Result<Client> {
    let text = |name| convert::text(options, name);
    let millis = |name| convert::whole(options, name).map(Duration::from_millis);
    let mut rest =
        RestOptions::new(text("url").unwrap_or_default(), text("token").unwrap_or_default())
            .allow_http(convert::flag(options, "allowHttp"))
            .read_your_writes(
                convert::option(options, "readYourWrites").is_none_or(|yes| yes.is_truthy()),
            );
    if let Some(limit) = millis("idleTimeoutMs") {
        rest = rest.idle_timeout(limit);
    }
    if let Some(requests) = convert::whole(options, "maxRequests") {
        rest = rest.http_layer(RequestBudget::new().requests(requests));
    }
    let deadline = millis("timeoutMs").map(Deadline::new).unwrap_or_default();
    let mut client =
        Client::new(RestTransport::new(rest)?).layer(deadline).layer(CircuitBreaker::default());
    if convert::flag(options, "autoPipelining") {
        client = client.layer(AutoPipeline::new());
    }
    if let Some(attempts @ 2..) = convert::whole(options, "attempts") {
        let attempts = u32::try_from(attempts).unwrap_or(u32::MAX);
        client = client.layer(Retry::new().attempts(attempts));
    }
    Ok(match text("keyPrefix") {
        Some(prefix) => client.layer(KeyPrefix::new(prefix)),
        None => client,
    })
}

fn replies(results: edgecask::transport::Results) -> JsValue {
    let items =
        results.into_iter().map(|result| result.map_or_else(convert::error, convert::reply));
    items.collect::<Array>().into()
}
