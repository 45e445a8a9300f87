use std::time::Duration;

use js_sys::{Array, Uint8Array};
use wasm_bindgen::prelude::*;

use super::call::limited;
use super::convert;
use super::subscriber::JsSubscriber;
use crate::client::Client;
use crate::command::Script;
use crate::command::keys::KeyCommands;
use crate::command::server::ServerCommands;
use crate::command::strings::{SetOptions, StringCommands};
use crate::config::Config;
use crate::layer::{AutoPipeline, CircuitBreaker, Deadline, KeyPrefix, RequestBudget, Retry};
use crate::transport::rest::{RestOptions, RestTransport};
use crate::{Error, ErrorKind, Result, Value};

/// A Redis client over the Upstash REST API, or over an embedded engine.
#[wasm_bindgen(js_name = Client)]
#[derive(Debug)]
pub struct JsClient(pub(super) Client);

#[wasm_bindgen(js_class = Client)]
impl JsClient {
    /// A client of the REST API at this URL. Nothing is sent yet.
    #[wasm_bindgen(constructor)]
    pub fn new(
        #[wasm_bindgen(unchecked_param_type = "ClientOptions")] options: &JsValue,
    ) -> Result<JsClient, JsValue> {
        connect(options).map(Self).map_err(convert::error)
    }

    /// A client over a new, empty embedded engine.
    #[cfg(feature = "memory")]
    pub fn memory() -> JsClient {
        Self(Client::memory())
    }

    /// A client as these variables say: `REDIS_URL` and `REDIS_PASSWORD`, `UPSTASH_REDIS_REST_URL` and
    /// `UPSTASH_REDIS_REST_TOKEN`, or `KV_REST_API_URL` and `KV_REST_API_TOKEN`; with none of them, the embedded engine.
    /// Give it `process.env`, or the `env` of a Worker.
    #[wasm_bindgen(js_name = fromEnv)]
    pub fn from_env(
        #[wasm_bindgen(unchecked_param_type = "Record<string, unknown>")] env: &JsValue,
    ) -> Result<JsClient, JsValue> {
        Config::from_variables(|name| convert::option(env, name)?.as_string())
            .and_then(|config| config.client())
            .map(Self)
            .map_err(convert::error)
    }

    /// Sends any command: `client.command(["SET", "key", "value", "EX", 60])`.
    #[wasm_bindgen(unchecked_return_type = "Reply")]
    pub async fn command(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Argument[]")] args: Array,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
    ) -> Result<JsValue, JsValue> {
        let client = self.0.clone();
        let command = convert::command(&args).map_err(convert::error)?;
        limited(&options, async { client.send(&command).await }).await.map(convert::reply)
    }

    /// Sends commands in order in one round trip. A command's error stands in its place, and does not stop the others.
    #[wasm_bindgen(unchecked_return_type = "(Reply | EdgecaskError)[]")]
    pub async fn pipeline(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Argument[][]")] commands: Array,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
    ) -> Result<JsValue, JsValue> {
        let client = self.0.clone();
        let commands = convert::commands(&commands).map_err(convert::error)?;
        limited(&options, async { client.send_pipeline(&commands).await }).await.map(replies)
    }

    /// Runs commands as a unit (MULTI/EXEC) in one round trip.
    #[wasm_bindgen(unchecked_return_type = "(Reply | EdgecaskError)[]")]
    pub async fn transaction(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Argument[][]")] commands: Array,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
    ) -> Result<JsValue, JsValue> {
        let client = self.0.clone();
        let commands = convert::commands(&commands).map_err(convert::error)?;
        limited(&options, async { client.send_transaction(&commands).await }).await.map(replies)
    }

    /// Runs a Lua script by its sha (EVALSHA), and sends its source where the server does not know it yet.
    #[wasm_bindgen(unchecked_return_type = "Reply")]
    pub async fn eval(
        &self,
        source: String,
        keys: Vec<String>,
        #[wasm_bindgen(unchecked_param_type = "Argument[]")] args: Array,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
    ) -> Result<JsValue, JsValue> {
        let args = convert::arguments(&args).map_err(convert::error)?;
        let reply = self.0.run_script::<Value>(&Script::new(source), keys, args.args());
        limited(&options, reply).await.map(convert::reply)
    }

    /// The text of a key, or `null` if it is absent. Nothing is parsed.
    #[wasm_bindgen(unchecked_return_type = "string | null")]
    pub async fn get(&self, key: String) -> Result<JsValue, JsValue> {
        let text: Option<String> = self.0.get(key).await.map_err(convert::error)?;
        Ok(text.map_or(JsValue::NULL, Into::into))
    }

    /// The bytes of a key, or `null` if it is absent.
    #[wasm_bindgen(js_name = getBytes, unchecked_return_type = "Uint8Array | null")]
    pub async fn get_bytes(&self, key: String) -> Result<JsValue, JsValue> {
        let bytes: Option<Vec<u8>> = self.0.get(key).await.map_err(convert::error)?;
        Ok(bytes.map_or(JsValue::NULL, |bytes| Uint8Array::from(&bytes[..]).into()))
    }

