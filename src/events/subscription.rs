use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use serde::de::DeserializeOwned;

use super::cursor::{Cursor, Next, Verdict};
use super::feed::Check;
use super::frame::Frame;
use super::inbox::{Inbox, Signal};
use super::item::{Gap, GapReason, Item, Start};
use super::pages::Pages;
use super::position::Position;
use super::shared::Shared;
use super::source::Source;
use super::store::HistoryRead;
use crate::platform::{self, boxed};
use crate::{Error, ErrorKind, Result};

/// The events of a topic, from [`Topic::subscribe`](super::Topic::subscribe), as a stream of [`Item`]s.
///
/// It reconnects by itself, and reads the events that it missed from the history. Events that the history no longer has are a
/// [`Gap`]. After a transient error of Redis it tries again, also if Redis has no memory left (`OOM`) or cannot write to its disk
/// (`MISCONF`); any other error is the last item.
///
/// Dropping the future of an item loses no item.
#[must_use = "dropping it unsubscribes"]
pub struct Subscription<T> {
    items: BoxStream<'static, Result<Next>>,
    progress: Arc<Progress>,
    position: Option<Position>,
    pub(super) has_history: bool,
    of: PhantomData<fn() -> T>,
}

/// The counters of a subscription, which its handle and its reader share.
struct Progress {
    /// The number of events after the last given one that were read or are in the history.
    lag: AtomicU64,
    /// The number of commands.
    sent: AtomicU64,
    inbox: Mutex<Option<Arc<Inbox>>>,
}

impl Progress {
    fn inbox(&self) -> MutexGuard<'_, Option<Arc<Inbox>>> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listen(&self, inbox: Option<Arc<Inbox>>) {
        *self.inbox() = inbox;
    }
}

impl<T: DeserializeOwned + 'static> Subscription<T> {
    pub(super) async fn start(topic: Arc<Shared>, start: Start) -> Result<Self> {
        let has_history = topic.hub.options.has_history();
        let read = match topic.hub.broadcast() {
            Some(_) => HistoryRead { channel: topic.store.key.to_string(), page: None },
            None => topic.store.begin(&topic.hub).await?,
        };
        let cursor = Cursor::new(start, read.page.map(|page| page.head));
        let mut source = topic.hub.source(&read.channel, check(&topic)).await?;
        let (mut first, mut next) = (true, VecDeque::new());
        if !has_history && start != Start::Now {
            next.push_back(missed(GapReason::Disconnected));
        }
        if topic.hub.is_live() {
            match source.next().await {
                Signal::Ended(error) => return Err(error),
                Signal::Overflow if !has_history => next.push_back(missed(GapReason::TooSlow)),
                _ => {}
            }
            first = false;
        }
        let (lag, sent) = (AtomicU64::new(0), AtomicU64::new(1));
        let progress = Arc::new(Progress { lag, sent, inbox: Mutex::new(source.inbox()) });
        let pages = Pages::new(topic.hub.options.page());
        let mut reader = Reader {
            topic,
            channel: read.channel,
            source,
            cursor,
            pages,
            next,
            must_read: has_history && !first,
            has_history,
            slow: false,
            failures: 0,
            ended: 0,
            head: None,
            over: false,
            progress: Arc::clone(&progress),
        };
        let position = reader.cursor.position();
        if reader.must_read {
            reader.read_page().await?;
        }
        let items = stream::unfold(reader, Reader::next).boxed();
        Ok(Self { items, progress, position, has_history, of: PhantomData })
    }

    /// The position of the last item, or of the start. Another subscription can continue there by [`Start::After`]. `None` for a topic
    /// without a history, and before the first item of [`Start::Oldest`].
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// The number of events that are known to wait for this subscriber. If it grows, the subscriber is too slow. No command.
    pub fn lag(&self) -> u64 {
        let Progress { lag, .. } = &*self.progress;
        let live = self.progress.inbox().as_ref().map_or(0, |inbox| inbox.lag() as u64);
        lag.load(Ordering::Relaxed).saturating_add(live)
    }

    /// The number of commands that this subscription has sent since it began.
    pub fn commands(&self) -> u64 {
        self.progress.sent.load(Ordering::Relaxed)
    }
}

impl<T: DeserializeOwned + 'static> Stream for Subscription<T> {
    type Item = Result<Item<T>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let next = match std::task::ready!(self.items.as_mut().poll_next(context)) {
                Some(Ok(next)) => next,
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            };
            let item = match next {
                Next::At(position) => {
                    self.position = Some(position);
                    continue;
                }
                Next::Gap(gap) => {
                    self.position = gap.position;
                    Item::Gap(gap)
                }
                Next::Frame(frame) => {
                    self.position = frame.position.or(self.position);
                    frame.read()
                }
            };
            return Poll::Ready(Some(Ok(item)));
        }
    }
}

/// The check by which the topic's feed detects messages that were lost while its connection stayed.
fn check(topic: &Arc<Shared>) -> Option<Check> {
    let options = &topic.hub.options;
    let (every, topic) = (options.check_every, Arc::clone(topic));
    (options.has_history() && !every.is_zero()).then(|| Check {
        every,
        head: Box::new(move || {
            let topic = Arc::clone(&topic);
            boxed(|| async move {
                let read = topic.store.begin(&topic.hub).await;
                read.ok()?.page.map(|page| page.head)
            })
        }),
    })
}

/// A gap without a history.
fn missed(reason: GapReason) -> Next {
    Next::Gap(Gap { reason, missed: None, position: None })
}

