//! Whether the commands of a call have left this process, for a call that is ended before its answer.
//!
//! [`limited`] ends a call, and reports its outcome. Over TCP the transport reports what it knows: [`unsent`] while a
//! connection is being made, and [`sent`] when a command is handed to one. A report belongs to all limits around it,
//! however deeply they are nested. Each of them is known to the thread while it polls its call, as a task-local value is.
//!
//! A layer that shares one future between several callers, or that calls a second transport, reports for its callers by
//! [`note`]. Without any report the outcome stays unknown.

use std::future::Future;
use std::time::Duration;

use crate::platform::{self, MaybeSend};
use crate::{Error, Result};

#[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
pub(crate) use self::reports::{sent, unsent};

/// The result of a call, or an error of kind [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) if it takes longer than
/// `limit`. The call is dropped then.
pub(crate) async fn limited<T>(
    limit: Duration,
    call: impl Future<Output = Result<T>> + MaybeSend,
) -> Result<T> {
    #[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
    {
        let mut reports = reports::Reports::default();
        let waits = {
            let mut call = std::pin::pin!(call);
            let reporting =
                std::future::poll_fn(|context| reports.collect(|| call.as_mut().poll(context)));
            match platform::timeout(limit, reporting).await {
                Some(result) => return result,
                None => reports.is_waiting(),
            }
        };
        // Another caller waits for a command that is still waiting now, so it may be sent later.
        if waits && !reports.is_waiting() && !reports.is_sent() {
            let message = format!("no connection within {limit:?}, so nothing was sent");
            let error = Error::new(crate::ErrorKind::Timeout, message);
            return Err(error.with_outcome(crate::Outcome::NotSent));
        }
        Err(Error::timed_out(limit))
    }
    #[cfg(not(all(feature = "tcp", not(target_arch = "wasm32"))))]
    platform::timeout(limit, call).await.unwrap_or_else(|| Err(Error::timed_out(limit)))
}

/// Reports that a command may have been sent, unless its result says that it was not.
pub(crate) fn note<T>(result: &Result<T>) {
    #[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
    if !result.as_ref().is_err_and(|error| error.outcome() == crate::Outcome::NotSent) {
        sent();
    }
    #[cfg(not(all(feature = "tcp", not(target_arch = "wasm32"))))]
    let _ = result;
}

#[cfg(all(feature = "tcp", not(target_arch = "wasm32")))]
mod reports {
    use std::cell::RefCell;
    use std::future::Future;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    use crate::Result;

    /// The reports to one limit.
    #[derive(Debug, Default)]
    pub(super) struct Reports {
        sent: bool,
        commands: Vec<Arc<AtomicU8>>,
    }

    /// The states of a command that needs a connection.
    const WAITING: u8 = 0;
    const SENT: u8 = 1;
    /// The call failed, or was dropped, before there was a connection.
    const ENDED: u8 = 2;

    thread_local! {
        /// The limits whose calls this thread polls, the outermost first.
        static CURRENT: RefCell<Vec<Reports>> = const { RefCell::new(Vec::new()) };
    }

    impl Reports {
        /// Collects what is reported during this poll.
        pub(super) fn collect<T>(&mut self, poll: impl FnOnce() -> T) -> T {
            struct Collecting<'a>(&'a mut Reports);
            impl Drop for Collecting<'_> {
                fn drop(&mut self) {
                    *self.0 = CURRENT.with_borrow_mut(Vec::pop).unwrap_or_default();
                }
            }
            CURRENT.with_borrow_mut(|current| current.push(std::mem::take(self)));
            let _collecting = Collecting(self);
            poll()
        }

        fn any(&self, state: u8) -> bool {
            self.commands.iter().any(|command| command.load(Ordering::SeqCst) == state)
        }

        /// Whether a command waits for its connection.
        pub(super) fn is_waiting(&self) -> bool {
            self.any(WAITING)
        }

        pub(super) fn is_sent(&self) -> bool {
            self.sent || self.any(SENT)
        }
    }

    /// Reports that a command is being sent.
    pub(crate) fn sent() {
        CURRENT.with_borrow_mut(|current| {
            for reports in current {
                reports.sent = true;
            }
        });
    }

    /// Makes the connection for a command. The command is sent when this succeeds.
    pub(crate) async fn unsent<T>(connect: impl Future<Output = Result<T>>) -> Result<T> {
        struct Command(Arc<AtomicU8>);
        impl Drop for Command {
            fn drop(&mut self) {
                self.0.store(ENDED, Ordering::SeqCst);
            }
        }
        let state = Arc::new(AtomicU8::new(WAITING));
        CURRENT.with_borrow_mut(|current| {
            for reports in current {
                reports.commands.push(Arc::clone(&state));
            }
        });
        let command = Command(Arc::clone(&state));
        let connection = connect.await?;
        std::mem::forget(command);
        state.store(SENT, Ordering::SeqCst);
        Ok(connection)
    }
}

#[cfg(all(test, feature = "tcp"))]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::{join, pending};

    use super::*;
    use crate::{ErrorKind, Outcome};

    async fn outcome(call: impl Future<Output = Result<()>> + Send) -> Option<Outcome> {
        let error = limited(Duration::from_secs(1), call).await.err()?;
        assert_eq!(error.kind(), ErrorKind::Timeout);
        Some(error.outcome())
    }

    fn connecting() -> impl Future<Output = Result<()>> + Send {
        unsent(pending::<Result<()>>())
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_call_that_waits_for_its_connection_alone_was_not_sent() {
        assert_eq!(outcome(pending()).await, Some(Outcome::Unknown), "nothing was reported");
        assert_eq!(outcome(connecting()).await, Some(Outcome::NotSent));
        let nested = limited(Duration::from_secs(60), connecting());
        assert_eq!(outcome(nested).await, Some(Outcome::NotSent));

        let on_its_way = async {
            unsent(async { Ok(()) }).await?;
            pending().await
        };
        assert_eq!(outcome(on_its_way).await, Some(Outcome::Unknown));
        let again = async {
            sent();
            connecting().await
        };
        assert_eq!(outcome(again).await, Some(Outcome::Unknown), "the first attempt was sent");
        let failed = async {
            let refused = Error::new(ErrorKind::Connect, "");
            assert!(unsent(async { Err::<(), _>(refused) }).await.is_err());
            connecting().await
        };
        assert_eq!(outcome(failed).await, Some(Outcome::NotSent));
        let elsewhere = async {
            note(&Err::<(), _>(Error::new(ErrorKind::Disconnected, "")));
            connecting().await
        };
        assert_eq!(outcome(elsewhere).await, Some(Outcome::Unknown));
    }

    #[tokio::test(start_paused = true)]
    async fn a_command_that_others_wait_for_may_still_be_sent() {
        let shared = connecting().boxed().shared();
        let other = shared.clone();
        let (hasty, patient) = join(outcome(shared), async {
            tokio::time::timeout(Duration::from_secs(2), other).await.is_err()
        })
        .await;
        assert_eq!((hasty, patient), (Some(Outcome::Unknown), true));
    }
}