    /// Sets a key; tells whether it did, which the options `nx` and `xx` may prevent.
    pub async fn set(
        &self,
        key: String,
        #[wasm_bindgen(unchecked_param_type = "Argument")] value: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "SetOptions")] options: JsValue,
    ) -> Result<bool, JsValue> {
        let client = self.0.clone();
        let set = async {
            let options = set_options(&options)?;
            let value = convert::command(&Array::of2(&"SET".into(), &value))?;
            client.set_with(key, value.get(0).unwrap_or_default(), options).await
        };
        set.await.map_err(convert::error)
    }

    /// Deletes keys; tells how many were there.
    pub async fn del(&self, keys: Vec<String>) -> Result<f64, JsValue> {
        let count = self.0.del(keys).await.map_err(convert::error)?;
        Ok(count as f64)
    }

    /// The messages of some channels, from now on.
    pub async fn subscribe(&self, channels: Vec<String>) -> Result<JsSubscriber, JsValue> {
        let subscriber = self.0.subscribe(channels).await.map_err(convert::error)?;
        Ok(JsSubscriber::new(subscriber))
    }

    /// The messages of all channels that match some globs, such as `news:*`.
    pub async fn psubscribe(&self, patterns: Vec<String>) -> Result<JsSubscriber, JsValue> {
        let subscriber = self.0.psubscribe(patterns).await.map_err(convert::error)?;
        Ok(JsSubscriber::new(subscriber))
    }

    /// Every command that the server carries out from now on, as lines of text. For debugging: it shows values.
    pub async fn monitor(&self) -> Result<JsSubscriber, JsValue> {
        let subscriber = self.0.monitor().await.map_err(convert::error)?;
        Ok(JsSubscriber::new(subscriber))
    }

    /// The token by which the reads of another client, in another request or service, see what this one wrote.
    #[wasm_bindgen(js_name = syncToken, unchecked_return_type = "string | null")]
    pub fn sync_token(&self) -> JsValue {
        self.0.sync_token().map_or(JsValue::NULL, Into::into)
    }

    /// Lets reads see what another client wrote before it gave this token.
    #[wasm_bindgen(js_name = setSyncToken)]
    pub fn set_sync_token(&self, token: &str) {
        self.0.set_sync_token(token);
    }

    /// Resolves if the server answers.
    pub async fn ping(&self) -> Result<(), JsValue> {
        self.0.ping().await.map_err(convert::error)
    }
}

fn connect(options: &JsValue) -> Result<Client> {
    let text = |name| convert::option(options, name).and_then(|value| value.as_string());
    let (Some(url), Some(token)) = (text("url"), text("token")) else {
        return Err(Error::new(
            ErrorKind::Config,
            "new Client({ url, token }) needs both, as strings; Client.memory() needs neither",
        ));
    };
    let flag = |name| convert::option(options, name).map(|value| value.is_truthy());
    let mut rest = RestOptions::new(url, token)
        .allow_http(flag("allowHttp").unwrap_or(false))
        .read_your_writes(flag("readYourWrites").unwrap_or(true));
    let message = "idleTimeoutMs is a whole number above 0";
    if let Some(limit) = convert::positive(options, "idleTimeoutMs", message)? {
        rest = rest.idle_timeout(Duration::from_millis(limit));
    }
    let message = "maxRequests is a whole number above 0";
    if let Some(requests) = convert::positive(options, "maxRequests", message)? {
        rest = rest.http_layer(RequestBudget::new().requests(requests));
    }
    let limit = convert::positive(options, "timeoutMs", "timeoutMs is a whole number above 0")?;
    let deadline = limit.map(Duration::from_millis).map(Deadline::new).unwrap_or_default();
    let mut client =
        Client::new(RestTransport::new(rest)?).layer(deadline).layer(CircuitBreaker::default());
    if flag("autoPipelining").unwrap_or(false) {
        client = client.layer(AutoPipeline::new());
    }
    let attempts = convert::positive(options, "attempts", "attempts is a whole number above 0")?;
    if let Some(attempts @ 2..) = attempts.and_then(|attempts| u32::try_from(attempts).ok()) {
        client = client.layer(Retry::new().attempts(attempts));
    }
    Ok(match text("keyPrefix") {
        Some(prefix) => client.layer(KeyPrefix::new(prefix)),
        None => client,
    })
}

fn set_options(options: &JsValue) -> Result<SetOptions> {
    let mut set = SetOptions::new();
    if let Some(seconds) = convert::positive(options, "ex", "ex is a whole number above 0")? {
        set = set.ex(seconds);
    }
    if let Some(millis) = convert::positive(options, "px", "px is a whole number above 0")? {
        set = set.px(millis);
    }
    let flag = |name| convert::option(options, name).is_some_and(|flag| flag.is_truthy());
    match (flag("nx"), flag("xx")) {
        (true, true) => Err(convert::invalid("nx and xx exclude each other")),
        (true, false) => Ok(set.nx()),
        (false, true) => Ok(set.xx()),
        (false, false) => Ok(set),
    }
}

fn replies(results: crate::transport::Results) -> JsValue {
    let items =
        results.into_iter().map(|result| result.map_or_else(convert::error, convert::reply));
    items.collect::<Array>().into()
}
