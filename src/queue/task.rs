//! A task that is added to a queue.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::{Error, ErrorKind, Result, platform};

/// The longest id, group or deduplication key, in bytes.
pub(super) const LONGEST: usize = 200;

/// A task: a payload, and the settings of its delivery.
///
/// It has an id from the start. If [`Queue::enqueue`](super::Queue::enqueue) fails without an answer, enqueue the same task again.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::queue::Task;
///
/// let task = Task::new("send the newsletter")
///     .delay(Duration::from_secs(60))
///     .priority(200)
///     .unique("newsletter 2026-12", Duration::from_secs(3600));
/// ```
#[derive(Debug, Clone)]
pub struct Task<T> {
    pub(super) payload: T,
    /// `None` if the platform has no source of randomness.
    pub(super) id: Option<String>,
    pub(super) when: When,
    pub(super) priority: u8,
    pub(super) attempts: Option<u32>,
    pub(super) poison_cap: Option<u32>,
    pub(super) ttl: Option<Option<Duration>>,
    pub(super) group: Option<String>,
    pub(super) unique: Option<(String, Duration)>,
    pub(super) children: Vec<Task<T>>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    After(Duration),
    At(SystemTime),
}

impl<T> Task<T> {
    /// A task that is due at once, with a new id.
    pub fn new(payload: T) -> Self {
        let id = platform::random_id().ok();
        Self {
            payload,
            id,
            when: When::After(Duration::ZERO),
            priority: 100,
            attempts: None,
            poison_cap: None,
            ttl: None,
            group: None,
            unique: None,
            children: Vec::new(),
        }
    }

    /// Sets the id: 1 to 200 bytes without white space and control characters, not beginning with `#` or `-`. While the queue has the task or
    /// [remembers](super::QueueOptions::remember) its end, another enqueue with the same id adds nothing.
    #[must_use]
    pub fn id(self, id: impl Into<String>) -> Self {
        Self { id: Some(id.into()), ..self }
    }

    /// The time until it is due, by the server's clock, in whole milliseconds. Default 0.
    #[must_use]
    pub fn delay(self, delay: Duration) -> Self {
        Self { when: When::After(delay), ..self }
    }

    /// The time at which it is due, compared with the server's clock.
    #[must_use]
    pub fn at(self, time: SystemTime) -> Self {
        Self { when: When::At(time), ..self }
    }

    /// Its priority: 255 is delivered first, 0 last. Default 100. Tasks of the same priority are delivered in the order of their
    /// arrival.
    #[must_use]
    pub fn priority(self, priority: u8) -> Self {
        Self { priority, ..self }
    }

    /// As [`QueueOptions::attempts`](super::QueueOptions::attempts), for this task.
    #[must_use]
    pub fn attempts(self, attempts: u32) -> Self {
        Self { attempts: Some(attempts.max(1)), ..self }
    }

    /// As [`QueueOptions::poison_cap`](super::QueueOptions::poison_cap), for this task.
    #[must_use]
    pub fn poison_cap(self, abandoned: u32) -> Self {
        Self { poison_cap: Some(abandoned.max(1)), ..self }
    }

    /// As [`QueueOptions::ttl`](super::QueueOptions::ttl), for this task.
    #[must_use]
    pub fn ttl(self, ttl: impl Into<Option<Duration>>) -> Self {
        Self { ttl: Some(ttl.into()), ..self }
    }

    /// The group of the task, such as a tenant. [`QueueOptions::group_concurrency`](super::QueueOptions::group_concurrency) limits the tasks of
    /// a group that run at the same time. The rules for an [id](Self::id) apply to the name of a group.
    #[must_use]
    pub fn group(self, group: impl Into<String>) -> Self {
        Self { group: Some(group.into()), ..self }
    }

    /// Sets a deduplication key of 1 to 200 bytes. For the time `ttl`, no other task with this key is added, also after this one is done.
    #[must_use]
    pub fn unique(self, key: impl Into<String>, ttl: Duration) -> Self {
        Self { unique: Some((key.into(), ttl)), ..self }
    }

    /// Adds a child: a task that must be done before this one is ready. If the child becomes a dead letter, this task becomes one, too. The
    /// delay of a task with children is ignored. Children may have children, up to 16 levels. A child may be a task that the queue has
    /// already, unless it is the child of another task or waits for children itself. A child must not have a
    /// [deduplication key](Self::unique).
    #[must_use]
    pub fn child(mut self, child: Task<T>) -> Self {
        self.children.push(child);
        self
    }
}

impl When {
    pub(super) fn to_arg(self) -> String {
        let millis = |time: Duration| time.as_millis().min(1 << 50);
        match self {
            Self::After(delay) => format!("+{}", millis(delay)),
            Self::At(time) => {
                format!("@{}", millis(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
            }
        }
    }
}

/// Checks a deduplication key, which is a part of a key.
pub(super) fn checked_unique(key: &str) -> Result<&str> {
    match key.len() {
        1..=LONGEST => Ok(key),
        _ => Err(Error::new(ErrorKind::InvalidInput, "a deduplication key has 1 to 200 bytes")),
    }
}

/// Checks the name of a task or a group, which is one word of its record.
pub(super) fn checked<'a>(what: &str, name: &'a str) -> Result<&'a str> {
    let refused = |why: &str| Err(Error::new(ErrorKind::InvalidInput, format!("{what} {why}")));
    if name.is_empty() || name.len() > LONGEST {
        return refused("has 1 to 200 bytes");
    }
    if name.starts_with(['#', '-']) {
        return refused("does not begin with '#' or '-'");
    }
    if name.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return refused("has no white space and no control characters");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word() {
        for good in ["a", "order:17", "é*{}", "=", "a#-"] {
            assert!(checked("an id", good).is_ok(), "{good}");
        }
        for bad in ["", " ", "a b", "a\u{1}", "a\u{85}", "#tasks", "-", &"x".repeat(201)] {
            assert!(checked("an id", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_out_of_range_are_bounded() {
        assert_eq!(When::After(Duration::MAX).to_arg(), "+1125899906842624");
        assert_eq!(When::At(UNIX_EPOCH - Duration::from_secs(1)).to_arg(), "@0");
    }
}
