//! A schedule, its handler, and what this process knows of its state.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};

use super::declaration::Schedule;
use super::missed::Plan;
use super::run::Run;
use super::state::{Answer, Claimed, State};
use super::timing::Timing;
use crate::platform::{self, BoxFuture, Instant, Local, MaybeSend, MaybeSync};
use crate::{BoxError, Error, ErrorKind, Outcome, Result};

pub(super) trait Handle:
    Fn(Run) -> BoxFuture<'static, Result<(), BoxError>> + MaybeSend + MaybeSync
{
}
impl<F: Fn(Run) -> BoxFuture<'static, Result<(), BoxError>> + MaybeSend + MaybeSync> Handle for F {}

pub(super) type Handler = Local<Arc<dyn Handle>>;

/// A schedule, its handler, and what this process knows of its state.
pub(super) struct Job {
    pub(super) schedule: Schedule,
    pub(super) state: State,
    handler: Handler,
    memory: Mutex<Memory>,
}

/// What this process remembers of the state.
struct Memory {
    /// The token of all claims, so that one whose answer was lost can be asked for again.
    token: Arc<str>,
    known: Option<Known>,
    /// The slot of a claim whose answer did not come.
    unanswered: Option<u64>,
    /// The latest slot that was given out for a run: two callers in this process have the same token, and one may run it.
    handed: u64,
}

impl Memory {
    /// As of a process that has not asked yet.
    fn new() -> Result<Self> {
        let token = platform::random_id()?.into();
        Ok(Self { token, known: None, unanswered: None, handed: 0 })
    }

    /// Gives a slot out for a run. False if it was given out already.
    fn hand_out(&mut self, slot: u64) -> bool {
        let is_new = slot > self.handed;
        self.handed = slot.max(self.handed);
        is_new
    }
}

/// The last answer of the server.
#[derive(Clone, Copy)]
struct Known {
    last: u64,
    /// The server's clock when it answered, and when that was.
    now: u64,
    at: Instant,
}

impl Known {
    fn of(claimed: Claimed, sent: Instant) -> Self {
        Self { last: claimed.last, now: claimed.now, at: sent }
    }

    /// The server's clock now, as far as this process can tell.
    fn server_now(&self) -> u64 {
        self.now.saturating_add(super::declaration::millis(self.at.elapsed()))
    }
}

/// What to do next with a job.
pub(super) enum Step {
    Start(Started),
    /// Nothing is due before this time has passed.
    Wait(Duration),
    /// An earlier slot's run is waited for.
    Busy,
    /// There are no further slots.
    Over,
}

/// The result of a claim.
enum Claim {
    Started(Started),
    Busy,
    No,
}

/// How often a process looks whether an earlier slot's run has ended elsewhere.
pub(super) const BUSY: Duration = Duration::from_secs(1);

/// How long the server's clock is derived from one answer. This process's own clock may run at another rate, or stand still.
const TRUSTED: Duration = Duration::from_secs(3600);

/// How early a trigger may be, in milliseconds.
const EARLY: u64 = 60_000;

/// A slot that this process has claimed.
pub(super) struct Started {
    run: Run,
    token: Arc<str>,
    /// When the claim was sent.
    sent: Instant,
}

impl Started {
    pub(super) fn slot(&self) -> u64 {
        self.run.slot
    }
}

impl Job {
    pub(super) fn new(schedule: Schedule, state: State, handler: Handler) -> Result<Self> {
        Ok(Self { schedule, state, handler, memory: Mutex::new(Memory::new()?) })
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the server which slot was decided last, and gives its clock.
    pub(super) async fn refresh(&self) -> Result<u64> {
        Ok(self.look().await?.now)
    }

    /// Deletes the state and the records, and what this process remembers of them.
    pub(super) async fn forget(&self) -> Result<()> {
        let memory = Memory::new()?;
        self.state.forget().await?;
        *self.memory() = memory;
        Ok(())
    }

    /// Remembers an answer to a request with this token. `None` if the schedule was forgotten since.
    fn learn(
        &self,
        token: &Arc<str>,
        known: Known,
        answer: Answer,
    ) -> Option<MutexGuard<'_, Memory>> {
        let mut memory = self.memory();
        if memory.token != *token {
            return None;
        }
        if answer == Answer::Begun && memory.known.is_some() {
            tracing::warn!(schedule = &*self.schedule.name, "Redis lost the state of a schedule");
        }
        memory.known = Some(known);
        Some(memory)
    }

