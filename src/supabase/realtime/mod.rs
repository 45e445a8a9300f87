//! Events over [Supabase Realtime](https://supabase.com/docs/guides/realtime/broadcast): the fallback of the event hub where there is
//! no Redis.
//!
//! Each event is one HTTP request, on every target. Subscribing needs a WebSocket for each topic and process, which only native targets
//! have; on other targets it is an error of the kind [`Unsupported`](crate::ErrorKind::Unsupported).
//!
//! ```no_run
//! use edgecask::Keyspace;
//! use edgecask::events::{Events, EventsOptions, Start};
//! use edgecask::supabase::realtime::Realtime;
//!
//! # async fn run() -> edgecask::Result<()> {
//! let realtime = Realtime::new("https://example.supabase.co", "publishable-key")?;
//! let events = Events::over(realtime, EventsOptions::new());
//! let topic = events.topic::<String>(Keyspace::literal("chat").key("c1")?);
//! let mut subscription = topic.subscribe(Start::Now).await?;
//! topic.publish(&"hello".to_owned()).await?;
//! # Ok(())
//! # }
//! ```

#[cfg(not(target_arch = "wasm32"))]
mod frame;
mod options;
#[cfg(not(target_arch = "wasm32"))]
mod socket;

use std::fmt;
use std::sync::Arc;

use http::Method;
use serde_json::{Value as Json, json};

use self::options::{EVENT, Shared};
pub use self::options::{RealtimeOptions, Version};
use super::connection::{Connection, Prepared};
use crate::events::{Broadcast, Heard};
use crate::platform::{BoxFuture, boxed};
use crate::{Error, ErrorKind, Result};

/// A client of Supabase Realtime's broadcasts.
#[derive(Clone)]
pub struct Realtime(Arc<Shared>);

impl Realtime {
    /// A client with the default options. Nothing is sent.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] if the URL or the key is not valid.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Result<Self> {
        Self::with_options(RealtimeOptions::new(url, key))
    }

    /// A client with these options. Nothing is sent.
    ///
    /// # Errors
    /// As for [`Realtime::new`].
    pub fn with_options(options: RealtimeOptions) -> Result<Self> {
        let connection = Connection::new(options.supabase.clone())?;
        Ok(Self(Arc::new(Shared { connection, options })))
    }

    async fn send(&self, topic: &str, message: &str) -> Result<()> {
        let Shared { connection, options } = &*self.0;
        let payload: Json = serde_json::from_str(message).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the message is not JSON").with_source(error)
        })?;
        let message =
            json!({"topic": topic, "event": EVENT, "payload": payload, "private": options.private});
        let mut headers = connection.identity(options.token.as_ref())?;
        headers.push(("content-type", "application/json".to_owned()));
        let request = Prepared {
            method: Method::POST,
            path: "/api/broadcast".to_owned(),
            headers,
            body: json!({"messages": [message]}).to_string().into(),
            may_be_repeated: false,
        };
        let sent = connection.send(request, "broadcast", |response| match response.status {
            200..=299 => Ok(()),
            status => Err(refused(status)),
        });
        sent.await.map_err(|error| connection.without_secrets(error, options.token.as_ref()))
    }
}

/// A status other than a success. The body is not shown: it may quote the message.
fn refused(status: u16) -> Error {
    let kind = match status {
        401 | 403 => ErrorKind::Unauthorized,
        429 => ErrorKind::Throttled,
        400..=499 => ErrorKind::InvalidInput,
        _ => ErrorKind::Http,
    };
    Error::new(kind, "Supabase Realtime refused the broadcast").with_status(status)
}

impl Broadcast for Realtime {
    fn publish<'a>(&'a self, topic: &'a str, message: &'a str) -> BoxFuture<'a, Result<()>> {
        boxed(|| self.send(topic, message))
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn listen<'a>(&'a self, topic: &'a str) -> BoxFuture<'a, Result<Heard>> {
        boxed(|| socket::listen(Arc::clone(&self.0), topic.to_owned()))
    }

    #[cfg(target_arch = "wasm32")]
    fn listen<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Heard>> {
        let why =
            "listening to Supabase Realtime needs a WebSocket, which this target does not have";
        boxed(|| std::future::ready(Err(Error::new(ErrorKind::Unsupported, why))))
    }
}

impl fmt::Debug for Realtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Realtime").field(&self.0.connection).finish()
    }
}
