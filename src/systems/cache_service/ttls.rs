use std::time::Duration;

use crate::cache::Ttl;

/// How long each kind of value is cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheTtls {
    /// A user's profile: 1 hour.
    pub user_profile: Ttl,
    /// A session of unknown duration, and the longest time for any session: 24 hours.
    pub user_sessions: Duration,
    /// An active conversation: 5 minutes.
    pub conversation_active: Ttl,
    /// A completed conversation: 24 hours.
    pub conversation_completed: Ttl,
    /// A list of a user's conversations: 10 minutes.
    pub conversation_list: Ttl,
    /// A transcription: 30 days.
    pub transcription: Ttl,
    /// An analysis: it never expires.
    pub analysis: Ttl,
}

impl Default for CacheTtls {
    fn default() -> Self {
        Self {
            user_profile: Ttl::seconds(3600),
            user_sessions: Duration::from_secs(86_400),
            conversation_active: Ttl::seconds(300),
            conversation_completed: Ttl::seconds(86_400),
            conversation_list: Ttl::seconds(600),
            transcription: Ttl::seconds(2_592_000),
            analysis: Ttl::FOREVER,
        }
    }
}
