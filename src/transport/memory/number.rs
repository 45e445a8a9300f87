//! Numbers as Redis reads and writes them.

/// An integer in its one canonical form: no sign but `-`, no leading zero, no space.
pub(super) fn int(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', ..] => true,
        _ => false,
    };
    canonical.then(|| std::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

/// A float. `inf` is accepted, NaN is not.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let number: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (!number.is_nan()).then_some(number)
}

/// A float as replies show it: the shortest digits that read back the same, written as Redis 8 does (`fpconv_dtoa`).
pub(super) fn show(number: f64) -> String {
    // Integers that Redis writes as such.
    const LIMIT: f64 = 4_611_686_018_427_387_904.0;
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan" } else { "nan" }.to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    if number.abs() < LIMIT && number.fract() == 0.0 {
        return (number as i64).to_string();
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => ("-", mantissa),
        None => ("", mantissa),
    };
    let digits = mantissa.replace('.', "");
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let count = i32::try_from(digits.len()).unwrap_or(0);
    // The number is its digits times ten to the power of this.
    let power = exponent - count + 1;
    if power >= 0 && exponent.abs() < count + 7 {
        return format!("{sign}{digits}{}", "0".repeat(power.unsigned_abs() as usize));
    }
    if power < 0 && (power > -7 || exponent.abs() < 4) {
        return match usize::try_from(count + power) {
            Ok(whole) if whole > 0 => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
            _ => {
                let zeros = "0".repeat((count + power).unsigned_abs() as usize);
                format!("{sign}0.{zeros}{digits}")
            }
        };
    }
    let direction = if exponent < 0 { '-' } else { '+' };
    format!("{sign}{mantissa}e{direction}{}", exponent.abs())
}

/// Adds decimals as INCRBYFLOAT does: with 17 digits after the point, so that 0.1 and 0.2 make 0.3. `None` if the
/// result is not finite.
pub(super) fn add_decimals(left: &[u8], right: &[u8]) -> Option<String> {
    if let (Some(left), Some(right)) = (fixed_point(left), fixed_point(right))
        && let Some(sum) = left.checked_add(right)
    {
        let sign = if sum < 0 { "-" } else { "" };
        let (whole, fraction) =
            (sum.unsigned_abs() / SCALE.unsigned_abs(), sum.unsigned_abs() % SCALE.unsigned_abs());
        let text = format!("{sign}{whole}.{fraction:017}");
        return Some(text.trim_end_matches('0').trim_end_matches('.').to_owned());
    }
    let sum = float(left)? + float(right)?;
    sum.is_finite().then(|| sum.to_string())
}

const SCALE: i128 = 100_000_000_000_000_000;

/// A plain decimal times 10^17, if that is exact.
fn fixed_point(text: &[u8]) -> Option<i128> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || fraction.len() > 17 || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let scaled = whole.parse::<i128>().ok()?.checked_mul(SCALE)?;
    let scaled = scaled.checked_add(format!("{fraction:0<17}").parse().ok()?)?;
    Some(if negative { -scaled } else { scaled })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_canonical_integers_count() {
        assert_eq!(int(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!(int(b"0"), Some(0));
        for bad in ["", "-", "-0", "+1", "01", " 1", "1 ", "9223372036854775808", "1.0"] {
            assert_eq!(int(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn decimals_add_as_people_expect() {
        assert_eq!(add_decimals(b"0.1", b"0.2").as_deref(), Some("0.3"));
        assert_eq!(add_decimals(b"10.50", b"-10.5").as_deref(), Some("0"));
        assert_eq!(add_decimals(b"-1", b"0.25").as_deref(), Some("-0.75"));
        assert_eq!(add_decimals(b"5.0e3", b"2.0e2").as_deref(), Some("5200"));
        assert_eq!(add_decimals(b"inf", b"1"), None);
    }

    #[test]
    fn floats_are_shown_short() {
        for (number, text) in
            [(0.1, "0.1"), (3.0, "3"), (1e21, "1e+21"), (f64::NEG_INFINITY, "-inf"), (1e-9, "1e-9")]
                .into_iter()
                .chain([(1.234e-5, "1.234e-5"), (1.5e-5, "0.000015"), (1e-7, "1e-7"), (-0.0, "0")])
                .chain([(1e17, "100000000000000000"), (1e19, "1e+19"), (1e-4, "0.0001")])
                .chain([
                    (1.234_567_890_123e19, "12345678901230000000"),
                    (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
                ])
                .chain([(1.234_567_890_1e-4, "1.2345678901e-4"), (123_456_789.5, "123456789.5")])
        {
            assert_eq!(show(number), text);
        }
    }
}
