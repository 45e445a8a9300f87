//! The stored form: an index of the variants of a URL, and bodies beside it under the names of their content.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use super::fields;
use super::request::{selected, vary_names};
use super::rules::Rules;

/// How many variants of a URL are kept.
const VARIANTS: usize = 8;

/// What is stored of a URL: as JSON, so that one can look at it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Index {
    /// The one that came last is the first.
    pub(super) variants: Vec<Variant>,
}

/// A response, but for its body.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Variant {
    /// The name of this head in a process's memory.
    id: String,
    /// The names in `Vary`, separated by commas.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    vary: String,
    /// What a request has in them; see [`selected`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    select: String,
    status: u16,
    /// A line for each header. A byte of a value is a character of that number.
    head: String,
    /// The name of the body: a hash of it. Empty for an empty one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) body: String,
    #[serde(default)]
    pub(super) length: u64,
    pub(super) rules: Rules,
}

/// The name of a body.
pub(super) fn name_of(body: &[u8]) -> String {
    match body {
        [] => String::new(),
        body => blake3::hash(body).to_hex()[..32].to_owned(),
    }
}

impl Variant {
    pub(super) fn new(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        rules: Rules,
        request: &HeaderMap,
    ) -> Self {
        Self::named(status, headers, name_of(body), body.len() as u64, rules, request)
    }

    /// A response whose body is stored by this name.
    pub(super) fn named(
        status: StatusCode,
        headers: &HeaderMap,
        body: String,
        length: u64,
        rules: Rules,
        request: &HeaderMap,
    ) -> Self {
        let names = vary_names(headers);
        let select = if names.is_empty() { String::new() } else { selected(&names, request) };
        let vary = names.iter().map(HeaderName::as_str).collect::<Vec<_>>().join(",");
        let head = text_of(headers);
        let id = blake3::hash(head.as_bytes()).to_hex()[..32].to_owned();
        Self { id, vary, select, status: status.as_u16(), head, body, length, rules }
    }

    pub(super) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK)
    }

    /// The headers, read once in this process.
    pub(super) fn headers(&self, memory: &Memory) -> Arc<HeaderMap> {
        if let Some(Held::Head(headers)) = memory.get(&self.id) {
            return headers;
        }
        let headers = Arc::new(headers_of(&self.head));
        memory.put(&self.id, Held::Head(Arc::clone(&headers)), self.head.len());
        headers
    }

    /// An entity tag of the body, for a response that has none.
    pub(super) fn own_tag(&self) -> Option<HeaderValue> {
        let name = if self.body.is_empty() { "empty" } else { &self.body };
        HeaderValue::try_from(format!("\"{name}\"")).ok()
    }

    fn is_like(&self, other: &Self) -> bool {
        self.vary == other.vary && self.select == other.select
    }
}

impl Index {
    /// The response that answers a request, fresh or not: `Vary` decides, and of many the one that came last (RFC 9111, 4
    /// and 4.1).
    pub(super) fn select(&self, request: &HeaderMap) -> Option<&Variant> {
        // Most variants vary on the same.
        let mut last: Option<(&str, String)> = None;
        let mut found: Option<&Variant> = None;
        for variant in &self.variants {
            let vary = variant.vary.as_str();
            if !vary.is_empty() {
                if last.as_ref().is_none_or(|(own, _)| *own != vary) {
                    last = Some((vary, selected(&names(vary), request)));
                }
                if last.as_ref().is_none_or(|(_, select)| *select != variant.select) {
                    continue;
                }
            }
            if found.is_none_or(|best| best.rules.received < variant.rules.received) {
                found = Some(variant);
            }
        }
        found
    }

    /// The headers that the last response varies on; they tell concurrent requests apart.
    pub(super) fn selection(&self, request: &HeaderMap) -> String {
        match self.variants.first() {
            Some(first) if !first.vary.is_empty() => selected(&names(&first.vary), request),
            _ => String::new(),
        }
    }

    /// Puts a variant in the place of the one like it, and forgets what is of no use.
    pub(super) fn put(&mut self, new: Variant, now: u64) {
        self.variants.retain(|other| !other.is_like(&new) && other.rules.kept(now) > 1000);
        self.variants.insert(0, new);
        self.variants.truncate(VARIANTS);
    }

    pub(super) fn remove(&mut self, old: &Variant) {
        self.variants.retain(|other| !other.is_like(old));
    }

