use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use crate::platform::{self, Instant};
use crate::transport::{Message, Messages, Subscription, Transport};
use crate::{Error, ErrorKind, Result};

/// What a [`Subscriber`] reports.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A message.
    Message(Message),
    /// The connection was lost. Messages are missed until [`Event::Resumed`], because Redis keeps none for absent subscribers.
    Lost(Error),
    /// The subscription works again.
    Resumed,
}

/// The messages of a subscription, from [`Client::subscribe`](crate::Client::subscribe), as a stream of [`Event`]s.
///
/// It reconnects by itself. The waits grow from 100 ms to 10 s, with full jitter, and start again after a connection that
/// brought a message or lasted for a minute. Each gap in which messages may be missing is an item, so the stream never ends
/// without notice. An error that reconnecting cannot solve, such as a token that is refused, is the last item.
///
/// ```
/// use edgecask::{Event, prelude::*};
/// use futures_util::StreamExt;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// let mut changes = client.psubscribe(["policy:*"]).await?;
/// client.publish("policy:acme", "changed").await?;
/// match changes.next().await.expect("it does not end")? {
///     Event::Message(message) => assert_eq!(message.channel, "policy:acme"),
///     Event::Lost(error) => println!("missing what is published now: {error}"),
///     Event::Resumed => println!("listening again: reload what may have changed"),
///     _ => {}
/// }
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping it unsubscribes"]
pub struct Subscriber {
    events: BoxStream<'static, Result<Event>>,
}

impl Subscriber {
    pub(super) async fn start(transport: Arc<dyn Transport>, to: Subscription) -> Result<Self> {
        let messages = transport.subscribe(&to).await?;
        let state = State::Listening { messages, attempts: 0, since: Instant::now() };
        let link = Link { transport, to, state };
        Ok(Self { events: stream::unfold(link, Link::next).boxed() })
    }

    /// The next message. Gaps before it are skipped.
    ///
    /// # Errors
    /// The error that ends the subscription.
    pub async fn message(&mut self) -> Result<Message> {
        loop {
            match self.events.next().await {
                Some(Ok(Event::Message(message))) => return Ok(message),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => {
                    return Err(Error::new(ErrorKind::Disconnected, "the subscription is over"));
                }
            }
        }
    }
}

impl Stream for Subscriber {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.as_mut().poll_next(context)
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscriber").finish_non_exhaustive()
    }
}

/// A subscription that reconnects.
struct Link {
    transport: Arc<dyn Transport>,
    to: Subscription,
    state: State,
}

enum State {
    /// Connected, after this many attempts without a proven connection.
    Listening {
        messages: Messages,
        attempts: u32,
        since: Instant,
    },
    Lost {
        attempts: u32,
    },
    Over,
}

impl Link {
    async fn next(mut self) -> Option<(Result<Event>, Self)> {
        loop {
            match &mut self.state {
                State::Listening { messages, attempts, since } => {
                    let error = match messages.next().await {
                        Some(Ok(message)) => {
                            *attempts = 0;
                            return Some((Ok(Event::Message(message)), self));
                        }
                        Some(Err(error)) => error,
                        None => Error::new(ErrorKind::Disconnected, "the subscription broke off"),
                    };
                    // A server that accepts a subscription and closes it again does not count as available.
                    let attempts = if since.elapsed() >= PROVEN { 0 } else { *attempts };
                    self.state = State::Lost { attempts };
                    return Some((Ok(Event::Lost(error)), self));
                }
                State::Lost { attempts } => {
                    platform::sleep(wait(*attempts, platform::random_fraction())).await;
                    *attempts = attempts.saturating_add(1);
                    match self.transport.subscribe(&self.to).await {
                        Ok(messages) => {
                            let (attempts, since) = (*attempts, Instant::now());
                            self.state = State::Listening { messages, attempts, since };
                            return Some((Ok(Event::Resumed), self));
                        }
                        Err(error) if is_final(&error) => {
                            self.state = State::Over;
                            return Some((Err(error), self));
                        }
                        Err(error) => {
                            tracing::debug!(%error, "the subscription could not be restored yet")
                        }
                    }
                }
                State::Over => return None,
            }
        }
    }
}

