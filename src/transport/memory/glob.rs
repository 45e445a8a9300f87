//! Redis's glob patterns over bytes: `*`, `?`, `[abc]`, `[^a]`, `[a-z]` and `\`.

/// Whether the text matches the pattern. The time is at most proportional to the product of both lengths.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to backtrack to: the pattern after the last star, and how much text that star has matched.
    let mut star: Option<(usize, usize)> = None;
    while seen < text.len() {
        if pattern.get(at) == Some(&b'*') {
            star = Some((at + 1, seen));
            at += 1;
        } else if let Some(width) = matches_one(&pattern[at..], text[seen]) {
            at += width;
            seen += 1;
        } else if let Some((after_star, taken)) = star {
            star = Some((after_star, taken + 1));
            (at, seen) = (after_star, taken + 1);
        } else {
            return false;
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// How many bytes of the pattern match this one byte of text, or `None` if it does not match.
fn matches_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', class @ ..] => {
            let (found, width) = matches_class(class, byte);
            found.then_some(width + 1)
        }
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [plain, ..] => (*plain == byte).then_some(1),
    }
}

/// Whether the byte is in the class, and the length of the class with its `]` (or to the end of the pattern).
fn matches_class(class: &[u8], byte: u8) -> (bool, usize) {
    let negated = class.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &class[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', escaped, ..] => {
                found |= *escaped == byte;
                at += 2;
            }
            [low, b'-', high, ..] => {
                found |= (*low.min(high)..=*low.max(high)).contains(&byte);
                at += 3;
            }
            [plain, ..] => {
                found |= *plain == byte;
                at += 1;
            }
        }
    }
    (found != negated, at)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("h?llo", "hello", true),
            ("h*llo", "heeeello", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
            ("a:*:b:*", "a:1:b:2:c", true),
            ("[abc", "b", true),
            ("a*b*c", "aXbXbX", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn many_stars_do_not_hang() {
        assert!(!matches("a*".repeat(40).as_bytes(), &[b'a'; 39].map(|_| b'b')));
        assert!(!matches(format!("{}b", "*a".repeat(50)).as_bytes(), "a".repeat(5000).as_bytes()));
    }
}
