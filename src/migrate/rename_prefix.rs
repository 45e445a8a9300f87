use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::across_slots::{self, Placed};
use super::on_conflict::OnConflict;
use crate::client::Client;
use crate::command::keys::{Cursor, KeyCommands, ScanOptions};
use crate::key::escape_glob;
use crate::platform::{Local, MaybeSend, MaybeSync};
use crate::{Error, ErrorKind, Result};

trait OnProgress: Fn(&Renamed) + MaybeSend + MaybeSync {}
impl<F: Fn(&Renamed) + MaybeSend + MaybeSync> OnProgress for F {}

/// Gives all keys of one prefix another prefix.
///
/// - It walks through all keys of the database by SCAN, a bounded step at a time, and renames what it finds by RENAMENX,
///   one round trip for each step. It never uses KEYS. The cost is one command for each key that moves, and one SCAN for
///   each [`batch`](Self::batch) of keys in the database.
/// - A renamed key keeps its type, its value and the time that it has left.
/// - A name that is taken is not overwritten, unless [`on_conflict`](Self::on_conflict) says so.
/// - It can be interrupted at any point, and run again: each key is under its old name or its new one. Another run moves only
///   what is left.
/// - Programs may write meanwhile. A key that they write under the old prefix behind the scan is found by the next run, so run
///   it again when no program writes the old prefix any more.
///
/// On a cluster the two names are mostly in different slots, where Redis renames nothing. There the key is copied by DUMP
/// and RESTORE with its time to live, and the old one is deleted by a script only if it is still what was copied: a write
/// in between is copied again. Between the two steps the key has both names; a run that finds them equal finishes the move.
/// It costs four commands for each key. An interruption between the steps, followed by a write to the old key, is a
/// conflict.
///
/// | setting | default |
/// |---|---|
/// | [`batch`](Self::batch) | 500 keys |
/// | [`on_conflict`](Self::on_conflict) | [`OnConflict::Leave`] |
/// | [`dry_run`](Self::dry_run) | no |
/// | [`progress`](Self::progress) | none |
///
/// ```
/// use edgecask::migrate::RenamePrefix;
/// use edgecask::prelude::*;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// client.set("users:1", "Ada").await?;
/// client.set("users:2", "Grace").await?;
/// client.set("app:user:2", "Alan").await?;
///
/// let rename = RenamePrefix::new("users:", "app:user:")?;
/// let plan = rename.clone().dry_run(true).run(&client).await?;
/// assert_eq!((plan.found, plan.moved, plan.conflicts), (2, 1, 1));
///
/// let done = rename.run(&client).await?;
/// assert_eq!((done.moved, done.conflicts), (1, 1));
/// assert_eq!(client.get::<String>("app:user:1").await?.as_deref(), Some("Ada"));
/// assert_eq!(client.get::<String>("app:user:2").await?.as_deref(), Some("Alan"));
/// assert_eq!(client.get::<String>("users:2").await?.as_deref(), Some("Grace"));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RenamePrefix {
    from: Cow<'static, str>,
    to: Cow<'static, str>,
    batch: u64,
    on_conflict: OnConflict,
    dry_run: bool,
    progress: Option<Local<Arc<dyn OnProgress>>>,
}

/// The counts of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Renamed {
    /// How many steps the scan took.
    pub steps: u64,
    /// How many keys of the old prefix were found. A key that the scan meets twice counts twice.
    pub found: u64,
    /// How many were renamed; in a dry run, how many would be.
    pub moved: u64,
    /// How many new names were taken.
    pub conflicts: u64,
    /// How many were gone when their turn came: they had expired, or another program had moved or deleted them.
    pub gone: u64,
}

