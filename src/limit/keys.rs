//! The keys of policies.

use std::fmt::Write;

use super::policy::{Algorithm, Policy, Subject};
use super::request::Request;
use crate::key::escape_part;
use crate::{Error, ErrorKind, Result};

/// The end of the key that remembers a reply.
const ONCE: &str = ":once";

/// The keys of a policy for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Keys {
    /// All before the number of a window.
    base: String,
    /// The part of the key that names the calls which are counted together.
    subject: String,
}

impl Keys {
    /// The keys of this policy; `None` if the request does not concern it.
    pub(super) fn of(
        policy: &Policy,
        prefix: &str,
        tagged: bool,
        request: &Request<'_>,
        reserved: &[String],
    ) -> Result<Option<Self>> {
        let calendar = matches!(policy.algorithm, Algorithm::Calendar(_));
        let mut subject = String::new();
        match &policy.subject {
            Subject::Shared(name) => subject.push_str(name),
            Subject::Part(part) => {
                let Some(value) = request.get(part) else { return Ok(None) };
                let _ = write!(subject, "{part}:");
                write_subject(value, calendar, tagged, &mut subject);
            }
            Subject::Identifier => {
                write_subject(request.identifier, calendar, tagged, &mut subject);
                if reserved.contains(&subject) {
                    return Err(Error::new(
                        ErrorKind::InvalidInput,
                        "an identifier must not have the name under which all calls are counted",
                    ));
                }
            }
        }
        // These are keys of other things: the dynamic limit, the deny lists, remembered replies.
        if !policy.algorithm.has_windows() && is_taken(&subject) {
            subject = subject.replace('%', "%25").replace(':', "%3A").replace("ipDeny", "ip%44eny");
        }
        if tagged {
            subject = format!("{{{subject}}}");
        }
        Ok(Some(Self { base: format!("{prefix}:{subject}"), subject }))
    }

    /// The key of the window with this number, or the only one of a policy without windows.
    pub(super) fn key(&self, algorithm: Algorithm, window: u64) -> String {
        let mut key = String::with_capacity(self.base.len() + 24);
        key.push_str(&self.base);
        match algorithm {
            Algorithm::Calendar(unit) => {
                key.push(':');
                unit.write(window, &mut key);
            }
            Algorithm::Fixed { .. } | Algorithm::Sliding { .. } => {
                let _ = write!(key, ":{window}");
            }
            Algorithm::Bucket { .. } | Algorithm::Gcra { .. } | Algorithm::Lease { .. } => {}
        }
        key
    }

    /// The key that is for the same subject under another prefix.
    pub(super) fn under(&self, prefix: &str) -> String {
        format!("{prefix}:{}", self.subject)
    }

    /// The key that remembers the reply to a request.
    pub(super) fn once(&self, id: &str) -> String {
        let mut key = format!("{}:", self.base);
        escape_part(id, &mut key);
        key.push_str(ONCE);
        key
    }

    /// All before the number of a window.
    pub(super) fn base(&self) -> &str {
        &self.base
    }
}

/// Whether a subject would be the key of something else. The escaped forms of such subjects count too, so that no subject equals
/// the escaped form of another.
fn is_taken(subject: &str) -> bool {
    let mut plain = subject.to_owned();
    while plain.contains("%25") {
        plain = plain.replace("%25", "%");
    }
    plain = plain.replace("%3A", ":").replace("%44", "D");
    ["dynamic:global", "ipDenyListStatus"].contains(&plain.as_str())
        || plain.starts_with("denyList:")
        || plain.ends_with(ONCE)
}

/// Writes an identifier as `@upstash/ratelimit` does, as it is; in keys of the calendar, as a part of a key.
fn write_subject(text: &str, calendar: bool, tagged: bool, out: &mut String) {
    if calendar {
        escape_part(text, out);
    } else if tagged {
        // A brace would end the hash tag.
        out.push_str(&text.replace('%', "%25").replace('{', "%7B").replace('}', "%7D"));
    } else {
        out.push_str(text);
    }
}
