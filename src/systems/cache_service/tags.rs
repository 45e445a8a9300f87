use crate::{Keyspace, Result};

/// The tag that everything of a user carries: `user:{userId}`, with what has a meaning in keys escaped.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the id is empty or too long.
pub fn user_tag(user_id: &str) -> Result<String> {
    const USERS: Keyspace = Keyspace::literal("user");
    Ok(USERS.key(user_id)?.as_str().to_owned())
}
