//! Who is present at a topic.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::{Either, select};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use super::feed::Signal;
use super::hub::Hub;
use super::publish::checked;
use super::scripts::PRESENCE;
use super::source::Source;
use super::subscription::{may_pass, wait};
use crate::platform;
use crate::{Error, ErrorKind, Key, Outcome, Result};

/// Who is present at a topic, from [`Topic::presence`](super::Topic::presence). A member is present until it leaves, or for
/// [`present_for`](super::EventsOptions::present_for) after its last heartbeat, by the server's clock.
///
/// Members are texts of up to 128 bytes without control characters. Two connections of one user are two members, for instance
/// `ada/1` and `ada/2`: with one name they are one, until the guard that joined or beat last leaves.
///
/// The key `edgecask:present:{key}` is a sorted set of the members by the millisecond until which they are present.
///
/// ```
/// use edgecask::events::{Events, PresenceChange};
/// use edgecask::{Client, Keyspace};
/// use futures_util::StreamExt;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let presence = Events::new(Client::memory())
///     .topic::<String>(Keyspace::literal("chat").key("c1")?)
///     .presence();
/// let ada = presence.join("ada").await?;
/// assert_eq!(presence.list().await?, ["ada"]);
/// let mut changes = presence.watch().await?;
/// assert_eq!(changes.next().await.expect("it goes on")?, PresenceChange::Joined("ada".to_owned()));
/// ada.leave().await?;
/// assert_eq!(changes.next().await.expect("it goes on")?, PresenceChange::Left("ada".to_owned()));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Presence {
    hub: Arc<Hub>,
    key: Arc<str>,
}

impl Presence {
    pub(super) fn new(hub: Arc<Hub>, topic: &Key) -> Self {
        Self { hub, key: topic.companion("edgecask:present").into() }
    }

    /// Joins, and sends heartbeats until the guard is dropped: three commands in each
    /// [`present_for`](super::EventsOptions::present_for), three a minute by default. In a Worker they end with the request.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for a name that no member may have; [`ErrorKind::Conflict`] if there are too many members; those
    /// of the client.
    pub async fn join(&self, member: impl Into<String>) -> Result<Present> {
        let member = member.into();
        // From here on, a future that is dropped leaves.
        let present = Present::new(self.clone(), member.clone());
        match self.beat_until(&member).await {
            Ok((_, until)) => present.state.note(Ok(until)),
            Err(error) => {
                let kind = error.kind();
                let is_refused = matches!(kind, ErrorKind::InvalidInput | ErrorKind::Conflict);
                if is_refused || error.outcome() == Outcome::NotSent {
                    present.forget();
                }
                return Err(error);
            }
        }
        present.beat_on();
        Ok(present)
    }

    /// Joins or stays, without a guard: for a caller that beats by itself. Returns whether the member was not present before. One
    /// command.
    ///
    /// # Errors
    /// As for [`Presence::join`].
    pub async fn beat(&self, member: &str) -> Result<bool> {
        Ok(self.beat_until(member).await?.0)
    }

    /// The same, with the millisecond until which the member is present.
    async fn beat_until(&self, member: &str) -> Result<(bool, u64)> {
        checked("name of a member", member)?;
        match self.run("beat", member, "").await? {
            (_, -1, _) => {
                let why = format!("there are {} members already", self.hub.options.max_present);
                Err(Error::new(ErrorKind::Conflict, why))
            }
            (_, changed, until) => {
                let until = until.first().and_then(|until| until.parse().ok());
                let until = until.ok_or_else(|| {
                    Error::new(ErrorKind::Protocol, "the server told no time of a member")
                })?;
                Ok((changed == 1, until))
            }
        }
    }

