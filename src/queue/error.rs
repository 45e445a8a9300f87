//! The errors of queues.

use crate::{BoxError, Error, ErrorKind, Outcome};

/// Why a task was not added or settled. No message shows a payload.
///
/// It converts into [`edgecask::Error`](crate::Error) by `?`: [`Full`](Self::Full) and [`Lost`](Self::Lost) become
/// [`ErrorKind::Conflict`], [`TooLarge`](Self::TooLarge) becomes [`ErrorKind::InvalidInput`].
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The queue has as many tasks as [`QueueOptions::max_tasks`](super::QueueOptions::max_tasks) allows. Nothing was added.
    #[error("the queue {queue} is full: it has {tasks} tasks")]
    Full {
        /// The queue.
        queue: String,
        /// How many tasks it has, without dead letters.
        tasks: u64,
    },
    /// A payload is longer than [`QueueOptions::max_payload_bytes`](super::QueueOptions::max_payload_bytes). Nothing was sent.
    #[error("a payload for the queue {queue} has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// The queue.
        queue: String,
        /// The length of the payload as JSON.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The caller does not hold the task any more: its lease ended, and the task was delivered again, settled by another holder, or removed;
    /// or Redis lost it. The call had no effect.
    #[error("the task {id} of the queue {queue} is not held any more")]
    Lost {
        /// The queue.
        queue: String,
        /// The task.
        id: String,
    },
    /// Redis is unreachable or refused the command, or an argument is not valid.
    #[error(transparent)]
    Redis(#[from] Error),
}

/// The error of a handler whose task can never succeed.
///
/// ```
/// use edgecask::BoxError;
/// use edgecask::queue::Fatal;
///
/// let error: BoxError = Fatal::new("there is no such address").into();
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Fatal(BoxError);

impl Fatal {
    /// A fatal error with this reason.
    pub fn new(reason: impl Into<BoxError>) -> Self {
        Self(reason.into())
    }
}

impl From<QueueError> for Error {
    fn from(error: QueueError) -> Self {
        let kind = match &error {
            QueueError::Redis(error) => return error.clone(),
            QueueError::TooLarge { .. } => {
                return Self::new(ErrorKind::InvalidInput, error.to_string());
            }
            QueueError::Full { .. } | QueueError::Lost { .. } => ErrorKind::Conflict,
        };
        Self::new(kind, error.to_string()).with_outcome(Outcome::Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_becomes_one_of_the_crate() {
        let full = QueueError::Full { queue: "emails".to_owned(), tasks: 7 };
        let error = Error::from(full);
        assert_eq!(error.to_string(), "conflict: the queue emails is full: it has 7 tasks");
        assert_eq!(error.outcome(), Outcome::Refused);
        let away = QueueError::from(Error::new(ErrorKind::Connect, "refused"));
        assert_eq!(Error::from(away).kind(), ErrorKind::Connect);
    }
}
