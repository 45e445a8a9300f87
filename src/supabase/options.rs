use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::layer::Retry;
use crate::transport::rest::{HttpClient, HttpLayer};

/// The settings of a [`Supabase`](super::Supabase).
///
/// | setting | default |
/// |---|---|
/// | [`path`](Self::path) | `/rest/v1` |
/// | [`schema`](Self::schema) | the server's own, usually `public` |
/// | [`timeout`](Self::timeout) | 10 s for each attempt |
/// | [`retry`](Self::retry) | [`Retry::new`]: three attempts of what may be sent twice |
/// | [`max_response_bytes`](Self::max_response_bytes) | 32 MiB |
/// | [`max_url_bytes`](Self::max_url_bytes) | 16 KiB |
/// | [`client_info`](Self::client_info) | `edgecask/` and the version |
///
/// ```
/// use edgecask::supabase::{Supabase, SupabaseOptions};
/// use std::time::Duration;
///
/// let options = SupabaseOptions::new("https://example.supabase.co", "key")
///     .schema("tenants")
///     .timeout(Duration::from_secs(2));
/// // The key is in no output.
/// assert!(!format!("{options:?}").contains("\"key\""));
/// let supabase = Supabase::with_options(options)?;
/// # Ok::<(), edgecask::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct SupabaseOptions {
    pub(super) url: String,
    pub(super) key: SecretString,
    pub(super) path: String,
    pub(super) schema: Option<String>,
    pub(super) timeout: Duration,
    pub(super) retry: Retry,
    pub(super) max_response_bytes: usize,
    pub(super) max_url_bytes: usize,
    pub(super) client_info: String,
    pub(super) allow_http: bool,
    pub(super) http: Option<Arc<dyn HttpClient>>,
    pub(super) http_layers: Vec<Arc<dyn HttpLayer>>,
}

impl SupabaseOptions {
    /// The project's URL, such as `https://example.supabase.co`, and one of its keys.
    pub fn new(url: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            key: key.into().into(),
            path: "/rest/v1".to_owned(),
            schema: None,
            timeout: Duration::from_secs(10),
            retry: Retry::new(),
            max_response_bytes: 32 * 1024 * 1024,
            max_url_bytes: 16 * 1024,
            client_info: concat!("edgecask/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_http: false,
            http: None,
            http_layers: Vec::new(),
        }
    }

    /// The path of PostgREST below the URL. Default: `/rest/v1`. It is empty for a PostgREST without a gateway before it.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// The schema that tables and functions are in. Default: the first that the server exposes.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// How long each attempt may take, the whole answer included. Default: 10 s.
    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// How often a request is sent. [`Query::idempotent`](super::Query::idempotent) says which requests may be sent again after a
    /// lost answer; [`Retry::resend`] does not change that.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// The most bytes that an answer may have. Default: 32 MiB.
    #[must_use]
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// The most bytes of a URL, which contains all filters. Default: 16 KiB, which is about what servers and proxies
    /// accept.
    #[must_use]
    pub fn max_url_bytes(mut self, bytes: usize) -> Self {
        self.max_url_bytes = bytes;
        self
    }

    /// The header `X-Client-Info`, by which Supabase's logs distinguish clients. If the text is empty, it is not sent.
    #[must_use]
    pub fn client_info(mut self, info: impl Into<String>) -> Self {
        self.client_info = info.into();
        self
    }

    /// Allows `http://` URLs of other hosts, over which keys are sent unencrypted. Default: `false`.
    #[must_use]
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// The HTTP client. Default: reqwest on native targets (feature `reqwest`), `fetch` on a JavaScript host. One of your own
    /// needs [`HttpClient::send`].
    #[must_use]
    pub fn http_client(mut self, http: impl HttpClient) -> Self {
        self.http = Some(Arc::new(http));
        self
    }

    /// Puts a layer around the HTTP client, such as a [`RequestBudget`](crate::layer::RequestBudget). The layer that is
    /// added last sees a request first.
    #[must_use]
    pub fn http_layer(mut self, layer: impl HttpLayer) -> Self {
        self.http_layers.push(Arc::new(layer));
        self
    }
}

impl fmt::Debug for SupabaseOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupabaseOptions")
            .field("path", &self.path)
            .field("schema", &self.schema)
            .field("timeout", &self.timeout)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}
