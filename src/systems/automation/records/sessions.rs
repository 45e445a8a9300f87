use serde::{Deserialize, Serialize};

/// A user's session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct UserSession {
    /// The user.
    pub user_id: String,
    /// The user's name.
    pub username: String,
    /// The user's email address.
    pub email: String,
    /// The user's subscription.
    pub subscription_tier: String,
    /// When the session was created.
    pub created_at: String,
    /// When the session was last used.
    pub last_accessed: String,
    /// The user's IP address.
    pub ip_address: String,
    /// The user's permissions.
    pub permissions: Vec<String>,
}

/// The session of an API key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ApiSession {
    /// The owner of the key.
    pub user_id: String,
    /// The name of the key.
    pub key_name: String,
    /// The permissions of the key.
    pub permissions: Vec<String>,
    /// The most requests in a minute.
    pub rate_limit_per_minute: u64,
    /// When the key was last used.
    pub last_used: String,
}