/// A connection is proven after a message, or after this time. Then waits start from the beginning.
const PROVEN: Duration = Duration::from_secs(60);

/// How long to wait before the next attempt, after this many failed ones.
fn wait(attempts: u32, random: f64) -> Duration {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(10);
    FIRST.saturating_mul(2_u32.saturating_pow(attempts)).min(LONGEST).mul_f64(random)
}

/// Whether another attempt cannot succeed.
fn is_final(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Config
        | ErrorKind::InvalidInput
        | ErrorKind::Unsupported
        | ErrorKind::Unauthorized => true,
        ErrorKind::Server => {
            !error.is_transient() && !error.to_string().contains("max number of clients")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Value;
    use crate::command::{Command, Script};
    use crate::platform::BoxFuture;
    use crate::transport::{Backend, Capabilities, Results};

    #[test]
    fn waits_grow_to_ten_seconds() {
        let millis = |attempts| wait(attempts, 1.0).as_millis();
        assert_eq!([millis(0), millis(1), millis(6), millis(99)], [100, 200, 6400, 10_000]);
        assert_eq!(wait(99, 0.0), Duration::ZERO);
    }

    #[test]
    fn a_server_that_is_busy_does_not_end_a_subscription() {
        for passing in ["BUSY a script runs", "LOADING", "ERR max number of clients reached"] {
            assert!(!is_final(&Error::server(passing)), "{passing}");
        }
        assert!(is_final(&Error::server("NOPERM this user has no permissions")));
    }

    /// A server that greets, sends as many messages as it may, and closes.
    #[derive(Debug)]
    struct Closing {
        messages: usize,
    }

    impl Transport for Closing {
        fn capabilities(&self) -> Capabilities {
            Capabilities::new(Backend::Redis).subscriptions(true)
        }
        fn send<'a>(&'a self, _: &'a Command) -> BoxFuture<'a, Result<Value>> {
            Box::pin(async { Ok(Value::Nil) })
        }
        fn pipeline<'a>(&'a self, _: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
            Box::pin(async { Ok(Vec::new()) })
        }
        fn transaction<'a>(&'a self, _: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
            Box::pin(async { Ok(Vec::new()) })
        }
        fn subscribe<'a>(&'a self, _: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
            let message = || Ok(Message::new("c", "m"));
            let messages = stream::repeat_with(message).take(self.messages).boxed();
            Box::pin(async { Ok(messages) })
        }
        fn sync_token(&self) -> Option<String> {
            None
        }
        fn set_sync_token(&self, _: &str) {}

        fn register(&self, _: &Script) {}
    }

    /// How long, by a clock that only waits move, it takes until such a server was asked so often.
    async fn waited(messages: usize, times: usize) -> Duration {
        let start = tokio::time::Instant::now();
        let to = Subscription::channels(["c"]);
        let subscriber = Subscriber::start(Arc::new(Closing { messages }), to).await;
        let events = subscriber.map(|subscriber| subscriber.events).ok();
        let resumed = events.into_iter().map(|events| {
            let resumed =
                |event: &Result<Event>| std::future::ready(matches!(event, Ok(Event::Resumed)));
            events.filter(resumed).take(times).count()
        });
        futures_util::future::join_all(resumed).await;
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_greets_and_closes_is_asked_less_and_less() {
        // The waits are random, and their sum is above that of 40 first ones but once in 10^20 runs.
        let most = Duration::from_millis(100) * 40;
        assert!(waited(0, 40).await > most);
        assert!(waited(1, 40).await <= most + Duration::from_millis(40));
    }
}
