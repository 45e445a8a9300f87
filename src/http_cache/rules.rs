//! What may be stored, for how long it is fresh, and what it answers (RFC 9111, 3 to 4.2; RFC 5861).

use http::request::Parts;
use http::{HeaderMap, StatusCode, header, response};
use serde::{Deserialize, Serialize};

use super::HttpCacheOptions;
use super::fields::{self, Control};

/// For how long a heuristic may take a response for fresh, in seconds: a day, from which on RFC 9111, 4.2.2 asks for care.
const MOST_HEURISTIC: u64 = 24 * 3600;

/// The cache directives of a request (RFC 9111, 5.2.1 and 5.4).
#[derive(Debug, Default)]
pub(super) struct RequestDirectives {
    /// `no-cache`, or `max-age=0`: nothing that is not validated.
    pub(super) validation: bool,
    pub(super) no_store: bool,
    pub(super) only_if_cached: bool,
    /// In seconds.
    max_age: Option<u64>,
    min_fresh: Option<u64>,
    max_stale: Option<u64>,
    stale_if_error: Option<u64>,
}

impl RequestDirectives {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let control = Control::of(headers, header::CACHE_CONTROL);
        if control.is_empty() {
            // Pragma counts where there is no Cache-Control (RFC 9111, 5.4).
            let validation = headers.contains_key(header::PRAGMA)
                && Control::of(headers, header::PRAGMA).has("no-cache");
            return Self { validation, ..Self::default() };
        }
        let max_age = control.seconds("max-age");
        let max_stale = match control.has_bare("max-stale") {
            true => Some(u64::MAX),
            false => control.seconds("max-stale"),
        };
        Self {
            validation: control.has("no-cache") || max_age == Some(0),
            no_store: control.has("no-store"),
            only_if_cached: control.has("only-if-cached"),
            max_age,
            min_fresh: control.seconds("min-fresh"),
            max_stale,
            stale_if_error: control.seconds("stale-if-error"),
        }
    }
}

/// When a response was asked for, and when it came, in Unix milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timing {
    pub(super) asked: u64,
    pub(super) came: u64,
}

/// What a response says of its use. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rules {
    /// When it came, in Unix time.
    #[serde(rename = "at")]
    pub(super) received: u64,
    /// How old it was then (RFC 9111, 4.2.3).
    #[serde(rename = "age")]
    initial_age: u64,
    /// How old it may be and fresh (RFC 9111, 4.2.1).
    #[serde(rename = "fresh")]
    fresh_for: u64,
    /// How long it may be served stale, while the service is asked in the background and when the service fails.
    #[serde(rename = "swr", default)]
    stale_while_revalidate: u64,
    #[serde(rename = "sie", default)]
    stale_if_error: u64,
    /// Not to be served stale because a client would take it so.
    #[serde(default)]
    strict: bool,
}

/// What to do with a stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Serve {
        detail: Option<&'static str>,
    },
    ServeAndRefresh,
    /// Forward the request, because of the response's age or of the request's directives.
    Forward(ForwardReason),
}

/// Why a request is forwarded (RFC 9211, 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForwardReason {
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Miss,
    Request,
    Stale,
}

impl ForwardReason {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
        }
    }
}

impl Rules {
    /// RFC 9111, 4.2.3: `current_age`.
    pub(super) fn age(&self, now: u64) -> u64 {
        self.initial_age.saturating_add(now.saturating_sub(self.received))
    }

    /// How long it is fresh from now on; below zero, for how long it has been stale.
    pub(super) fn time_left(&self, now: u64) -> i64 {
        signed(self.fresh_for).saturating_sub(signed(self.age(now)))
    }

    /// Whether it is fresh (RFC 9111, 4.2).
    pub(super) fn is_fresh(&self, now: u64) -> bool {
        self.time_left(now) > 0
    }

