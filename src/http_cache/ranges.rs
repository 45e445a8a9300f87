//! Range requests (RFC 9110, 14).

use http::{HeaderMap, header};

use super::fields::{self, strongly_equal};

/// The part of a body that a request asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RequestedRange {
    Whole,
    /// Both ends are in the body.
    Part {
        first: u64,
        last: u64,
    },
    /// No byte of the body is in the range.
    Unsatisfiable,
}

/// The range of a complete response that a request asks for (RFC 9110, 14.2). The whole body answers several ranges, and
/// whatever is not a valid range of bytes.
pub(super) fn requested_range(
    request: &HeaderMap,
    response: &HeaderMap,
    length: u64,
) -> RequestedRange {
    let mut lines = request.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else {
        return RequestedRange::Whole;
    };
    // RFC 9110, 13.1.5: the strong comparison, and an exact match of dates that are strong validators (8.8.2.2): a response
    // that was made in the second of its last change may have changed after it.
    if let Some(condition) = request.get(header::IF_RANGE) {
        let condition = fields::text(condition);
        let condition = condition.trim();
        let tag = response.get(header::ETAG).map(fields::text);
        let by_tag = tag.is_some_and(|tag| strongly_equal(tag.trim(), condition));
        let by_date = || {
            let since = fields::date(request, header::IF_RANGE);
            let date = fields::date(response, header::DATE);
            since.is_some()
                && since == fields::date(response, header::LAST_MODIFIED)
                && since < date
        };
        if !by_tag && !by_date() {
            return RequestedRange::Whole;
        }
    }
    let line = fields::text(line);
    let Some((unit, range)) = line.trim().split_once('=') else {
        return RequestedRange::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return RequestedRange::Whole;
    };
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return RequestedRange::Whole;
    }
    let (first, last) = match (first.trim(), last.trim()) {
        ("", last) => match number(last) {
            None => return RequestedRange::Whole,
            Some(0) => return RequestedRange::Unsatisfiable,
            Some(count) => (length.saturating_sub(count), length.saturating_sub(1)),
        },
        (first, "") => match number(first) {
            None => return RequestedRange::Whole,
            Some(first) => (first, length.saturating_sub(1)),
        },
        (first, last) => match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => {
                (first, last.min(length.saturating_sub(1)))
            }
            _ => return RequestedRange::Whole,
        },
    };
    if first >= length {
        RequestedRange::Unsatisfiable
    } else {
        RequestedRange::Part { first, last }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn ranges_are_inside_of_the_body() {
        let part = |range: &'static str, length| {
            let request = HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]);
            requested_range(&request, &HeaderMap::new(), length)
        };
        let range = |first, last| RequestedRange::Part { first, last };
        assert_eq!(part("bytes=0-3", 10), range(0, 3));
        assert_eq!(part("Bytes=4-", 10), range(4, 9));
        assert_eq!(part("bytes=-3", 10), range(7, 9));
        assert_eq!(part("bytes=-30", 10), range(0, 9));
        assert_eq!(part("bytes=8-99999999999999999999", 10), range(8, 9));
        for none in ["bytes=10-", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(part(none, 10), RequestedRange::Unsatisfiable, "{none}");
        }
        assert_eq!(part("bytes=0-", 0), RequestedRange::Unsatisfiable);
        for whole in ["bytes=3-2", "bytes=0-1,3-4", "lines=0-1", "bytes", "bytes=x-1", "bytes=-"] {
            assert_eq!(part(whole, 10), RequestedRange::Whole, "{whole}");
        }
    }
}