/// Whether the same request may succeed later: Redis is unreachable, or cannot write at present.
pub(super) fn may_pass(error: &Error) -> bool {
    error.is_transient() || matches!(error.code(), Some("OOM" | "MISCONF"))
}

/// Waits before the next attempt, after this number of failures.
pub(super) async fn wait(failures: u32) {
    let longest = Duration::from_millis(100) * 2_u32.pow(failures.min(7));
    let longest = longest.min(Duration::from_secs(10));
    platform::sleep(longest.mul_f64(platform::random_fraction())).await;
}

/// Opens a new source in place of one that ended with this error, which has happened so often since the last message.
pub(super) async fn renew_source(
    source: &mut Source,
    ended: &mut u32,
    error: Error,
    open: impl Future<Output = Result<Source>>,
) -> Result<()> {
    if !may_pass(&error) {
        return Err(error);
    }
    tracing::debug!(%error, "a subscription takes a new source");
    wait(*ended).await;
    *ended = ended.saturating_add(1);
    match open.await {
        Ok(new) => *source = new,
        // The old source returns its end again, and the next call retries.
        Err(error) if may_pass(&error) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

impl<T> fmt::Debug for Subscription<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("position", &self.position).finish_non_exhaustive()
    }
}

struct Reader {
    topic: Arc<Shared>,
    channel: String,
    source: Source,
    cursor: Cursor,
    pages: Pages,
    next: VecDeque<Next>,
    /// Whether to read the history before anything else.
    must_read: bool,
    has_history: bool,
    /// Frames were dropped since the last read.
    slow: bool,
    /// The number of successive reads that failed.
    failures: u32,
    /// The number of ends of the source since the last frame.
    ended: u32,
    head: Option<Position>,
    over: bool,
    progress: Arc<Progress>,
}

impl Reader {
    async fn next(mut self) -> Option<(Result<Next>, Self)> {
        loop {
            if let Some(next) = self.next.pop_front() {
                self.note_lag();
                return Some((Ok(next), self));
            }
            if self.over {
                return None;
            }
            if self.must_read {
                if let Err(error) = self.read_page().await {
                    self.over = true;
                    return Some((Err(error), self));
                }
                continue;
            }
            match self.source.next().await {
                Signal::Connected => {
                    self.must_read = self.has_history;
                    if !self.has_history {
                        self.next.push_back(missed(GapReason::Disconnected));
                    }
                }
                Signal::Overflow if self.has_history => (self.slow, self.must_read) = (true, true),
                Signal::Overflow => self.next.push_back(missed(GapReason::TooSlow)),
                Signal::Frame(frame) => {
                    self.ended = 0;
                    self.take(frame);
                }
                Signal::Ended(error) => {
                    if let Err(error) = self.renew_source(error).await {
                        self.over = true;
                        return Some((Err(error), self));
                    }
                }
            }
        }
    }

    /// Replaces a source that ended, for instance with the runtime of another subscriber. The history is read when the new source is
    /// connected.
    async fn renew_source(&mut self, error: Error) -> Result<()> {
        let open = self.topic.hub.source(&self.channel, check(&self.topic));
        renew_source(&mut self.source, &mut self.ended, error, open).await?;
        self.progress.listen(self.source.inbox());
        Ok(())
    }

    fn take(&mut self, frame: Frame) {
        let verdict = match self.has_history {
            true => self.cursor.judge(&frame),
            false => self.cursor.judge_live(&frame),
        };
        match verdict {
            Verdict::Give => {
                self.head = frame.position.or(self.head);
                self.next.push_back(Next::Frame(frame));
            }
            Verdict::Drop => {
                let moved = frame.position.filter(|at| self.cursor.position() == Some(*at));
                self.next.extend(moved.map(Next::At));
            }
            Verdict::Read => self.must_read = true,
        }
    }

    /// Reads a page of the history. After a transient error it waits, and after an answer that is too long it takes a smaller page.
    async fn read_page(&mut self) -> Result<()> {
        self.slow |= self.source.drop_kept();
        self.progress.sent.fetch_add(1, Ordering::Relaxed);
        let (hub, cursor) = (&self.topic.hub, &self.cursor);
        let ask = self.pages.next();
        let read = self.topic.store.read_after(hub, cursor.position(), cursor.last_id(), ask);
        let page = match read.await {
            Ok(HistoryRead { page: Some(page), .. }) => page,
            Ok(_) => {
                let why = "the answer has no position of a history";
                return Err(Error::new(ErrorKind::Protocol, why));
            }
            Err(error) if self.pages.shrink(&error) => {
                tracing::debug!(%error, "an answer cannot be read, a smaller page is requested");
                return Ok(());
            }
            Err(error) if may_pass(&error) => {
                tracing::debug!(%error, "events cannot be read yet");
                wait(self.failures).await;
                self.failures = self.failures.saturating_add(1);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        self.failures = 0;
        self.pages.grow();
        self.head = Some(page.head.0);
        self.must_read = self.cursor.take(page, self.slow, &mut self.next);
        self.slow &= self.must_read;
        if !self.next.is_empty() {
            self.source.found();
        }
        self.note_lag();
        Ok(())
    }

    fn note_lag(&self) {
        let read = self.next.len() as u64;
        let unread = match (self.head, self.cursor.position()) {
            (Some(head), Some(at)) if head.epoch == at.epoch => {
                head.offset.saturating_sub(at.offset)
            }
            _ => 0,
        };
        self.progress.lag.store(read.saturating_add(unread), Ordering::Relaxed);
    }
}
