//! Which server the variables name.

use crate::{Error, ErrorKind, Result};

/// Where commands go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// The Upstash REST API.
    Upstash,
    /// A Redis by TCP.
    Redis,
    /// The embedded engine.
    Memory,
}

#[derive(Clone)]
pub(super) enum Backend {
    Upstash { url: String, token: String },
    Redis { url: String, password: Option<String> },
    Memory,
}

pub(super) fn wrong<T>(message: impl Into<std::borrow::Cow<'static, str>>) -> Result<T> {
    Err(Error::new(ErrorKind::Config, message))
}

/// The variables of Upstash and Vercel for a REST URL and its token.
const REST_VARIABLES: [(&str, &str); 2] = [
    ("UPSTASH_REDIS_REST_URL", "UPSTASH_REDIS_REST_TOKEN"),
    ("KV_REST_API_URL", "KV_REST_API_TOKEN"),
];

/// All variables that hold a URL, a password or a token.
fn backend_variables() -> impl Iterator<Item = &'static str> {
    let rest = REST_VARIABLES.into_iter().flat_map(|(url, token)| [url, token]);
    ["REDIS_URL", "REDIS_PASSWORD"].into_iter().chain(rest)
}

pub(super) struct Variables<F> {
    pub(super) lookup: F,
    /// The variable that names the provider.
    pub(super) provider: String,
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn get(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub(super) fn number(&self, name: &'static str, unit: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        match text.parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => wrong(format!("{name} must be a whole number of {unit} above 0")),
        }
    }

    /// Whether a variable is `true`. It is `false` by default.
    pub(super) fn flag(&self, name: &'static str) -> Result<bool> {
        match self.get(name).map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => wrong(format!("{name} must be true or false")),
        }
    }

    pub(super) fn backend(&self) -> Result<Backend> {
        let provider_name = &self.provider;
        let provider = self.get(provider_name).map(|name| name.to_ascii_lowercase());
        let provider = match provider.as_deref() {
            None => None,
            Some("redis") => Some(Provider::Redis),
            Some("upstash") => Some(Provider::Upstash),
            Some("memory") => return Ok(Backend::Memory),
            Some(_) => return wrong(format!("{provider_name} must be redis, upstash or memory")),
        };
        self.check_quotes()?;
        if let Some(url) = self.get("REDIS_URL") {
            return self.shared_variables(url, provider);
        }
        self.check_same_url()?;
        for (url_name, token_name) in REST_VARIABLES {
            let (url, token) = match (self.get(url_name), self.get(token_name)) {
                (Some(url), Some(token)) => (url, token),
                (None, None) => continue,
                (Some(_), None) => {
                    return wrong(format!(
                        "{url_name} is set, {token_name} is not: set it to the REST token"
                    ));
                }
                (None, Some(_)) => {
                    return wrong(format!(
                        "{token_name} is set, {url_name} is not: set it to the REST URL"
                    ));
                }
            };
            if provider == Some(Provider::Redis) {
                return wrong(format!(
                    "{provider_name} is redis, but only {url_name} is set: set REDIS_URL to a redis:// URL, or \
                     {provider_name} to upstash"
                ));
            }
            if is_redis_url(&url) {
                return wrong(format!(
                    "{url_name} holds a redis:// URL: set it to the https:// one, or set REDIS_URL instead"
                ));
            }
            return Ok(Backend::Upstash { url, token });
        }
        match provider {
            Some(Provider::Redis) => {
                wrong(format!("{provider_name} is redis: set REDIS_URL to a redis:// URL"))
            }
            Some(Provider::Upstash) => wrong(format!(
                "{provider_name} is upstash: set REDIS_URL to the REST URL and REDIS_PASSWORD to the token, or \
                 UPSTASH_REDIS_REST_URL and UPSTASH_REDIS_REST_TOKEN"
            )),
            _ if self.get("REDIS_PASSWORD").is_some() => {
                wrong("REDIS_PASSWORD is set, REDIS_URL is not: set it to the server's URL")
            }
            _ => match backend_variables().find(|name| (self.lookup)(name).is_some()) {
                None => Ok(Backend::Memory),
                Some(blank) => wrong(format!(
                    "{blank} is set to nothing, and no other server is: set it, take it away, or set {provider_name} to \
                     memory for the embedded engine"
                )),
            },
        }
    }

    fn check_quotes(&self) -> Result<()> {
        let is_quoted = |name: &&str| self.get(name).is_some_and(|value| is_quoted(&value));
        match backend_variables().find(is_quoted) {
            None => Ok(()),
            Some(name) => wrong(format!("{name} is in quotation marks: remove them")),
        }
    }

    /// Two different URLs are ambiguous.
    fn check_same_url(&self) -> Result<()> {
        let [(first, _), (second, _)] = REST_VARIABLES;
        match (self.get(first), self.get(second)) {
            (Some(a), Some(b)) if a.trim_end_matches('/') != b.trim_end_matches('/') => {
                wrong(format!("{first} and {second} are set to different URLs: remove one of them"))
            }
            _ => Ok(()),
        }
    }

    /// The backend of `REDIS_URL` and `REDIS_PASSWORD`, which both providers use.
    fn shared_variables(&self, url: String, provider: Option<Provider>) -> Result<Backend> {
        let (password, provider_name) = (self.get("REDIS_PASSWORD"), &self.provider);
        let is_rest = matches!(scheme(&url).as_deref(), Some("https" | "http"));
        if !is_rest && !is_redis_url(&url) {
            return wrong("REDIS_URL must begin with redis://, rediss:// or https://");
        }
        match (provider, is_rest) {
            (Some(Provider::Upstash), false) => wrong(format!(
                "{provider_name} is upstash, but REDIS_URL is a redis:// URL: set REDIS_URL to the https:// URL, or \
                 {provider_name} to redis"
            )),
            (Some(Provider::Redis), true) => wrong(format!(
                "{provider_name} is redis, but REDIS_URL is an https:// URL: set REDIS_URL to a redis:// URL, or \
                 {provider_name} to upstash"
            )),
            (_, true) => match password {
                Some(token) => Ok(Backend::Upstash { url, token }),
                None => wrong("REDIS_URL is a REST URL: set REDIS_PASSWORD to the REST token"),
            },
            (_, false) => {
                if password.is_some() && holds_password(&url) {
                    return wrong(
                        "REDIS_URL contains a password, and REDIS_PASSWORD is set too: remove one of them",
                    );
                }
                Ok(Backend::Redis { url, password })
            }
        }
    }
}

/// The scheme of a URL, in lower case.
fn scheme(url: &str) -> Option<String> {
    url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase())
}

fn is_redis_url(url: &str) -> bool {
    matches!(scheme(url).as_deref(), Some("redis" | "rediss"))
}

/// Whether a value is in quotation marks, which some readers of `.env` files keep.
fn is_quoted(value: &str) -> bool {
    value.len() >= 2
        && ['"', '\''].iter().any(|mark| value.starts_with(*mark) && value.ends_with(*mark))
}

/// Whether a URL has a password before its host.
fn holds_password(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    let authority = authority.split(['/', '?']).next().unwrap_or("");
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_seen_only_where_it_stands() {
        assert!(holds_password("redis://u:p@h:1/0"));
        assert!(holds_password("redis://:p@h"));
        assert!(!holds_password("redis://h:6379/0"));
        assert!(!holds_password("redis://user@h:6379"));
    }
}