    /// Whether it answers a request without the service being asked (RFC 9111, 4, 4.2.4 and 5.2.1; RFC 5861, 3).
    pub(super) fn judge(&self, directives: &RequestDirectives, now: u64) -> Use {
        let left = self.time_left(now);
        let why = if left > 0 { ForwardReason::Request } else { ForwardReason::Stale };
        let millis = |seconds: u64| signed(seconds.saturating_mul(1000));
        let too_old = directives.max_age.is_some_and(|most| signed(self.age(now)) > millis(most));
        let not_enough = directives.min_fresh.is_some_and(|least| left < millis(least));
        if directives.validation || too_old || not_enough {
            return Use::Forward(why);
        }
        if left > 0 {
            return Use::Serve { detail: None };
        }
        if left.saturating_neg() < signed(self.stale_while_revalidate) {
            return Use::ServeAndRefresh;
        }
        match directives.max_stale {
            Some(most) if !self.strict && left.saturating_neg() <= millis(most) => {
                Use::Serve { detail: Some("stale") }
            }
            _ => Use::Forward(why),
        }
    }

    /// Whether it may be served because the service fails (RFC 5861, 4).
    pub(super) fn helps_on_error(&self, directives: &RequestDirectives, now: u64) -> bool {
        let asked = directives.stale_if_error.filter(|_| !self.strict).unwrap_or(0);
        let window = self.stale_if_error.max(asked.saturating_mul(1000));
        self.time_left(now).saturating_neg() < signed(window)
    }

    /// How long it is of any use from now on, in milliseconds: fresh, stale, or to be validated.
    pub(super) fn kept(&self, now: u64) -> u64 {
        const TO_VALIDATE: u64 = 600_000;
        const LONGEST: u64 = 366 * 24 * 3_600_000;
        let stale = self.stale_while_revalidate.max(self.stale_if_error).max(TO_VALIDATE);
        let kept = self.time_left(now).saturating_add(signed(stale));
        u64::try_from(kept).unwrap_or(0).clamp(1000, LONGEST)
    }
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// The status codes that RFC 9110, 15.1 calls heuristically cacheable, but 206.
fn is_heuristic(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// The status codes that the cache understands, for `must-understand` (RFC 9111, 5.2.2.3).
fn is_understood(status: StatusCode) -> bool {
    is_heuristic(status) || matches!(status.as_u16(), 302 | 303 | 307)
}

/// A request as the rules see it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) head: &'a Parts,
    /// The response is for one user alone.
    pub(super) private: bool,
}

impl HttpCacheOptions {
    /// What is to be stored of a response to a GET; `None`: nothing (RFC 9111, 3). A response that says nothing gets a
    /// `Cache-Control` if the options say so.
    ///
    /// Stricter than the RFC: a response with `Set-Cookie` is never stored, and `no-cache` and `private` with names of fields
    /// count as without them (RFC 9111, 5.2.2.4 and 5.2.2.7, allow that).
    pub(super) fn rules(
        &self,
        asked: Asked<'_>,
        response: &mut response::Parts,
        timing: Timing,
    ) -> Option<Rules> {
        let status = response.status;
        let unfit = [StatusCode::PARTIAL_CONTENT, StatusCode::NOT_MODIFIED];
        if status.is_informational() || unfit.contains(&status) {
            return None;
        }
        self.speak_for(asked, response);
        let headers = &response.headers;
        if headers.contains_key(header::SET_COOKIE)
            || headers.contains_key(header::CONTENT_RANGE)
            || varies_on_all(headers)
            || is_event_stream(headers)
        {
            return None;
        }
        let (control, targeted) = self.control_of(headers);
        // RFC 9111, 5.2.2.3: `no-store` is for those who do not know the status code.
        let understood = control.has("must-understand").then(|| is_understood(status));
        if understood == Some(false) || (control.has("no-store") && understood != Some(true)) {
            return None;
        }
        let public = control.has("public");
        let s_maxage = control.seconds("s-maxage").filter(|_| !asked.private);
        if !asked.private {
            // RFC 9111, 3.5.
            let opened = public || s_maxage.is_some() || control.has("must-revalidate");
            let authorized = asked.head.headers.contains_key(header::AUTHORIZATION);
            if control.has("private") || (authorized && !opened) {
                return None;
            }
        }
        let date = fields::date(headers, header::DATE).unwrap_or(timing.came / 1000);
        let max_age = s_maxage.or_else(|| control.seconds("max-age"));
        let expires = || {
            if targeted || !headers.contains_key(header::EXPIRES) {
                return None;
            }
            // A date that is none is in the past (RFC 9111, 5.3).
            let expires = fields::date(headers, header::EXPIRES).unwrap_or(0);
            Some(expires.saturating_sub(date))
        };
        let explicit = max_age.or_else(expires);
        let said = explicit.is_some() || public || (asked.private && control.has("private"));
        if !said && !is_heuristic(status) {
            return None;
        }
        // RFC 9111, 4.2.2.
        let heuristic = || {
            let modified = fields::date(headers, header::LAST_MODIFIED)?;
            (is_heuristic(status) || public)
                .then(|| (date.saturating_sub(modified) / 10).min(MOST_HEURISTIC))
        };
        let no_cache = control.has("no-cache");
        let lifetime = match no_cache {
            true => 0,
            false => explicit.or_else(heuristic).unwrap_or(0),
        };
        let revalidate = control.has("must-revalidate")
            || (control.has("proxy-revalidate") && !asked.private)
            || no_cache;
        // What a response says of being stale outweighs what `s-maxage` implies (RFC 9111, 5.2.2.10); our defaults do not.
        let window = |name: &str, default: u64| match (revalidate, control.seconds(name)) {
            (true, _) => 0,
            (false, Some(seconds)) => seconds.saturating_mul(1000),
            (false, None) => default,
        };
        let default = |time: std::time::Duration| time.as_millis() as u64;
        let rules = Rules {
            received: timing.came,
            initial_age: initial_age(headers, timing),
            fresh_for: lifetime.saturating_mul(1000),
            stale_while_revalidate: window(
                "stale-while-revalidate",
                default(self.stale_while_revalidate),
            ),
            stale_if_error: window("stale-if-error", default(self.stale_if_error)),
            strict: revalidate || s_maxage.is_some(),
        };
        let useful =
            rules.is_fresh(timing.came) || rules.stale_while_revalidate > 0 || validates(headers);
        useful.then_some(rules)
    }