impl RenamePrefix {
    /// Replaces the prefix `from` by `to`; the rest of each key stays. Both are literal text, not patterns.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if one of them is empty, or begins with the other: then a renamed key would be found
    /// again.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Result<Self> {
        let (from, to) = (from.into(), to.into());
        if from.starts_with(&to) || to.starts_with(&from) {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "of two prefixes, neither may be empty or begin with the other",
            ));
        }
        Ok(Self::of(from.into(), to.into()))
    }

    /// For prefixes that are known to be valid.
    #[cfg(feature = "copilot")]
    pub(crate) fn literal(from: &'static str, to: &'static str) -> Self {
        Self::of(from.into(), to.into())
    }

    fn of(from: Cow<'static, str>, to: Cow<'static, str>) -> Self {
        Self {
            from,
            to,
            batch: 500,
            on_conflict: OnConflict::Leave,
            dry_run: false,
            progress: None,
        }
    }

    /// How many keys a step of the scan looks at, and renames in one round trip; from 1 to 10 000.
    #[must_use]
    pub fn batch(mut self, keys: u64) -> Self {
        self.batch = keys.clamp(1, 10_000);
        self
    }

    /// What to do with a key whose new name is taken.
    #[must_use]
    pub fn on_conflict(mut self, what: OnConflict) -> Self {
        self.on_conflict = what;
        self
    }

    /// Only counts, by one EXISTS for each key, and changes nothing.
    #[must_use]
    pub fn dry_run(mut self, yes: bool) -> Self {
        self.dry_run = yes;
        self
    }

    /// Calls this function after each step with the counts so far.
    #[must_use]
    pub fn progress(mut self, on: impl Fn(&Renamed) + MaybeSend + MaybeSync + 'static) -> Self {
        self.progress = Some(Local::new(Arc::new(on)));
        self
    }

    /// Renames the keys in the client's database.
    ///
    /// # Errors
    /// Those of the client. Keys that were renamed before the error keep their new names: run it again.
    pub async fn run(&self, client: &Client) -> Result<Renamed> {
        let pattern = format!("{}*", escape_glob(&self.from));
        let options = ScanOptions::new().pattern(pattern).count(self.batch);
        let (mut so_far, mut cursor) = (Renamed::default(), Cursor::default());
        loop {
            let page = client.scan::<Bytes>(&cursor, &options).await?;
            so_far.steps += 1;
            let moves: BTreeSet<Move> =
                page.items.iter().filter_map(|key| self.move_of(key)).collect();
            so_far.found += moves.len() as u64;
            let moves: Vec<Move> = moves.into_iter().collect();
            for moves in moves.chunks(self.batch as usize) {
                match self.dry_run {
                    true => self.count(client, moves, &mut so_far).await?,
                    false => self.rename(client, moves, &mut so_far).await?,
                }
            }
            if let Some(progress) = &self.progress {
                progress(&so_far);
            }
            cursor = page.cursor;
            if cursor.is_done() {
                return Ok(so_far);
            }
        }
    }

    fn move_of(&self, key: &Bytes) -> Option<Move> {
        let rest = key.strip_prefix(self.from.as_bytes())?;
        Some(Move { to: [self.to.as_bytes(), rest].concat().into(), from: key.clone() })
    }

    async fn count(&self, client: &Client, moves: &[Move], so_far: &mut Renamed) -> Result<()> {
        let pipeline = client.pipeline();
        let taken: Vec<_> = moves.iter().map(|step| pipeline.exists([&step.to])).collect();
        let mut replies = pipeline.exec().await?;
        for taken in taken {
            let conflict = replies.take(taken)? > 0;
            so_far.conflicts += u64::from(conflict);
            so_far.moved += u64::from(!conflict || self.on_conflict == OnConflict::KeepSource);
        }
        Ok(())
    }

    async fn rename(&self, client: &Client, moves: &[Move], so_far: &mut Renamed) -> Result<()> {
        let pipeline = client.pipeline();
        let renamed: Vec<_> =
            moves.iter().map(|step| pipeline.renamenx(&step.from, &step.to)).collect();
        let mut replies = pipeline.exec().await?;
        let (mut first_error, mut conflicts) = (None, Vec::new());
        for (step, renamed) in moves.iter().zip(renamed) {
            match replies.take(renamed) {
                Ok(true) => so_far.moved += 1,
                Ok(false) => conflicts.push(step),
                Err(error) if is_gone(&error) => so_far.gone += 1,
                Err(error) if error.code() == Some("CROSSSLOT") => {
                    match across_slots::move_key(client, &step.from, &step.to, self.on_conflict)
                        .await?
                    {
                        Placed::Moved => so_far.moved += 1,
                        Placed::Conflict => so_far.conflicts += 1,
                        Placed::Replaced => {
                            so_far.conflicts += 1;
                            so_far.moved += 1;
                        }
                        Placed::Gone => so_far.gone += 1,
                    }
                }
                // The other keys of the batch are counted all the same.
                Err(error) => {
                    first_error.get_or_insert(error);
                }
            }
        }
        so_far.conflicts += conflicts.len() as u64;
        match self.on_conflict {
            OnConflict::Leave => {}
            OnConflict::KeepTarget if conflicts.is_empty() => {}
            OnConflict::KeepTarget => {
                client.unlink(conflicts.iter().map(|step| &step.from)).await?;
            }
            OnConflict::KeepSource => {
                let pipeline = client.pipeline();
                let renamed: Vec<_> =
                    conflicts.iter().map(|step| pipeline.rename(&step.from, &step.to)).collect();
                let mut replies = pipeline.exec().await?;
                for renamed in renamed {
                    match replies.take(renamed) {
                        Ok(()) => so_far.moved += 1,
                        Err(error) if is_gone(&error) => so_far.gone += 1,
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        first_error.map_or(Ok(()), Err)
    }
}

/// A key's two names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    from: Bytes,
    to: Bytes,
}

fn is_gone(error: &Error) -> bool {
    error.code() == Some("ERR") && error.message().contains("no such key")
}

impl fmt::Debug for RenamePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RenamePrefix")
            .field("from", &self.from)
            .field("to", &self.to)
            .field("batch", &self.batch)
            .field("on_conflict", &self.on_conflict)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_key_is_not_found_again() {
        for (from, to) in [("a:", "a:b:"), ("a:b:", "a:"), ("a:", "a:"), ("", "b:"), ("a:", "")] {
            assert!(RenamePrefix::new(from, to).is_err(), "{from} {to}");
        }
        assert!(RenamePrefix::new("auth:", "copilot:auth:").is_ok());
    }
}