    /// Decides on the slots that are due. One command for each of them, and one at first.
    pub(super) async fn step(&self) -> Result<Step> {
        self.step_until(u64::MAX).await
    }

    /// As [`step`](Self::step), for slots up to this time of the server's clock.
    pub(super) async fn step_until(&self, limit: u64) -> Result<Step> {
        let unanswered = self.memory().unanswered;
        if let Some(slot) = unanswered {
            // It may have been carried out. Against no last slot, nothing else is claimed.
            let plan = Plan::Decide { slot, missed: None };
            if let Claim::Started(started) = self.claim(0, &plan).await? {
                return Ok(Step::Start(started));
            }
        }
        loop {
            let known = self.memory().known;
            let Some(known) = known.filter(|known| known.at.elapsed() < TRUSTED) else {
                self.refresh().await?;
                continue;
            };
            let now = known.server_now().min(limit);
            let plan = self.schedule.missed.plan(&self.schedule.timing, known.last, now);
            match plan {
                Plan::Wait(Some(next)) => return Ok(Step::Wait(Duration::from_millis(next - now))),
                Plan::Wait(None) => return Ok(Step::Over),
                Plan::Decide { .. } => {}
            }
            match self.claim(known.last, &plan).await? {
                Claim::Started(started) => return Ok(Step::Start(started)),
                Claim::Busy => return Ok(Step::Busy),
                Claim::No => {}
            }
        }
    }

    /// Claims a slot that a trigger names. `None`: it was started before, or a later one was.
    pub(super) async fn claim_triggered(&self, slot: u64) -> Result<Option<Started>> {
        loop {
            // Another process may have decided since.
            let known = self.look().await?;
            if slot == known.last {
                // It may be this process's own, by a claim whose answer was lost.
                let plan = Plan::Decide { slot, missed: None };
                return Ok(match self.claim(0, &plan).await? {
                    Claim::Started(started) => Some(started),
                    Claim::Busy | Claim::No => None,
                });
            }
            if slot < known.last {
                return Ok(None);
            }
            let early = slot.saturating_sub(known.server_now());
            if early > EARLY {
                return Err(Error::new(
                    ErrorKind::InvalidInput,
                    "the slot of this trigger is more than a minute after the server's clock",
                ));
            }
            if early > 0 {
                platform::sleep(Duration::from_millis(early)).await;
            }
            let plan = Plan::Decide { slot, missed: None };
            match self.claim(known.last, &plan).await? {
                Claim::Started(started) => return Ok(Some(started)),
                Claim::Busy => platform::sleep(BUSY).await,
                Claim::No => {}
            }
        }
    }

    async fn look(&self) -> Result<Known> {
        let sent = Instant::now();
        let (token, floor) = {
            let memory = self.memory();
            (Arc::clone(&memory.token), memory.known.map(|known| known.last))
        };
        let claimed = self.state.look(floor).await?;
        let known = Known::of(claimed, sent);
        self.learn(&token, known, claimed.what);
        Ok(known)
    }