    /// The directives that count for this cache, and whether they are in a field for it alone (RFC 9213, 2.2).
    fn control_of(&self, headers: &HeaderMap) -> (Control, bool) {
        for name in &self.targeted {
            let control = Control::of(headers, name);
            if !control.is_empty() {
                return (control, true);
            }
        }
        (Control::of(headers, header::CACHE_CONTROL), false)
    }

    /// Gives a response that says nothing a time to live. What is for somebody with a session may be for them alone.
    fn speak_for(&self, asked: Asked<'_>, response: &mut response::Parts) {
        let Some(ttl) = self.ttl else { return };
        let headers = &mut response.headers;
        let anybody = asked.private || !asked.head.headers.contains_key(header::COOKIE);
        let said = [header::CACHE_CONTROL, header::EXPIRES, header::PRAGMA];
        let silent = !said.iter().chain(&self.targeted).any(|name| headers.contains_key(name));
        if silent && anybody && response.status.is_success() && !is_event_stream(headers) {
            let scope = if asked.private { "private, " } else { "" };
            let value = format!("{scope}max-age={}", ttl.as_secs());
            if let Ok(value) = value.try_into() {
                headers.insert(header::CACHE_CONTROL, value);
            }
        }
    }
}

/// RFC 9111, 4.2.3: `corrected_initial_age`, in milliseconds.
fn initial_age(headers: &HeaderMap, timing: Timing) -> u64 {
    let date = fields::date(headers, header::DATE);
    let apparent = date.map_or(0, |date| (timing.came / 1000).saturating_sub(date));
    // RFC 9111, 5.1: the first member counts, and what is no number does not.
    let age = headers.get(header::AGE).and_then(|line| {
        let line = fields::text(line);
        fields::seconds(line.split(',').next()?.trim())
    });
    let delay = timing.came.saturating_sub(timing.asked);
    let corrected = age.unwrap_or(0).saturating_mul(1000).saturating_add(delay);
    corrected.max(apparent.saturating_mul(1000))
}

/// Whether the service can be asked if a response is still the right one.
pub(super) fn validates(headers: &HeaderMap) -> bool {
    headers.contains_key(header::ETAG) || headers.contains_key(header::LAST_MODIFIED)
}

/// Events are sent one by one, and never end.
fn is_event_stream(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = fields::text(value);
        let essence = value.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream")
    })
}

fn varies_on_all(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::VARY).iter();
    lines.map(fields::text).any(|line| line.split(',').any(|name| name.trim() == "*"))
}
