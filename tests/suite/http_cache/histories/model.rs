//! What each reader may see.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::app::{Mood, body_of};
use super::readers::{Answer, Identity, PART, Reader};
use super::{FRESH, STALE};

#[derive(Default)]
pub(super) struct Model {
    /// When each version was replaced, and whether by a write through the cache.
    replaced: BTreeMap<u64, (u64, bool)>,
    /// The entity tag and the body that each reader saw last.
    pub(super) tags: BTreeMap<Identity, (String, String)>,
}

impl Model {
    pub(super) fn replace(&mut self, version: u64, now: u64, written: bool) {
        self.replaced.insert(version, (now, written));
    }

    /// Checks an answer: of this tenant, for this reader or for all, whole, and no older than its terms allow.
    pub(super) fn check(
        &mut self,
        reader: &Reader,
        answer: Answer,
        mood: Mood,
        now: u64,
        told: &str,
    ) -> Result<(), TestCaseError> {
        let Answer { head, body } = answer;
        let status = head.headers.get("cache-status").map(|status| status.to_str().unwrap());
        let hit = status.is_some_and(|status| status.contains("; hit"));
        let Some(body) = body else {
            prop_assert!(mood.broken && !hit, "{told}: the body breaks off");
            return Ok(());
        };
        if reader.head {
            prop_assert!(body.is_empty(), "{told}");
            return Ok(());
        }
        let text = String::from_utf8(body.to_vec()).unwrap();
        let whole = match head.status.as_u16() {
            304 => {
                prop_assert!(text.is_empty(), "{told}");
                match self.tags.get(&reader.identity()).filter(|_| reader.conditional) {
                    Some((_, seen)) => seen.clone(),
                    None => {
                        return Err(TestCaseError::fail(format!(
                            "{told}: nothing was asked about"
                        )));
                    }
                }
            }
            status => {
                prop_assert!(status == 200 || (status == 206 && reader.range), "{told}");
                text.clone()
            }
        };
        // `t, TENANT WHO VERSION …`
        let words: Vec<&str> = whole.split(' ').collect();
        let number: u64 = words.get(3).and_then(|number| number.parse().ok()).unwrap_or(u64::MAX);
        let who = words.get(2).copied().unwrap_or_default();
        prop_assert!(who == "-" || who == reader.who(), "{told}: another's: {whole}");
        prop_assert!(number < u64::MAX, "{told}: {whole}");
        let expected = body_of(&reader.tenant(), who, number);
        match head.status.as_u16() {
            206 => {
                let length = PART.min(expected.len());
                let range = format!("bytes 0-{}/{}", length - 1, expected.len());
                prop_assert_eq!(&text, &expected[..length], "{}", told);
                prop_assert_eq!(&head.headers["content-range"], range.as_str(), "{}", told);
            }
            // What the application itself cuts short has not been called whole by the cache.
            _ if mood.short && !hit && expected.starts_with(&whole) => {}
            _ => prop_assert!(whole == expected, "{told}: {whole}"),
        }
        // No older than its terms allow, and never from before a write that had returned.
        if let Some((replaced, written)) = self.replaced.get(&number) {
            let limit = match reader.control {
                Some("No-Cache") => 0,
                Some("max-age=5") => 5,
                _ => FRESH + STALE,
            };
            prop_assert!(!written, "{told}: from before a write");
            prop_assert!(now - replaced <= limit, "{told}: version {number} is too old");
            prop_assert!(limit > 0, "{told}: version {number} was not validated");
        }
        if let Some(tag) =
            head.headers.get("etag").filter(|_| head.status == 200 && whole == expected)
        {
            self.tags.insert(reader.identity(), (tag.to_str().unwrap().to_owned(), whole));
        }
        Ok(())
    }
}