    /// Leaves; returns whether the member was present until now. One command.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn leave(&self, member: &str) -> Result<bool> {
        self.leave_until(member, "").await
    }

    /// Leaves, unless the member is present for longer than until this millisecond: then another one has joined under its name.
    async fn leave_until(&self, member: &str, until: &str) -> Result<bool> {
        Ok(self.run("leave", member, until).await?.1 == 1)
    }

    /// The members, those that joined first before the others, as far as they beat alike. One command.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn list(&self) -> Result<Vec<String>> {
        Ok(self.run("list", "", "").await?.2)
    }

    /// The members that are present now, and then those who join and leave. Two commands, and one in each
    /// [`present_for`](super::EventsOptions::present_for), so that members are missed who die when nobody else is there.
    /// Without Pub/Sub it polls.
    ///
    /// After a lost connection the changes in between are told, but not those that were undone in between.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn watch(&self) -> Result<PresenceWatch> {
        let (channel, ..) = self.run("list", "", "").await?;
        let source = self.hub.presence_source(&channel).await?;
        let watcher = Watcher {
            presence: self.clone(),
            channel,
            source,
            known: BTreeSet::new(),
            changes: VecDeque::new(),
            failures: 0,
            ended: 0,
            over: false,
        };
        Ok(PresenceWatch(stream::unfold(watcher, Watcher::next).boxed()))
    }

    /// The name of the channel, what has changed, the members.
    async fn run(
        &self,
        what: &str,
        member: &str,
        until: &str,
    ) -> Result<(String, i64, Vec<String>)> {
        let options = &self.hub.options;
        let time = options.present_for.as_millis().to_string();
        let args = [what, member, &time, &options.max_present.to_string(), until];
        self.hub.client()?.run_script(&PRESENCE, [&*self.key], args).await
    }
}

impl fmt::Debug for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Presence").field(&self.key).finish()
    }
}

/// A member that is present, from [`Presence::join`]. Dropping it leaves in the background; if that fails, or the process dies, the
/// member is gone when its time is over.
///
/// A member that joins again before an older guard of its name has left stays: the older one leaves without effect. A heartbeat
/// that timed out at the client and arrives after the member has left brings it back until its time is over.
#[must_use = "dropping it leaves"]
pub struct Present {
    presence: Presence,
    member: Option<Arc<str>>,
    /// Its heartbeats stop when this is gone.
    alive: Option<Arc<()>>,
    state: Arc<State>,
}

/// What the last heartbeat told.
struct State {
    /// The millisecond until which the member is present, `UNKNOWN` if an answer was lost.
    until: AtomicU64,
    is_present: AtomicBool,
    /// Alive for as long as heartbeats may be under way.
    heartbeat: Weak<()>,
}

const UNKNOWN: u64 = u64::MAX;

impl State {
    fn note(&self, beat: Result<u64, &Error>) {
        let is_present = match beat {
            Ok(until) => {
                self.until.store(until, Ordering::Relaxed);
                true
            }
            Err(error) => {
                if error.outcome() == Outcome::Unknown {
                    self.until.store(UNKNOWN, Ordering::Relaxed);
                }
                may_pass(error) && error.kind() != ErrorKind::Conflict
            }
        };
        self.is_present.store(is_present, Ordering::Relaxed);
    }

    /// As an argument of the script.
    fn until(&self) -> String {
        match self.until.load(Ordering::Relaxed) {
            UNKNOWN => String::new(),
            until => until.to_string(),
        }
    }

    /// Waits until no heartbeat is under way, which would bring the member back.
    async fn quiet(&self) {
        while self.heartbeat.strong_count() > 0 {
            platform::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Present {
    fn new(presence: Presence, member: String) -> Self {
        let alive = Arc::new(());
        let (until, is_present) = (AtomicU64::new(UNKNOWN), AtomicBool::new(true));
        let state = Arc::new(State { until, is_present, heartbeat: Arc::downgrade(&alive) });
        Self { presence, member: Some(member.into()), alive: Some(alive), state }
    }

    /// Whether the last heartbeat was accepted, or lost on its way. If not, Redis refused it: the member's time had run out, and its
    /// place was taken. The next heartbeat tries again.
    pub fn is_present(&self) -> bool {
        self.state.is_present.load(Ordering::Relaxed)
    }

    /// Leaves, and returns whether the member was present until now. One command.
    ///
    /// # Errors
    /// Those of the client.
    pub async fn leave(mut self) -> Result<bool> {
        let Some(member) = self.member.clone() else { return Ok(false) };
        self.alive = None;
        self.state.quiet().await;
        let left = self.presence.leave_until(&member, &self.state.until()).await;
        if left.is_ok() {
            self.member = None;
        }
        left
    }

    fn forget(mut self) {
        self.member = None;
    }

    fn beat_on(&self) {
        let Some(member) = self.member.clone() else { return };
        let (presence, state) = (self.presence.clone(), Arc::clone(&self.state));
        let pause = presence.hub.options.present_for / 3;
        platform::spawn(platform::send(|| async move {
            loop {
                platform::sleep_idly(pause).await;
                let Some(_alive) = state.heartbeat.upgrade() else { return };
                let beat = presence.beat_until(&member).await;
                state.note(beat.as_ref().map(|(_, until)| *until));
                // The next one may arrive in time.
                match beat {
                    Err(error) if error.is_loss() => {
                        tracing::debug!(%error, "a heartbeat was lost");
                    }
                    Err(error) => tracing::warn!(%error, "a heartbeat was refused"),
                    Ok(_) => {}
                }
            }
        }));
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        let Some(member) = self.member.take() else { return };
        let presence = self.presence.clone();
        let state = Arc::clone(&self.state);
        self.alive = None;
        platform::spawn(platform::send(|| async move {
            state.quiet().await;
            if let Err(error) = presence.leave_until(&member, &state.until()).await {
                tracing::debug!(%error, "a member did not leave, its time runs out");
            }
        }));
    }
}

impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present").field("member", &self.member).finish_non_exhaustive()
    }
}

/// A member that has come or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PresenceChange {
    /// It is present now.
    Joined(String),
    /// It left, or its heartbeats did not come.
    Left(String),
}

