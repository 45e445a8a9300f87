//! The primary that sentinels name, and how this is kept up to date.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::connection::Connection;
use super::dial::Dialer;
use super::endpoint::{Address, Endpoint};
use super::resp::{Batch, Reply};
use super::subscribe::subscribe_at;
use crate::command::Command;
use crate::platform::{BoxFuture, boxed};
use crate::transport::{Messages, Subscription};
use crate::{Error, ErrorKind, FromValue, Outcome, Result, Value};

/// Sentinels that watch a primary of this name.
pub(super) struct Sentinels {
    pub(super) sentinels: Vec<Endpoint>,
    name: String,
    /// The settings of the primary. Its address comes from the sentinels.
    pub(super) primary: Endpoint,
    known: Mutex<Known>,
}

/// The state of the primary, as far as it is known.
#[derive(Default)]
struct Known {
    /// The address of the server that was reached last.
    address: Option<Address>,
    /// The configuration epoch of the newest answer. A failover increases it, so a lower one belongs to an old primary.
    epoch: u64,
}

/// The channels of a sentinel that announce a new primary. The first one announces the end of a failover. The sentinel that
/// leads the failover sends the second one as soon as the new primary accepts writes.
pub(super) const CHANNELS: [&str; 2] = ["+switch-master", "+promoted-slave"];

/// How long an answer that is older than what is known waits for a newer one at most.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600);

/// An address, and the configuration epoch of the sentinel that named it.
type Named = (Address, u64);

/// The result of a step on the way to the primary.
enum Step {
    Named(Result<Named>),
    Reached(u64, Box<Result<(Endpoint, Connection)>>),
}

