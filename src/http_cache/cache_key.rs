//! Under which key is a response stored, and which tags does it have (RFC 9111, 2 and 4.1)?

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use super::HttpCacheOptions;
use super::fields;
use crate::cache::{EntryOptions, Ttl};
use crate::{Key, Keyspace, Result};

/// The keys and tags of the responses to a request.
pub(super) struct CacheKey {
    /// The key of the index.
    pub(super) index: Key,
    /// The keyspace of the bodies.
    bodies: Keyspace,
    pub(super) entry: EntryOptions,
    /// Whether the copy is for one user.
    pub(super) private: bool,
}

/// The key of the index.
pub(super) struct IndexKey {
    pub(super) index: Key,
    /// Whether the copy is for one user.
    private: bool,
    /// The user's part of the key.
    user: Cow<'static, str>,
}

impl CacheKey {
    /// The key of the body with this name.
    pub(super) fn body(&self, name: &str) -> Option<Key> {
        self.bodies.key([name]).ok()
    }
}

impl HttpCacheOptions {
    /// The key of the index of a request: all that a hit in this process needs.
    pub(super) fn index_key_of(&self, request: &Parts) -> Result<IndexKey> {
        let user = self.user_of(request);
        let private = user.is_some();
        // `-` means no user, so a name that begins with `-` gets one more.
        let user = user.map_or(Cow::Borrowed("-"), |user| match user.starts_with('-') {
            true => Cow::Owned(format!("-{user}")),
            false => Cow::Owned(user),
        });
        let host = host(request);
        let parts = [&*user, &*host, path(request)];
        let index = match self.vary_on.as_slice() {
            [] => self.keyspace.key(parts)?,
            names => {
                let name = format!("vary-{}", vary_key(names, &request.headers));
                self.keyspace.join(parts)?.key([name])?
            }
        };
        Ok(IndexKey { index, private, user })
    }

    /// The cache key of a request.
    pub(super) fn cache_key_of(&self, request: &Parts, index: IndexKey) -> Result<CacheKey> {
        let IndexKey { index, private, user } = index;
        let bodies = self.keyspace.join([&*user, &*host(request), path(request)])?;
        let tags = std::iter::once(self.url_tag(request)?).chain(self.tags_of(request));
        let entry = EntryOptions::new(Ttl::seconds(1)).tags(tags);
        Ok(CacheKey { index, bodies, entry, private })
    }

    /// The tag of a request's URL, the same for all users.
    pub(super) fn url_tag(&self, request: &Parts) -> Result<String> {
        Ok(self.keyspace.join([&host(request), path(request)])?.as_str().to_owned())
    }

    /// The tag of the URL in this header of a response, if the URL is on the request's host (RFC 9111, 4.4).
    pub(super) fn referenced_url_tag(
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
                None => (own.to_string(), resolve_reference(request.uri.path(), named)),
            },
        };
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        (host == *own)
            .then(|| self.keyspace.join([&host, &path]).ok())?
            .map(|tag| tag.as_str().to_owned())
    }
}

/// Resolves a relative reference without an authority against the path of a request (RFC 3986, 5.2).
fn resolve_reference(base: &str, reference: &str) -> String {
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

fn host(request: &Parts) -> Cow<'_, str> {
    let host = request.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = request.uri.authority().map(|authority| authority.as_str()).or(host);
    let host = host.filter(|host| !host.is_empty()).unwrap_or("-");
    match host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(host.to_ascii_lowercase()),
        false => Cow::Borrowed(host),
    }
}

fn path(request: &Parts) -> &str {
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    if path.is_empty() { "/" } else { path }
}

/// The names in `Vary`, sorted and without duplicates.
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

/// A hash of a request's values of these headers: of each, all lines joined (RFC 9111, 4.1). A secret among them is stored
/// only as part of this hash.
pub(super) fn vary_key(names: &[HeaderName], request: &HeaderMap) -> String {
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
                // White space around commas has no meaning in lists.
                Ok(line) if lists.contains(name) => {
                    for (at, member) in line.split(',').map(str::trim).enumerate() {
                        hasher.update(if at > 0 { b", " } else { b"" });
                        hasher.update(member.as_bytes());
                    }
                }
                _ => drop(hasher.update(line.as_bytes().trim_ascii())),
            }
        }
        // A value has no line feed, so that different requests never hash the same text.
        hasher.update(b"\n");
    }
    hasher.finalize().to_hex()[..32].to_owned()
}
