use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use super::super::connection::Connection;
use super::super::options::SupabaseOptions;

/// The event name of all broadcasts of this library.
pub(super) const EVENT: &str = "event";

/// The settings of a [`Realtime`](super::Realtime). `Debug` shows neither the key nor the token.
#[derive(Clone)]
#[must_use]
pub struct RealtimeOptions {
    pub(super) supabase: SupabaseOptions,
    pub(super) token: Option<SecretString>,
    pub(super) version: Version,
    pub(super) private: bool,
    pub(super) heartbeat: Duration,
    pub(super) timeout: Duration,
}

impl RealtimeOptions {
    /// Options with the project's URL, such as `https://example.supabase.co`, and one of its API keys.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            supabase: SupabaseOptions::new(url, key).path("/realtime/v1"),
            token: None,
            version: Version::default(),
            private: false,
            heartbeat: Duration::from_secs(25),
            timeout: Duration::from_secs(10),
        }
    }

    /// The access token of a user, for private channels. Default: none.
    pub fn access_token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into().into());
        self
    }

    /// The version of the protocol. Default: [`Version::Two`].
    pub fn version(mut self, version: Version) -> Self {
        self.version = version;
        self
    }

    /// Whether channels are private: policies of the database authorize each join. Default: `false`.
    pub fn private(mut self, private: bool) -> Self {
        self.private = private;
        self
    }

    /// The interval of heartbeats, at least a millisecond, and the timeout of the answer to a heartbeat, a join or a connection. Default: 25
    /// and 10 seconds.
    pub fn heartbeat(mut self, every: Duration, timeout: Duration) -> Self {
        (self.heartbeat, self.timeout) = (every.max(Duration::from_millis(1)), timeout);
        self
    }

    /// Allows an unencrypted `http://` URL of another host. Default: `false`.
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.supabase = self.supabase.allow_http(allow);
        self
    }
}

impl fmt::Debug for RealtimeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RealtimeOptions")
            .field("version", &self.version)
            .field("private", &self.private)
            .finish_non_exhaustive()
    }
}

/// The version of the protocol: the parameter `vsn` of the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Version {
    /// `1.0.0`: each frame is a JSON object.
    One,
    /// `2.0.0`: each frame is a JSON array, or a broadcast in binary.
    #[default]
    Two,
}

impl Version {
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::One => "1.0.0",
            Self::Two => "2.0.0",
        }
    }
}

/// The state that the clones of a client share.
pub(super) struct Shared {
    pub(super) connection: Connection,
    pub(super) options: RealtimeOptions,
}