/// The changes of a [`Presence`], from [`Presence::watch`], as a stream. Each member joins and leaves in turn.
#[must_use = "dropping it unsubscribes"]
pub struct PresenceWatch(BoxStream<'static, Result<PresenceChange>>);

impl Stream for PresenceWatch {
    type Item = Result<PresenceChange>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for PresenceWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PresenceWatch").finish_non_exhaustive()
    }
}

struct Watcher {
    presence: Presence,
    channel: String,
    source: Source,
    known: BTreeSet<String>,
    changes: VecDeque<PresenceChange>,
    failures: u32,
    /// How often the source has ended since the last message.
    ended: u32,
    over: bool,
}

impl Watcher {
    async fn next(mut self) -> Option<(Result<PresenceChange>, Self)> {
        loop {
            if let Some(change) = self.changes.pop_front() {
                return Some((Ok(change), self));
            }
            if self.over {
                return None;
            }
            let asked = platform::sleep_idly(self.presence.hub.options.present_for);
            let signal = match select(std::pin::pin!(self.source.next()), asked).await {
                Either::Left((signal, _)) => signal,
                Either::Right(_) => Signal::Connected,
            };
            match signal {
                Signal::Frame(frame) => {
                    self.ended = 0;
                    self.hear(frame.text());
                }
                Signal::Connected | Signal::Overflow => {
                    if let Err(error) = self.compare().await {
                        self.over = true;
                        return Some((Err(error), self));
                    }
                }
                Signal::Ended(error) => {
                    if let Err(error) = self.begin_anew(error).await {
                        self.over = true;
                        return Some((Err(error), self));
                    }
                }
            }
        }
    }

    /// Takes a new source after one that ended, for instance with the runtime of another watcher.
    async fn begin_anew(&mut self, error: Error) -> Result<()> {
        if !may_pass(&error) {
            return Err(error);
        }
        wait(self.ended).await;
        self.ended = self.ended.saturating_add(1);
        match self.presence.hub.presence_source(&self.channel).await {
            Ok(source) => self.source = source,
            // The old source is over, and says so again.
            Err(error) if may_pass(&error) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn hear(&mut self, message: &[u8]) {
        let Some((what, member)) =
            std::str::from_utf8(message).ok().and_then(|text| text.split_once(' '))
        else {
            return;
        };
        match what {
            "joined" if self.known.insert(member.to_owned()) => {
                self.changes.push_back(PresenceChange::Joined(member.to_owned()));
            }
            "left" if self.known.remove(member) => {
                self.changes.push_back(PresenceChange::Left(member.to_owned()));
            }
            _ => {}
        }
    }

    /// Asks who is present, and tells what differs.
    async fn compare(&mut self) -> Result<()> {
        let now: BTreeSet<String> = loop {
            match self.presence.list().await {
                Ok(members) => break members.into_iter().collect(),
                Err(error) if may_pass(&error) => {
                    wait(self.failures).await;
                    self.failures = self.failures.saturating_add(1);
                }
                Err(error) => return Err(error),
            }
        };
        self.failures = 0;
        let left = self.known.difference(&now).cloned().map(PresenceChange::Left);
        self.changes.extend(left);
        let joined = now.difference(&self.known).cloned().map(PresenceChange::Joined);
        self.changes.extend(joined);
        self.known = now;
        Ok(())
    }
}
