//! How old is a stored response, and may it be reused without validation (RFC 9111, 4.2 and 5.2.1; RFC 5861)?

use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};

use super::cache_status::ForwardReason;
use super::directives::RequestDirectives;
use super::fields;

/// When the request was sent to the service and when its response came (RFC 9111, 4.2.3: `request_time` and
/// `response_time`), in Unix milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResponseTimes {
    pub(super) request: u64,
    pub(super) response: u64,
}

/// The age and the freshness lifetime of a stored response. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Freshness {
    /// When the response came (RFC 9111, 4.2.3: `response_time`), in Unix time.
    #[serde(rename = "at")]
    pub(super) response_time: u64,
    /// Its age then (RFC 9111, 4.2.3: `corrected_initial_age`).
    #[serde(rename = "age")]
    pub(super) initial_age: u64,
    /// The freshness lifetime (RFC 9111, 4.2.1).
    #[serde(rename = "fresh")]
    pub(super) lifetime: u64,
    /// How long the stale response is served while it is revalidated in the background (RFC 5861, 3).
    #[serde(rename = "swr", default)]
    pub(super) stale_while_revalidate: u64,
    /// How long the stale response is served when the service fails (RFC 5861, 4).
    #[serde(rename = "sie", default)]
    pub(super) stale_if_error: u64,
    /// Whether a client's `max-stale` and `stale-if-error` are ignored (RFC 9111, 4.2.4).
    #[serde(rename = "strict", default)]
    pub(super) ignores_client_staleness: bool,
}

/// Whether a stored response may be reused (RFC 9111, 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reuse {
    Serve {
        detail: Option<&'static str>,
    },
    ServeAndRevalidate,
    /// The request is forwarded, because of the response's age or of the request's directives.
    Forward(ForwardReason),
}

impl Freshness {
    /// The age at this time (RFC 9111, 4.2.3: `current_age`).
    pub(super) fn age(&self, now: u64) -> u64 {
        self.initial_age.saturating_add(now.saturating_sub(self.response_time))
    }

    /// When the response was generated, in Unix seconds: its `Date`, or what its age says.
    pub(super) fn generated(&self) -> u64 {
        self.response_time.saturating_sub(self.initial_age) / 1000
    }

    /// The rest of the freshness lifetime. Below zero: the response has been stale for this long.
    pub(super) fn time_left(&self, now: u64) -> i64 {
        signed(self.lifetime).saturating_sub(signed(self.age(now)))
    }

    /// Whether the response is fresh (RFC 9111, 4.2).
    pub(super) fn is_fresh(&self, now: u64) -> bool {
        self.time_left(now) > 0
    }

    /// Whether the response is as fresh as the client asks for (RFC 9111, 5.2.1.1, 5.2.1.3 and 5.2.1.4).
    pub(super) fn is_fresh_enough(&self, directives: &RequestDirectives, now: u64) -> bool {
        let left = self.time_left(now);
        let too_old = directives.max_age.is_some_and(|most| signed(self.age(now)) > millis(most));
        // RFC 9111, 5.2.1.1: a client that states an age wants a stale response only beside `max-stale`.
        let too_old = too_old
            || (directives.max_age.is_some() && left <= 0 && directives.max_stale.is_none());
        let too_short = directives.min_fresh.is_some_and(|least| left < millis(least));
        !directives.validation && !too_old && !too_short
    }

    /// Whether the response may be reused without validation (RFC 9111, 4, 4.2.4 and 5.2.1; RFC 5861, 3).
    pub(super) fn reuse(&self, directives: &RequestDirectives, now: u64) -> Reuse {
        let left = self.time_left(now);
        let reason = if left > 0 { ForwardReason::Request } else { ForwardReason::Stale };
        if !self.is_fresh_enough(directives, now) {
            return Reuse::Forward(reason);
        }
        if left > 0 {
            return Reuse::Serve { detail: None };
        }
        if left.saturating_neg() < signed(self.stale_while_revalidate) {
            return Reuse::ServeAndRevalidate;
        }
        match directives.max_stale {
            Some(most)
                if !self.ignores_client_staleness && left.saturating_neg() <= millis(most) =>
            {
                Reuse::Serve { detail: Some("stale") }
            }
            _ => Reuse::Forward(reason),
        }
    }

    /// Whether the response may be served when the service fails (RFC 5861, 4). Without a window it may not, even if it is
    /// fresh: the client asked for validation then, or for a fresher one.
    pub(super) fn allows_stale_if_error(&self, directives: &RequestDirectives, now: u64) -> bool {
        let client = directives.stale_if_error.filter(|_| !self.ignores_client_staleness);
        let window = self.stale_if_error.max(client.unwrap_or(0).saturating_mul(1000));
        window > 0 && self.time_left(now).saturating_neg() < signed(window)
    }

    /// How long the response is kept from now on: while it is fresh, may be served stale, or can be validated.
    pub(super) fn retention(&self, now: u64) -> u64 {
        const TO_VALIDATE: u64 = 600_000;
        const LONGEST: u64 = 366 * 24 * 3_600_000;
        let stale = self.stale_while_revalidate.max(self.stale_if_error).max(TO_VALIDATE);
        let retention = self.time_left(now).saturating_add(signed(stale));
        u64::try_from(retention).unwrap_or(0).clamp(1000, LONGEST)
    }
}

/// Seconds in milliseconds.
fn millis(seconds: u64) -> i64 {
    signed(seconds.saturating_mul(1000))
}

fn signed(millis: u64) -> i64 {
    i64::try_from(millis).unwrap_or(i64::MAX)
}

/// The age of a response when it came (RFC 9111, 4.2.3: `corrected_initial_age`), in milliseconds.
pub(super) fn initial_age(headers: &HeaderMap, times: ResponseTimes) -> u64 {
    let date = fields::date(headers, header::DATE);
    let apparent = date.map_or(0, |date| (times.response / 1000).saturating_sub(date));
    // RFC 9111, 5.1: the first member counts, and one that is not a number is ignored.
    let age = headers.get(header::AGE).and_then(|line| {
        let line = fields::text(line);
        fields::delta_seconds(line.split(',').next()?.trim())
    });
    let delay = times.response.saturating_sub(times.request);
    let corrected = age.unwrap_or(0).saturating_mul(1000).saturating_add(delay);
    corrected.max(apparent.saturating_mul(1000))
}
