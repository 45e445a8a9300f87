use serde::{Deserialize, Serialize};

/// A user's session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserSession {
    /// Whose it is.
    pub user_id: String,
    /// The user's name.
    pub username: String,
    /// The user's address.
    pub email: String,
    /// What the user pays for.
    pub subscription_tier: String,
    /// When it began.
    pub created_at: String,
    /// When it was last used.
    pub last_accessed: String,
    /// Where the user came from.
    pub ip_address: String,
    /// What the user may do.
    pub permissions: Vec<String>,
}

/// The session of an API key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiSession {
    /// Whose key it is.
    pub user_id: String,
    /// What the user calls it.
    pub key_name: String,
    /// What the key may do.
    pub permissions: Vec<String>,
    /// How many requests it may make in a minute.
    pub rate_limit_per_minute: u64,
    /// When it was last used.
    pub last_used: String,
}
