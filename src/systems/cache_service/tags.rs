use crate::{Keyspace, Result};

/// The tag of everything that belongs to a user: `user:{userId}`, with special characters escaped.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the id is empty or too long.
pub fn user_tag(user_id: &str) -> Result<String> {
    const USERS: Keyspace = Keyspace::literal("user");
    Ok(USERS.key(user_id)?.as_str().to_owned())
}
