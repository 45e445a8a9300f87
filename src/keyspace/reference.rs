use std::fmt::{self, Write};
use std::time::Duration;

use super::{Declaration, Encoding, KeyTtl};

/// A page of Markdown with every declared key: its pattern, type, time to live, record, owner and documentation.
///
/// See [`keyspace`](crate::keyspace) for an example.
pub fn reference<'a>(declarations: impl IntoIterator<Item = &'a Declaration>) -> String {
    let mut page = String::from(
        "| key | type | time to live | record | owner | what it holds |\n|---|---|---|---|---|---|\n",
    );
    for declaration in declarations {
        let Declaration { pattern, redis_type, encoding, record, ttl, keep, owner, .. } =
            declaration;
        let keep = keep.map_or_else(String::new, |items| format!(", {items} items at most"));
        let redis_type = redis_type.as_str();
        let json = if *encoding == Encoding::Json { ", JSON" } else { "" };
        let doc = declaration.doc_line().replace('|', "\\|");
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| `{pattern}` | {redis_type}{json}{keep} | {ttl} | `{record}` | {owner} | {doc} |"
        );
    }
    page
}

/// In words: `30 days, renewed on activity`.
impl fmt::Display for KeyTtl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => f.write_str("no expiry"),
            Self::OnWrite(ttl) => in_words(*ttl, f),
            Self::FromCreation(ttl) => {
                in_words(*ttl, f)?;
                f.write_str(", from creation")
            }
            Self::OnActivity(ttl) => {
                in_words(*ttl, f)?;
                f.write_str(", renewed on activity")
            }
        }
    }
}

fn in_words(ttl: Duration, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let seconds = ttl.as_secs();
    let units = [(86_400, "day"), (3600, "hour"), (60, "minute")];
    let whole =
        units.into_iter().find(|(length, _)| seconds > 0 && seconds.is_multiple_of(*length));
    let (length, unit) = whole.unwrap_or((1, "second"));
    let count = seconds / length;
    write!(f, "{count} {unit}{}", if count == 1 { "" } else { "s" })
}