    /// How long it is of use, in milliseconds.
    pub(super) fn kept(&self, now: u64) -> u64 {
        self.variants.iter().map(|variant| variant.rules.kept(now)).max().unwrap_or(1000)
    }
}

/// Headers of the connection and not of the response (RFC 9110, 7.6.1; RFC 9111, 3.1), and those that this cache sets.
const NOT_STORED: [&str; 14] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "age",
    "content-length",
    "set-cookie",
    "set-cookie2",
];

/// The headers of a response that are stored (RFC 9111, 3.1). A date is added where there is none (RFC 9110, 6.6.1).
pub(super) fn to_store(headers: &HeaderMap, now: u64) -> HeaderMap {
    let mut stored = headers.clone();
    for line in headers.get_all(header::CONNECTION) {
        for name in fields::text(line).split(',') {
            if let Ok(name) = name.trim().parse::<HeaderName>() {
                stored.remove(name);
            }
        }
    }
    for name in NOT_STORED {
        stored.remove(name);
    }
    if !stored.contains_key(header::DATE)
        && let Some(date) = fields::imf_date(now / 1000)
    {
        stored.insert(header::DATE, date);
    }
    stored
}

/// The headers of a stored response after a 304 (RFC 9111, 3.2): what the 304 has takes the place of what was there, all
/// of its lines; what describes the stored body stays.
pub(super) fn merged(stored: &HeaderMap, update: &HeaderMap, now: u64) -> HeaderMap {
    let mut merged = stored.clone();
    let mut update = to_store(update, now);
    for name in [header::CONTENT_ENCODING, header::CONTENT_TYPE, header::CONTENT_RANGE] {
        update.remove(name);
    }
    for name in update.keys() {
        merged.remove(name);
        for value in update.get_all(name) {
            merged.append(name.clone(), value.clone());
        }
    }
    merged
}

fn text_of(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        text.push_str(name.as_str());
        text.push_str(": ");
        text.extend(value.as_bytes().iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    text
}

fn headers_of(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.split_once(": ") else { continue };
        let value: Option<Vec<u8>> =
            value.chars().map(|byte| u8::try_from(u32::from(byte)).ok()).collect();
        if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value)
            && let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(value))
        {
            headers.append(name, value);
        }
    }
    headers
}

fn names(vary: &str) -> Vec<HeaderName> {
    vary.split(',').filter_map(|name| name.parse().ok()).collect()
}

/// What this process holds of heads and bodies, by the names of their content: nothing in it can be out of date.
pub(super) struct Memory(Option<quick_cache::sync::Cache<String, (Held, u64), Weighter>>);

#[derive(Clone)]
pub(super) enum Held {
    Head(Arc<HeaderMap>),
    Body(Bytes),
}

#[derive(Clone)]
struct Weighter;

impl quick_cache::Weighter<String, (Held, u64)> for Weighter {
    fn weight(&self, _: &String, held: &(Held, u64)) -> u64 {
        held.1
    }
}

impl Memory {
    pub(super) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / 1024).unwrap_or(usize::MAX).clamp(16, 1 << 18);
        Self((bytes > 0).then(|| quick_cache::sync::Cache::with_weighter(items, bytes, Weighter)))
    }

    pub(super) fn get(&self, name: &str) -> Option<Held> {
        Some(self.0.as_ref()?.get(name)?.0)
    }

    fn put(&self, name: &str, held: Held, bytes: usize) {
        // What the map and the name take, about.
        const OVERHEAD: u64 = 200;
        if let Some(entries) = &self.0 {
            entries.insert(name.to_owned(), (held, OVERHEAD + bytes as u64));
        }
    }

    pub(super) fn body(&self, name: &str) -> Option<Bytes> {
        match self.get(name)? {
            Held::Body(body) => Some(body),
            Held::Head(_) => None,
        }
    }

    pub(super) fn put_body(&self, name: &str, body: &Bytes) {
        self.put(name, Held::Body(body.clone()), body.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        let mut headers = HeaderMap::new();
        headers.append("link", HeaderValue::from_static("</a>"));
        headers.append("link", HeaderValue::from_static("</b>"));
        headers.append("x-empty", HeaderValue::from_static(""));
        headers.append("x-latin", HeaderValue::from_bytes(b"caf\xe9\t\"\x85").unwrap());
        assert_eq!(headers_of(&text_of(&headers)), headers);
    }
}