    async fn claim(&self, known: u64, plan: &Plan) -> Result<Claim> {
        let sent = Instant::now();
        let (token, floor) = {
            let mut memory = self.memory();
            if let Plan::Decide { slot, .. } = plan {
                memory.unanswered = Some(*slot);
            }
            (Arc::clone(&memory.token), memory.known.map(|known| known.last))
        };
        let Some(claimed) = self.state.claim(&token, known, floor, plan).await? else {
            return Ok(Claim::No);
        };
        let Some(mut memory) = self.learn(&token, Known::of(claimed, sent), claimed.what) else {
            return Ok(Claim::No);
        };
        memory.unanswered = None;
        match claimed.what {
            Answer::Started => {}
            Answer::Busy => return Ok(Claim::Busy),
            _ => return Ok(Claim::No),
        }
        if !memory.hand_out(claimed.last) {
            return Ok(Claim::No);
        }
        drop(memory);
        let run = Run {
            schedule: Arc::clone(&self.schedule.name),
            slot: claimed.last,
            late: Duration::from_millis(claimed.now.saturating_sub(claimed.last)),
            lost: Arc::default(),
        };
        Ok(Claim::Started(Started { run, token, sent }))
    }

    /// Runs the handler, renews the lease meanwhile, and ends the run.
    pub(super) async fn execute(&self, started: Started) -> Result<(), BoxError> {
        let Started { run, token, sent } = started;
        let slot = run.slot;
        let lost = Arc::clone(&run.lost);
        // A handler that panics while it makes its future counts as one that fails, too.
        let handler = self.handler.clone();
        let work = AssertUnwindSafe(async move { handler(run).await }).catch_unwind();
        let renewals = std::pin::pin!(async {
            self.renew_until_lost(&token, slot, sent).await;
            let _ = lost.set(()).await;
            std::future::pending::<()>().await;
        });
        let outcome = match select(std::pin::pin!(work), renewals).await {
            Either::Left((Ok(outcome), _)) => outcome,
            Either::Left((Err(_), _)) => Err("the handler panicked".into()),
            Either::Right(_) => Err("the run was lost".into()),
        };
        let name = &*self.schedule.name;
        if let Err(error) = &outcome {
            tracing::warn!(schedule = name, slot, %error, "the run of a slot failed");
        }
        match self.finish(&token, slot, outcome.is_err()).await {
            Ok(true) => {}
            Ok(false) => {
                let _ = lost.set(()).await;
                tracing::warn!(
                    schedule = name,
                    slot,
                    "the run of a slot took longer than its lease"
                );
            }
            Err(error) => {
                tracing::warn!(schedule = name, slot, %error, "the end of a run is not stored: it will count as abandoned");
            }
        }
        outcome
    }

    /// Ends a run, and asks again a few times if Redis is away for a moment.
    async fn finish(&self, token: &str, slot: u64, failed: bool) -> Result<bool> {
        const PAUSES: [Duration; 3] =
            [Duration::from_millis(50), Duration::from_millis(500), Duration::from_secs(2)];
        let mut may_have_ended = false;
        for pause in PAUSES {
            match self.state.finish(token, slot, failed).await {
                Ok(was_under_way) => return Ok(was_under_way || may_have_ended),
                Err(error) => may_have_ended |= error.outcome() == Outcome::Unknown,
            }
            platform::sleep(pause).await;
        }
        self.state.finish(token, slot, failed).await.map(|was| was || may_have_ended)
    }

    /// Returns when the run is not under way any more, as far as Redis or this process's own clock can tell.
    async fn renew_until_lost(&self, token: &str, slot: u64, mut sent: Instant) {
        let lease = self.schedule.lease;
        let mut pause = lease / 3;
        loop {
            platform::sleep(pause).await;
            let now = Instant::now();
            let left = lease.saturating_sub(now.duration_since(sent));
            // A renewal that does not return counts as one that failed.
            match platform::timeout(left, platform::boxed(|| self.state.renew(token, slot))).await {
                Some(Ok(true)) => {
                    sent = now;
                    pause = lease / 3;
                }
                Some(Ok(false)) | None => return,
                Some(Err(_)) if sent.elapsed() >= lease => return,
                Some(Err(_)) => pause = lease / 10,
            }
        }
    }

    /// The error of a job that does not exist.
    pub(super) fn unknown(name: &str) -> Error {
        let why = format!("there is no schedule named {}", name.escape_debug());
        Error::new(ErrorKind::InvalidInput, why)
    }

    pub(super) fn is_triggered(&self) -> bool {
        matches!(self.schedule.timing, Timing::Triggered)
    }
}
