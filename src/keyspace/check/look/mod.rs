//! Reads keys in one round trip, within limits for each key.

mod ask;
mod plain;
mod script;
mod scripts;

pub(super) use self::ask::{Ask, By, Content, Limits, Look, Looks};
pub(crate) use self::scripts::LOOK;
use crate::{Client, Result};

/// Reads keys. The bytes of values with more than `measured` elements are not counted. If the server refuses the script,
/// `by` becomes [`By::Commands`].
pub(super) async fn look(
    client: &Client,
    by: &mut By,
    asks: &[Ask<'_>],
    measured: u64,
) -> Result<Looks> {
    let mut refused = 0;
    if *by == By::Script {
        match script::look(client, asks, measured).await? {
            Ok(looks) => return Ok(looks),
            Err(commands) => (refused, *by) = (commands, By::Commands),
        }
    }
    let mut looks = plain::look(client, asks).await?;
    looks.commands += refused;
    Ok(looks)
}
