//! The index that is stored for a URL: the responses that differ by `Vary`. Their bodies are stored beside it.

use std::sync::{Arc, OnceLock};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::cache_key::{vary_key, vary_names};
use super::freshness::Freshness;
use super::memory::Memory;
use super::stored_headers::{from_text, to_text};
use crate::platform;

/// How many responses of a URL are stored.
const MAX_RESPONSES: usize = 8;

/// The index of a URL. It is stored as JSON, so that people can read it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Index {
    /// The newest is the first.
    #[serde(rename = "variants")]
    pub(super) responses: Vec<StoredResponse>,
    /// A random number, made when the URL had no index. A request that began before an invalidation finds another one at its
    /// end.
    #[serde(rename = "gen", default)]
    pub(super) generation: u32,
}

/// A stored response. Its body is stored beside the index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredResponse {
    /// A hash of the head: its name in a process's memory.
    id: String,
    /// The names in `Vary`, separated by commas.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    vary: String,
    /// The hash of the request's values of these headers: [`vary_key`].
    #[serde(rename = "select", default, skip_serializing_if = "String::is_empty")]
    vary_key: String,
    status: u16,
    /// The headers: [`to_text`].
    head: String,
    /// The name of the body: [`body_name`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) body: String,
    #[serde(default)]
    pub(super) length: u64,
    #[serde(rename = "rules")]
    pub(super) freshness: Freshness,
    /// [`StoredResponse::served_headers`], once they are made.
    #[serde(skip)]
    served: OnceLock<HeaderMap>,
}

/// The name of a body: a hash of it. An empty body has an empty name.
pub(super) fn body_name(body: &[u8]) -> String {
    match body {
        [] => String::new(),
        body => blake3::hash(body).to_hex()[..32].to_owned(),
    }
}

impl StoredResponse {
    pub(super) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        freshness: Freshness,
        request: &HeaderMap,
    ) -> Self {
        let (name, length) = (body_name(body), body.len() as u64);
        Self::with_body_name(status, headers, name, length, freshness, request)
    }

    /// A response whose body is stored already, under this name.
    pub(super) fn with_body_name(
        status: StatusCode,
        headers: &HeaderMap,
        body: String,
        length: u64,
        freshness: Freshness,
        request: &HeaderMap,
    ) -> Self {
        let names = vary_names(headers);
        let vary_key = if names.is_empty() { String::new() } else { vary_key(&names, request) };
        let vary = names.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(",");
        let head = to_text(headers);
        let id = blake3::hash(head.as_bytes()).to_hex()[..32].to_owned();
        let (status, served) = (status.as_u16(), OnceLock::new());
        Self { id, vary, vary_key, status, head, body, length, freshness, served }
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK)
    }

    /// The headers. A process parses them once while it holds them in memory.
    pub(super) fn headers(&self, memory: &Memory) -> Arc<HeaderMap> {
        memory.head_or(&self.id, || (from_text(&self.head), self.head.len()))
    }

    /// The headers as a client gets them with a whole body, but for those that change with time: made once for each index that
    /// is decoded.
    pub(super) fn served_headers(&self, memory: &Memory) -> &HeaderMap {
        self.served.get_or_init(|| {
            let mut headers = (*self.headers(memory)).clone();
            self.complete(&mut headers);
            headers
        })
    }

    /// Adds the headers that are not stored: the length, and the entity tag of a response that has none.
    pub(super) fn complete(&self, headers: &mut HeaderMap) {
        if !headers.contains_key(header::ETAG)
            && let Some(tag) = self.generated_etag()
        {
            headers.insert(header::ETAG, tag);
        }
        headers.remove(header::TRANSFER_ENCODING);
        if self.status() != StatusCode::NO_CONTENT {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(self.length));
        }
    }

    /// An entity tag made from the body, for a response without one.
    fn generated_etag(&self) -> Option<HeaderValue> {
        let name = if self.body.is_empty() { "empty" } else { &self.body };
        HeaderValue::try_from(format!("\"{name}\"")).ok()
    }

    /// Of several responses that match a request, the one with the greatest rank is selected.
    fn rank(&self) -> (bool, u64, u64) {
        (!self.vary.is_empty(), self.freshness.generated(), self.freshness.response_time)
    }

    /// Whether both answer the same requests.
    fn has_same_vary_key(&self, other: &Self) -> bool {
        self.vary == other.vary && self.vary_key == other.vary_key
    }
}

impl Index {
    /// The selected response, fresh or stale: the most recent one, by its `Date` (RFC 9111, 4), of those whose `Vary` matches
    /// the request. One without `Vary` is selected only where no other matches (RFC 9111, 4.1).
    pub(super) fn select(&self, request: &HeaderMap) -> Option<&StoredResponse> {
        // Most responses of a URL have the same `Vary`: its key is made once.
        let mut last: Option<(&str, String)> = None;
        let mut selected: Option<&StoredResponse> = None;
        for response in &self.responses {
            let vary = response.vary.as_str();
            if !vary.is_empty() {
                if last.as_ref().is_none_or(|(names, _)| *names != vary) {
                    last = Some((vary, vary_key(&parsed(vary), request)));
                }
                if last.as_ref().is_none_or(|(_, key)| *key != response.vary_key) {
                    continue;
                }
            }
            if selected.is_none_or(|selected| selected.rank() < response.rank()) {
                selected = Some(response);
            }
        }
        selected
    }

    /// The request's values of the headers in the newest response's `Vary`, hashed. Concurrent requests with the same values
    /// probably get the same response.
    pub(super) fn newest_vary_key(&self, request: &HeaderMap) -> String {
        match self.responses.first() {
            Some(newest) if !newest.vary.is_empty() => vary_key(&parsed(&newest.vary), request),
            _ => String::new(),
        }
    }

    /// Adds a response, in place of the one that answers the same requests. Responses past their retention are dropped. False:
    /// a later response is there.
    pub(super) fn put(&mut self, new: StoredResponse, now: u64) -> bool {
        if self.responses.iter().any(|other| {
            other.has_same_vary_key(&new)
                && other.freshness.response_time > new.freshness.response_time
        }) {
            return false;
        }
        if self.generation == 0 {
            self.generation = (platform::random_fraction() * f64::from(u32::MAX)) as u32;
        }
        self.responses.retain(|other| {
            !other.has_same_vary_key(&new) && other.freshness.retention(now) > 1000
        });
        self.responses.insert(0, new);
        self.responses.truncate(MAX_RESPONSES);
        true
    }

    /// Removes a response. False: it is not there any more.
    pub(super) fn remove(&mut self, old: &StoredResponse) -> bool {
        let before = self.responses.len();
        self.responses.retain(|other| {
            !other.has_same_vary_key(old)
                || other.freshness.response_time > old.freshness.response_time
        });
        self.responses.len() < before
    }

    /// Whether nothing was stored and nothing removed between the two.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let same = |(one, other): (&StoredResponse, &StoredResponse)| {
            one.has_same_vary_key(other)
                && one.id == other.id
                && one.body == other.body
                && one.freshness == other.freshness
        };
        self.generation == other.generation
            && self.responses.len() == other.responses.len()
            && self.responses.iter().zip(&other.responses).all(same)
    }

    /// How long the index is kept, in milliseconds.
    pub(super) fn retention(&self, now: u64) -> u64 {
        let retentions = self.responses.iter().map(|response| response.freshness.retention(now));
        retentions.max().unwrap_or(1000)
    }
}

fn parsed(vary: &str) -> Vec<HeaderName> {
    vary.split(',').filter_map(|name| name.parse().ok()).collect()
}
