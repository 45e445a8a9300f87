use super::keys::{session_of, user_session};
use super::records::UserSession;
use crate::client::{COMPARE_AND_DELETE, ScriptBatch};
use crate::command::Command;
use crate::{Client, Result};

/// Stores a session and makes it the user's current one. One transaction.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if an identifier is empty; those of the client.
pub async fn start_session(client: &Client, session_id: &str, session: &UserSession) -> Result<()> {
    let (of_user, stored) = (session_of(&session.user_id)?, user_session(session_id)?);
    let transaction = client.transaction();
    let _ = of_user.set_in(&transaction, session_id)?;
    let stored = stored.set_in(&transaction, session)?;
    transaction.exec().await?.take(stored).map(drop)
}

/// The identifier and the session of a user, or `None` if the user has none. The time to live of both starts again. Two
/// round trips.
///
/// # Errors
/// As for [`start_session`]; [`ErrorKind::Codec`](crate::ErrorKind::Codec) if the stored value is not a session.
pub async fn find_session(client: &Client, user_id: &str) -> Result<Option<(String, UserSession)>> {
    let Some(session_id) = session_of(user_id)?.get(client).await? else { return Ok(None) };
    let session = user_session(&session_id)?.get(client).await?;
    Ok(session.map(|session| (session_id, session)))
}

/// Deletes a session; returns whether it was there. If the user has started another session in the meantime, that one stays
/// current. One DEL and one script in one round trip.
///
/// # Errors
/// As for [`start_session`].
pub async fn end_session(client: &Client, session_id: &str, user_id: &str) -> Result<bool> {
    let (of_user, stored) = (session_of(user_id)?, user_session(session_id)?);
    let mut batch = ScriptBatch::new(client);
    // The DEL comes first: if the server does not know the script, only the script is sent a second time.
    let deleted = batch.command(Command::new("DEL").arg(stored.key()));
    let of_user = batch.script(&COMPARE_AND_DELETE, [of_user.key()], [session_id]);
    let mut replies = batch.exec().await?;
    let was_there: u64 = replies.take(deleted)?;
    replies.take::<u64>(of_user)?;
    Ok(was_there == 1)
}