impl Sentinels {
    pub(super) fn new(sentinels: Vec<Endpoint>, name: String, primary: Endpoint) -> Self {
        Self { sentinels, name, primary, known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to the current primary, and how it was made. All sentinels are asked at once, because some may hang. The
    /// first server that reports the role of a primary, or is too busy to report one, is taken. An old primary may report
    /// this role for seconds after a failover. So an answer that is older than what is known counts only if no other
    /// answer leads to a primary in half of the time for connecting. `primary` holds the settings without the address.
    pub(super) async fn connect(
        &self,
        dialer: &Dialer,
        primary: &Endpoint,
    ) -> Result<(Endpoint, Connection)> {
        let mut steps: FuturesUnordered<BoxFuture<'_, Step>> = self
            .sentinels
            .iter()
            .map(|sentinel| boxed(|| async { Step::Named(self.ask(dialer, sentinel).await) }))
            .collect();
        let half = (dialer.connect_timeout / 2).min(LONGEST_PATIENCE);
        let patience = Instant::now() + half;
        let (mut named, mut outdated, mut takes_outdated) = (Vec::new(), Vec::new(), false);
        let (mut refused, mut refused_by_sentinel) = (None, None);
        let mut last = Error::new(ErrorKind::Config, "there is no URL of a sentinel");
        loop {
            let step = if outdated.is_empty() {
                steps.next().await
            } else {
                tokio::time::timeout_at(patience, steps.next()).await.unwrap_or(None)
            };
            let (address, epoch) = match step {
                None => match outdated.pop() {
                    Some(answer) => {
                        takes_outdated = true;
                        answer
                    }
                    None => break,
                },
                Some(Step::Named(Ok(answer))) => answer,
                Some(Step::Named(Err(error))) => {
                    if refused_a_user(&error) {
                        refused_by_sentinel = Some(error.clone());
                    }
                    last = error;
                    continue;
                }
                Some(Step::Reached(epoch, reached)) => match *reached {
                    Ok((endpoint, connection)) => {
                        if self.accept(&endpoint.address, epoch, takes_outdated) {
                            return Ok((endpoint, connection));
                        }
                        // A failover ended while this server was being reached.
                        named.retain(|known| known != &endpoint.address);
                        (endpoint.address.clone(), epoch)
                    }
                    Err(error) => {
                        if !matches!(error.kind(), ErrorKind::Connect | ErrorKind::Timeout) {
                            refused = Some(error.clone());
                        }
                        last = error;
                        continue;
                    }
                },
            };
            if named.contains(&address) {
                continue;
            }
            if epoch < self.known().epoch && !takes_outdated {
                outdated.push((address, epoch));
                continue;
            }
            named.push(address.clone());
            let endpoint = primary.at(address);
            steps.push(boxed(move || async move {
                Step::Reached(epoch, Box::new(reach(dialer, endpoint).await))
            }));
        }
        if let Some(error) = refused.or(refused_by_sentinel) {
            return Err(error.with_outcome(Outcome::NotSent));
        }
        // Nothing was sent to the primary, whichever error the sentinels had.
        Err(Error::new(ErrorKind::Connect, "no primary that the sentinels name can be reached")
            .with_source(last))
    }

    /// Takes a server as the primary, unless a newer one is known.
    fn accept(&self, address: &Address, epoch: u64, even_outdated: bool) -> bool {
        let mut known = self.known();
        if epoch < known.epoch && !even_outdated {
            return false;
        }
        *known = Known { address: Some(address.clone()), epoch };
        true
    }

    /// Records the answer of a sentinel. Returns whether it names another primary, by a newer configuration.
    fn note(&self, (address, epoch): Named) -> bool {
        let mut known = self.known();
        if epoch <= known.epoch {
            return false;
        }
        known.epoch = epoch;
        known.address.as_ref() != Some(&address)
    }

    /// Asks all sentinels again. `changed` is called as soon as one of them names another primary.
    pub(super) async fn ask_again(&self, dialer: &Dialer, changed: impl Fn()) {
        let mut answers: FuturesUnordered<_> =
            self.sentinels.iter().map(|sentinel| self.ask(dialer, sentinel)).collect();
        while let Some(answer) = answers.next().await {
            if answer.is_ok_and(|answer| self.note(answer)) {
                changed();
            }
        }
    }

    /// Asks one sentinel again. Returns whether it names another primary.
    pub(super) async fn ask_one(&self, dialer: &Dialer, sentinel: &Endpoint) -> Result<bool> {
        Ok(self.note(self.ask(dialer, sentinel).await?))
    }

    /// The messages of a sentinel about a new primary.
    pub(super) async fn messages(&self, dialer: &Dialer, sentinel: &Endpoint) -> Result<Messages> {
        let channels = CHANNELS.map(|name| name.into()).to_vec();
        subscribe_at(dialer, sentinel, &Subscription::Channels(channels)).await
    }

    /// Whether a message of a sentinel is about this primary.
    pub(super) fn concerns(&self, payload: &[u8]) -> bool {
        payload.split(|byte| *byte == b' ').any(|word| word == self.name.as_bytes())
    }

    /// Whether `+switch-master` names a server that is not the one in use: `name old-host old-port new-host new-port`.
    pub(super) fn names_another(&self, payload: &[u8]) -> bool {
        let text = String::from_utf8_lossy(payload);
        let words: Vec<&str> = text.split(' ').collect();
        let [_, _, _, host, port] = words[..] else { return false };
        let Ok(port) = port.parse() else { return false };
        let address = self.primary.address.beside(host.to_owned(), port);
        self.known().address.as_ref().is_some_and(|known| *known != address)
    }

    async fn ask(&self, dialer: &Dialer, sentinel: &Endpoint) -> Result<Named> {
        let answer = async {
            let sentinel = dialer.connect(sentinel).await?;
            let sentinel_command = |word| Command::new("SENTINEL").arg(word).arg(&self.name);
            let questions = ["GET-MASTER-ADDR-BY-NAME", "MASTER"].map(sentinel_command);
            let replies = sentinel.send_all(Batch::of(questions.iter()));
            let mut replies = dialer.in_time(replies).await?.into_iter().map(Reply::into_result);
            let mut next = || replies.next().unwrap_or(Ok(Value::Nil));
            Ok((next()?, next()))
        };
        let (address, state) = answer.await.map_err(|error: Error| {
            if error.kind() != ErrorKind::Unauthorized {
                return error;
            }
            let message = "a sentinel refused the user name or password of the sentinels: see TcpOptions::sentinel_password";
            Error::new(ErrorKind::Connect, message).with_source(error)
        })?;
        let Some((host, port)) = Option::<(String, u16)>::from_value(address)? else {
            return Err(Error::new(ErrorKind::Config, "a sentinel knows no primary of this name"));
        };
        // Not every server that acts as a sentinel knows this command, and not every user may send it.
        let state = state.and_then(BTreeMap::<String, Value>::from_value);
        let epoch = state.ok().and_then(|mut state| state.remove("config-epoch"));
        let epoch = epoch.and_then(|epoch| u64::from_value(epoch).ok()).unwrap_or(0);
        Ok((self.primary.address.beside(host, port), epoch))
    }
}

fn refused_a_user(error: &Error) -> bool {
    std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<Error>())
        .is_some_and(|source| source.kind() == ErrorKind::Unauthorized)
}

async fn reach(dialer: &Dialer, endpoint: Endpoint) -> Result<(Endpoint, Connection)> {
    let connection = dialer.connect(&endpoint).await?;
    let role = async { connection.send(&Command::new("ROLE")).await?.into_result() };
    let role = match dialer.in_time(role).await {
        // The server is reached. It answers every command like this.
        Err(error) if error.code() == Some("BUSY") => return Ok((endpoint, connection)),
        role => role?,
    };
    if is_primary(role)? {
        return Ok((endpoint, connection));
    }
    Err(Error::new(ErrorKind::Connect, "the server that a sentinel names is no longer a primary"))
}

/// Whether a reply to ROLE comes from a primary.
pub(super) fn is_primary(role: Value) -> Result<bool> {
    let role = Vec::<Value>::from_value(role)?.into_iter().next().unwrap_or_default();
    Ok(String::from_value(role)? == "master")
}
