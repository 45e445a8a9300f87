use std::time::Duration;

/// The largest integer that a Lua script represents exactly.
const MOST: u64 = 1 << 53;

/// The settings of an [`Events`](super::Events), for all of its topics.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::events::EventsOptions;
///
/// let options = EventsOptions::new().keep(500).keep_for(Duration::from_secs(86_400));
/// // Only live: a subscriber that was not connected misses the event, and gets a gap.
/// let live = EventsOptions::new().keep(0);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct EventsOptions {
    pub(super) kept: u64,
    pub(super) kept_for: Duration,
    pub(super) position_kept_for: Duration,
    pub(super) repeats_known_for: Duration,
    pub(super) max_event_bytes: usize,
    pub(super) buffer: usize,
    pub(super) live: bool,
    pub(super) poll: (Duration, Duration),
    pub(super) check_every: Duration,
    pub(super) present_for: Duration,
    pub(super) max_present: u64,
}

impl EventsOptions {
    /// The default settings; each method documents its default.
    pub fn new() -> Self {
        Self {
            kept: 1000,
            kept_for: Duration::from_secs(3600),
            position_kept_for: Duration::from_secs(30 * 86_400),
            repeats_known_for: Duration::from_secs(60),
            max_event_bytes: 64 * 1024,
            buffer: 1024,
            live: true,
            poll: (Duration::from_secs(1), Duration::from_secs(30)),
            check_every: Duration::from_secs(60),
            present_for: Duration::from_secs(60),
            max_present: 1000,
        }
    }

    /// How many events the history of a topic keeps, at most 2⁵³. With 0 there is no history: a subscriber that was not connected gets
    /// a gap. Default: 1000.
    pub fn keep(mut self, events: u64) -> Self {
        self.kept = events.min(MOST);
        self
    }

    /// The time to live of a topic's history after its last event, at least a millisecond. Default: an hour.
    pub fn keep_for(mut self, time: Duration) -> Self {
        self.kept_for = time;
        self
    }

    /// For how long after its last event a topic remembers its position. After that the next event begins a new epoch, which is a gap for
    /// subscribers. It is at least [`keep_for`](Self::keep_for). Default: 30 days.
    pub fn remember_position_for(mut self, time: Duration) -> Self {
        self.position_kept_for = time;
        self
    }

    /// For how long the id of an event is remembered, so that publishing it again has no effect. A repeated request that arrives later
    /// publishes a second event for subscribers that subscribed since. At least 10 seconds, because the library itself repeats requests
    /// without an answer. Default: 60 seconds. It costs a key for each event of that time.
    pub fn remember_ids_for(mut self, time: Duration) -> Self {
        self.repeats_known_for = time.max(Duration::from_secs(10));
        self
    }

    /// The most bytes that an event may have as JSON; a larger one is refused. Default: 64 KiB.
    pub fn max_event_bytes(mut self, bytes: usize) -> Self {
        self.max_event_bytes = bytes.max(1);
        self
    }

    /// How many live events wait in memory for a slow subscriber. If there are more, they are dropped, and read from the history later.
    /// Default: 1024.
    pub fn buffer(mut self, events: usize) -> Self {
        self.buffer = events.max(1);
        self
    }

    /// Whether subscribers listen by Pub/Sub where the transport supports it. Otherwise they poll. Default: `true`.
    pub fn live(mut self, live: bool) -> Self {
        self.live = live;
        self
    }

    /// The shortest and the longest pause of a subscriber that polls. After an event the pause is the shortest one; each read without an
    /// event doubles it. Up to a fifth is added at random. Default: 1 and 30 seconds.
    pub fn poll_every(mut self, shortest: Duration, longest: Duration) -> Self {
        let shortest = shortest.max(Duration::from_millis(1));
        self.poll = (shortest, longest.max(shortest));
        self
    }

    /// After this time without an event, a topic's Pub/Sub subscription reads the position of the last event. This detects a message that was
    /// lost while the connection stayed, for instance in a failover. Each check costs one command for each topic and process (in a Worker:
    /// for each subscription). At least a millisecond; zero: never. Default: a minute.
    pub fn check_every(mut self, time: Duration) -> Self {
        self.check_every = match time.is_zero() {
            true => time,
            false => time.max(Duration::from_millis(1)),
        };
        self
    }

    /// For how long a member of a topic's [`Presence`](super::Presence) counts as present after its last heartbeat. A heartbeat is sent in
    /// each third of this time. From a second to an hour. All processes that share a topic must use the same value. Default: 60 seconds.
    pub fn present_for(mut self, time: Duration) -> Self {
        self.present_for = time.clamp(Duration::from_secs(1), Duration::from_secs(3600));
        self
    }

    /// The most members of a topic's presence, at most 2⁵³. [`Presence::join`](super::Presence::join) refuses another one. Default: 1000.
    pub fn max_present(mut self, members: u64) -> Self {
        self.max_present = members.min(MOST);
        self
    }

    pub(super) fn has_history(&self) -> bool {
        self.kept > 0
    }

    /// How many events are read at once: at most about 4 MiB of the longest ones.
    pub(super) fn page(&self) -> usize {
        (4 * 1024 * 1024 / self.max_event_bytes).clamp(2, 128)
    }
}

impl Default for EventsOptions {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_option_breaks_a_script() {
        let options = EventsOptions::new()
            .keep(u64::MAX)
            .max_present(u64::MAX)
            .present_for(Duration::MAX)
            .remember_ids_for(Duration::ZERO)
            .check_every(Duration::from_nanos(1));
        assert_eq!((options.kept, options.max_present), (MOST, MOST));
        let times = [options.present_for, options.repeats_known_for, options.check_every];
        assert_eq!(times.map(|time| time.as_millis()), [3_600_000, 10_000, 1]);
        assert!(EventsOptions::new().check_every(Duration::ZERO).check_every.is_zero());
    }
}
