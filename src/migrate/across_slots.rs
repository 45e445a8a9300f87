//! Moving a key between the slots of a cluster, where Redis cannot rename it.

use std::sync::LazyLock;

use bytes::Bytes;

use super::on_conflict::OnConflict;
use crate::Result;
use crate::client::Client;
use crate::command::keys::KeyCommands;
use crate::command::{Command, Execute, Script};

/// stored, and 0 if not.
static PLACE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/place.lua")));

/// Deletes a key if its value is still the one that was copied. Gives 0 if the value has changed.
static TAKE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/take.lua")));

/// How often a key that keeps changing is copied again.
const ATTEMPTS: usize = 16;

/// The result of moving a key.
pub(super) enum Placed {
    Moved,
    /// The new name is taken.
    Conflict,
    /// The new name was taken, and its value was replaced.
    Replaced,
    Gone,
}

/// Copies a key to its new name, and deletes the old key if it has not changed in the meantime. Otherwise copies it again.
pub(super) async fn move_key(
    client: &Client,
    from: &Bytes,
    to: &Bytes,
    on_conflict: OnConflict,
) -> Result<Placed> {
    let mut copied = Bytes::new();
    let replace = on_conflict == OnConflict::KeepSource;
    let taken = replace && client.exists([to]).await? > 0;
    let moved = if taken { Placed::Replaced } else { Placed::Moved };
    for _ in 0..ATTEMPTS {
        let transaction = client.transaction();
        let dump = transaction.dump(from);
        let left = transaction.execute::<i64>(Command::new("PTTL").arg(from));
        let mut replies = transaction.exec().await?;
        let Some(dump) = replies.take(dump)?.map(Bytes::from) else {
            return Ok(if copied.is_empty() { Placed::Gone } else { moved });
        };
        // RESTORE takes 0 for a key that stays.
        let left = match replies.take(left)? {
            -1 => 0,
            left => left.max(1),
        };
        let left = Bytes::from(left.to_string());
        let replace = Bytes::from_static(if replace { b"1" } else { b"0" });
        let arguments = [dump.clone(), left, copied.clone(), replace];
        if client.run_script::<u64>(&PLACE, [to], arguments).await? == 0 {
            if on_conflict == OnConflict::KeepTarget {
                client.unlink([from]).await?;
            }
            return Ok(Placed::Conflict);
        }
        if client.run_script::<u64>(&TAKE, [from], [dump.clone()]).await? == 1 {
            return Ok(moved);
        }
        copied = dump;
    }
    Ok(Placed::Conflict)
}
