//! What a request is to the cache.

use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};

use super::HttpCacheOptions;
use super::fields;
use super::rules::ForwardReason;
use crate::cache::EntryOptions;
use crate::{Key, Keyspace, Result};

/// Where a request's response stands in the cache.
pub(super) struct Place {
    /// The key of the index of its variants.
    pub(super) key: Key,
    /// What the keys of bodies are made under.
    bodies: Keyspace,
    pub(super) entry: EntryOptions,
    /// A user's own copy.
    pub(super) private: bool,
}

impl Place {
    /// The key of a body by the name of its content.
    pub(super) fn body(&self, name: &str) -> Option<Key> {
        self.bodies.key([name]).ok()
    }
}

/// Headers by which a request asks for another method than it has.
const OVERRIDES: [&str; 3] = ["x-http-method-override", "x-http-method", "x-method-override"];

/// Whether a request changes something: by its method (RFC 9110, 9.2.1), or by the one that it asks for instead.
pub(super) fn writes(request: &Parts) -> bool {
    let safe = |method: &str| matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "QUERY");
    let overrides = OVERRIDES.iter().filter_map(|name| request.headers.get(*name));
    let mut overrides = overrides.map(|value| fields::text(value).trim().to_ascii_uppercase());
    !safe(request.method.as_str()) || overrides.any(|method| !safe(&method))
}

/// Whether there is more in a request than its URL and what `Vary` can name. Such a request bypasses the cache: its
/// response must not answer plain ones.
fn is_odd(request: &Parts, has_body: bool) -> bool {
    let headers = &request.headers;
    let length = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    let authority = request.uri.authority().map(|authority| authority.as_str());
    let two_hosts = hosts.next().is_some()
        || host.zip(authority).is_some_and(|(host, authority)| {
            !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())
        });
    has_body
        || length
        || two_hosts
        || headers.contains_key(header::TRANSFER_ENCODING)
        || headers.contains_key(header::UPGRADE)
        || OVERRIDES.iter().any(|name| headers.contains_key(*name))
        // The application's to judge, and no cache's (RFC 9111, 4.3.2).
        || headers.contains_key(header::IF_MATCH)
        || headers.contains_key(header::IF_UNMODIFIED_SINCE)
}

impl HttpCacheOptions {
    /// The place of a request that the cache can answer; why not, for another.
    pub(super) fn place(&self, request: &Parts, has_body: bool) -> Result<Place, ForwardReason> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            return Err(ForwardReason::Method);
        }
        if is_odd(request, has_body) {
            return Err(ForwardReason::Bypass);
        }
        self.place_of(request).map_err(|_| ForwardReason::Bypass)
    }

    fn place_of(&self, request: &Parts) -> Result<Place> {
        let user = self.user_of(request);
        let private = user.is_some();
        // A user by the name of nobody is still somebody.
        let user = user.map_or("-".to_owned(), |user| match user.starts_with('-') {
            true => format!("-{user}"),
            false => user,
        });
        let host = host(request);
        let parts = [user.as_str(), &host, path(request)];
        let bodies = self.keyspace.join(parts)?;
        let key = match self.vary_on.as_slice() {
            [] => self.keyspace.key(parts)?,
            names => bodies.key([format!("vary-{}", selected(names, &request.headers))])?,
        };
        let tags = std::iter::once(self.url_tag(request)?).chain(self.tags_of(request));
        let entry = EntryOptions::new(crate::cache::Ttl::seconds(1)).tags(tags);
        Ok(Place { key, bodies, entry, private })
    }

    /// The tag of a URL, whoever asks.
    pub(super) fn url_tag(&self, request: &Parts) -> Result<String> {
        Ok(self.keyspace.join([&host(request), path(request)])?.as_str().to_owned())
    }

    /// The tag of the URL that a response names, if it is on the same host (RFC 9111, 4.4).
    pub(super) fn named_tag(
        &self,
        request: &Parts,
        response: &HeaderMap,
        name: HeaderName,
    ) -> Option<String> {
        let named = response.get(name)?.to_str().ok()?.trim();
        let named = named.split('#').next()?;
        let own = host(request);
        let (host, path) = match named.split_once("://") {
            Some((_, rest)) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                (rest[..end].to_ascii_lowercase(), rest[end..].to_owned())
            }
            None => match named.strip_prefix("//") {
                Some(rest) => {
                    let end = rest.find(['/', '?']).unwrap_or(rest.len());
                    (rest[..end].to_ascii_lowercase(), rest[end..].to_owned())
                }
                None => (own.clone(), resolved(request.uri.path(), named)),
            },
        };
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        (host == own)
            .then(|| self.keyspace.join([&host, &path]).ok())?
            .map(|tag| tag.as_str().to_owned())
    }
}

/// A relative reference that begins with a path, against the path of a request (RFC 3986, 5.2).
fn resolved(base: &str, reference: &str) -> String {
    if reference.is_empty() || reference.starts_with('?') {
        return format!("{base}{reference}");
    }
    let (path, query) = reference.split_at(reference.find('?').unwrap_or(reference.len()));
    let folder = match path.starts_with('/') {
        true => "",
        false => base.rfind('/').map_or("/", |at| &base[..=at]),
    };
    let whole = format!("{folder}{path}");
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/').skip(1) {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}{query}", parts.join("/"))
}

fn host(request: &Parts) -> String {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri.authority().map(|authority| authority.as_str()).or(host);
    host.filter(|host| !host.is_empty()).unwrap_or("-").to_ascii_lowercase()
}

fn path(request: &Parts) -> &str {
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    if path.is_empty() { "/" } else { path }
}

/// The names in `Vary`, in lower case, in order, once each.
pub(super) fn vary_names(response: &HeaderMap) -> Vec<HeaderName> {
    let mut names: Vec<HeaderName> = response
        .get_all(header::VARY)
        .iter()
        .flat_map(|line| {
            fields::text(line).split(',').map(str::trim).map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|name| name.parse().ok())
        .collect();
    names.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
    names.dedup();
    names
}

/// A hash of what a request has in these headers: all lines of each, joined (RFC 9111, 4.1). Of secrets too nothing but
/// the hash is known.
pub(super) fn selected(names: &[HeaderName], request: &HeaderMap) -> String {
    let mut hasher = blake3::Hasher::new();
    for name in names {
        hasher.update(name.as_str().as_bytes());
        let separator: &[u8] = if *name == header::COOKIE { b"; " } else { b", " };
        let lists = [header::ACCEPT, header::ACCEPT_ENCODING, header::ACCEPT_LANGUAGE];
        let mut any = false;
        for line in request.get_all(name) {
            hasher.update(if any { separator } else { b"\n=" });
            any = true;
            match std::str::from_utf8(line.as_bytes()) {
                // White space around commas means nothing there.
                Ok(line) if lists.contains(name) => {
                    for (at, member) in line.split(',').map(str::trim).enumerate() {
                        hasher.update(if at > 0 { b", " } else { b"" });
                        hasher.update(member.as_bytes());
                    }
                }
                _ => drop(hasher.update(line.as_bytes().trim_ascii())),
            }
        }
        // A value holds no line's end, so that no two requests look the same that differ.
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
