use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

/// An entry of a [`Cache`](crate::cache::Cache) with the default codec: JSON, or an [envelope](crate::cache::stored_form)
/// if it is compressed or has tags. Read it through the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CacheEntry(String);

impl CacheEntry {
    /// The text in Redis.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for CacheEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let is_readable = match text.strip_prefix("edgecask/") {
            Some(envelope) => envelope
                .split_once('\n')
                .and_then(|(line, _)| line.split_once(' '))
                .and_then(|(_, header)| serde_json::from_str::<Value>(header).ok())
                .is_some_and(|header| header["codec"].is_string()),
            None => serde_json::from_str::<de::IgnoredAny>(&text).is_ok(),
        };
        let expected = "JSON, or an envelope of Edgecask";
        let other = || de::Error::invalid_value(de::Unexpected::Other("other text"), &expected);
        if is_readable { Ok(Self(text)) } else { Err(other()) }
    }
}

crate::keyspaces! {
    /// The keyspaces of the cache service, for the reference and the check. Their times to live are the longest ones of
    /// [`CacheTtls::default`](super::CacheTtls::default). The versions of their tags are under `edgecask:tag`.
    pub mod keys, owner: "cache service" {
        /// A user's profile.
        profile(user_id: &str) => Text<CacheEntry>, "user:{user_id}:profile", ttl: 1 hour;
        /// A session, by the hash of its token.
        session(token_hash: &str) => Text<CacheEntry>, "session-token:{token_hash}", ttl: 24 hours;
        /// A conversation: 5 minutes while it is active, 24 hours when it is completed.
        conversation(conversation_id: &str) => Text<CacheEntry>, "conversation:{conversation_id}", ttl: 24 hours;
        /// A list of a user's conversations.
        conversation_list(user_id: &str, list: &str) => Text<CacheEntry>, "user-conversations:{user_id}:{list}", ttl: 10 minutes;
        /// A transcription, by the hash of the recording.
        transcription(audio_hash: &str) => Text<CacheEntry>, "openai:transcription:{audio_hash}", ttl: 30 days;
        /// An analysis.
        analysis(name: &str) => Text<CacheEntry>, "openai:analysis:{name}", forever;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Stored;
    use crate::keyspace::check::{FaultKind, Report, SchemaCheck};

    #[test]
    fn entries_are_json_or_envelopes() -> crate::Result<()> {
        let check = SchemaCheck::new(keys::DECLARATIONS)?;
        let mut report = Report::default();
        let envelope = "edgecask/1 {\"codec\":\"json\",\"tags\":{\"user:1\":\"9f\"}}\n{}";
        for (key, text) in [
            ("openai:analysis:a", r#"{"mood":"good"}"#),
            ("openai:analysis:b", envelope),
            ("openai:analysis:c", "no JSON"),
            ("openai:analysis:d", "edgecask/1 {}\n{}"),
        ] {
            check.entry(&mut report, key.as_bytes(), None, Stored::String(text.into()));
        }
        let broken: Vec<_> = report.findings.iter().map(|finding| finding.key.as_str()).collect();
        assert_eq!(broken, ["openai:analysis:c", "openai:analysis:d"]);
        assert_eq!(report.faults[&FaultKind::Undecodable], 2);
        Ok(())
    }
}
