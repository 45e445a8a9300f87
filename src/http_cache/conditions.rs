//! Conditions and ranges (RFC 9110, 13 and 14; RFC 9111, 4.3).

use http::{HeaderMap, header};

use super::fields::{self, strongly_equal, weakly_equal};

/// Whether the client has this response already (RFC 9110, 13.1.2 and 13.1.3; RFC 9111, 4.3.2). `received`, in Unix
/// milliseconds, stands for a response without any date.
pub(super) fn client_has(request: &HeaderMap, response: &HeaderMap, received: u64) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let own = response.get(header::ETAG).map(fields::text);
        let mut asked = fields::entity_tags(request, header::IF_NONE_MATCH).into_iter();
        return asked.any(|tag| {
            tag == "*" || own.as_ref().is_some_and(|own| weakly_equal(own.trim(), &tag))
        });
    }
    let Some(since) = fields::date(request, header::IF_MODIFIED_SINCE) else {
        return false;
    };
    let modified = fields::date(response, header::LAST_MODIFIED)
        .or_else(|| fields::date(response, header::DATE))
        .unwrap_or(received / 1000);
    modified <= since
}

/// Whether a client set a condition that a 304 may answer.
pub(super) fn is_conditional(request: &HeaderMap) -> bool {
    request.contains_key(header::IF_NONE_MATCH) || request.contains_key(header::IF_MODIFIED_SINCE)
}

/// A stored response, and a 304 to the request that asked about it.
pub(super) struct Conditions<'a> {
    pub(super) known: &'a HeaderMap,
    pub(super) update: &'a HeaderMap,
}

impl Conditions<'_> {
    /// Whether the 304 means the stored response (RFC 9111, 4.3.4). A validator that it leaves out says nothing: only one
    /// response was asked about.
    pub(super) fn select(&self) -> bool {
        let tag = |headers: &HeaderMap| {
            headers.get(header::ETAG).map(|tag| fields::text(tag).trim().to_owned())
        };
        if let Some(new) = tag(self.update) {
            return tag(self.known).is_none_or(|known| weakly_equal(&known, &new));
        }
        let modified = |headers| fields::date(headers, header::LAST_MODIFIED);
        match (modified(self.known), modified(self.update)) {
            (Some(known), Some(new)) => known == new,
            _ => true,
        }
    }
}

/// What of a body is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    /// Both ends are in the body.
    Range {
        first: u64,
        last: u64,
    },
    /// There is no such part.
    None,
}

/// The range that a request asks for of a whole response (RFC 9110, 14.2). What is no range of bytes, or more than one,
/// is answered by the whole.
pub(super) fn part_of(request: &HeaderMap, response: &HeaderMap, length: u64) -> Part {
    let mut lines = request.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return Part::Whole;
    };
    // RFC 9110, 13.1.5: strongly, and a date exactly.
    if let Some(condition) = request.get(header::IF_RANGE) {
        let condition = fields::text(condition);
        let condition = condition.trim();
        let tag = response.get(header::ETAG).map(fields::text);
        let by_tag = tag.is_some_and(|tag| strongly_equal(tag.trim(), condition));
        let by_date = || {
            let since = fields::date(request, header::IF_RANGE);
            since.is_some() && since == fields::date(response, header::LAST_MODIFIED)
        };
        if !by_tag && !by_date() {
            return Part::Whole;
        }
    }
    let line = fields::text(line);
    let Some((unit, range)) = line.trim().split_once('=') else {
        return Part::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Part::Whole;
    };
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Part::Whole;
    }
    let (first, last) = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            None => return Part::Whole,
            Some(0) => return Part::None,
            Some(count) => (length.saturating_sub(count), length.saturating_sub(1)),
        },
        (first, "") => match number(first) {
            None => return Part::Whole,
            Some(first) => (first, length.saturating_sub(1)),
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => {
                (first, last.min(length.saturating_sub(1)))
            }
            _ => return Part::Whole,
        },
    };
    if first >= length { Part::None } else { Part::Range { first, last } }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn ranges_are_inside_of_the_body() {
        let part = |range: &'static str, length| {
            let request = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]);
            part_of(&request, &HeaderMap::new(), length)
        };
        let range = |first, last| Part::Range { first, last };
        assert_eq!(part("bytes=0-3", 10), range(0, 3));
        assert_eq!(part("Bytes=4-", 10), range(4, 9));
        assert_eq!(part("bytes=-3", 10), range(7, 9));
        assert_eq!(part("bytes=-30", 10), range(0, 9));
        assert_eq!(part("bytes=8-99999999999999999999", 10), range(8, 9));
        for none in ["bytes=10-", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(part(none, 10), Part::None, "{none}");
        }
        assert_eq!(part("bytes=0-", 0), Part::None);
        for whole in ["bytes=3-2", "bytes=0-1,3-4", "lines=0-1", "bytes", "bytes=x-1", "bytes=-"] {
            assert_eq!(part(whole, 10), Part::Whole, "{whole}");
        }
    }
}
