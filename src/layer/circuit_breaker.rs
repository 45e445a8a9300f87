use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Layer;
use crate::command::{Command, Script};
use crate::platform::{BoxFuture, Instant, boxed};
use crate::transport::{Capabilities, Messages, Results, Subscription, Transport};
use crate::{Error, ErrorKind, Result, Value};

/// Sends nothing to a server that does not answer, and probes it after some time.
///
/// - **Closed**, the normal state: calls pass. After some failures in a row ([`failures`](Self::failures)) the circuit opens.
/// - **Open**, for [`open_for`](Self::open_for): calls fail at once with [`ErrorKind::CircuitOpen`], and nothing is sent.
/// - **Half-open**, after that: one call passes as a probe. If the server answers it, the circuit closes. Otherwise it stays
///   open for the same time again.
///
/// A failure is a connection that could not be made or was lost, a timeout, or a status of 500 and above. An error reply
/// counts as an answer, because it shows that the server works. A call that is dropped counts as neither.
///
/// A command that waits for data or replicas, such as BLPOP, or a pipeline with WAIT, is not used as the probe, because all
/// other calls would have to wait for it. A PING is sent before it as the probe, which costs one round trip. The timeout of
/// such a command counts neither as an answer nor as a failure.
///
/// | setting | default |
/// |---|---|
/// | [`failures`](Self::failures) | 5 in a row |
/// | [`open_for`](Self::open_for) | 10 s |
///
/// Add it after the [`Deadline`](super::Deadline). Otherwise it does not see timeouts:
///
/// ```
/// use edgecask::{Client, layer::{CircuitBreaker, Deadline}};
/// use std::time::Duration;
///
/// let client = Client::memory()
///     .layer(Deadline::default())
///     .layer(CircuitBreaker::new().failures(3).open_for(Duration::from_secs(30)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CircuitBreaker {
    failures: u32,
    open_for: Duration,
}

impl CircuitBreaker {
    /// The defaults.
    pub fn new() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(10) }
    }

    /// How many failures in a row open the circuit, at least 1.
    #[must_use]
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures.max(1);
        self
    }

    /// How long nothing is sent before the next probe.
    #[must_use]
    pub fn open_for(mut self, duration: Duration) -> Self {
        self.open_for = duration;
        self
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

impl Layer for CircuitBreaker {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(WithBreaker { settings: self, circuit: Mutex::default(), inner })
    }
}

/// The state of a circuit. It is plain data, so the requests of a Worker may share it.
#[derive(Debug, Default)]
struct Circuit {
    /// Failures in a row.
    failures: u32,
    opened_at: Option<Instant>,
    probing: bool,
}

/// How a call that passed has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Answered,
    Failed,
    Dropped,
}

impl Circuit {
    /// Admits a call, and returns whether it is a probe. Fails if the circuit is open.
    fn admit(&mut self, settings: &CircuitBreaker, now: Instant) -> Result<bool> {
        let Some(opened_at) = self.opened_at else {
            return Ok(false);
        };
        let waited = now.saturating_duration_since(opened_at);
        if self.probing || waited < settings.open_for {
            return Err(Error::new(
                ErrorKind::CircuitOpen,
                "the server did not answer the last calls, so this one was not sent",
            ));
        }
        self.probing = true;
        Ok(true)
    }

    fn end(&mut self, settings: &CircuitBreaker, probe: bool, ending: Ending, now: Instant) {
        if probe {
            self.probing = false;
        }
        match ending {
            Ending::Dropped => {}
            Ending::Answered => {
                if self.opened_at.take().is_some() {
                    tracing::info!("the server answers again: the circuit is closed");
                }
                self.failures = 0;
            }
            Ending::Failed => {
                self.failures = self.failures.saturating_add(1);
                if probe {
                    self.opened_at = Some(now);
                } else if self.opened_at.is_none() && self.failures >= settings.failures {
                    tracing::warn!(
                        failures = self.failures,
                        "the server does not answer: the circuit is open"
                    );
                    self.opened_at = Some(now);
                }
            }
        }
    }
}

#[derive(Debug)]
struct WithBreaker {
    settings: CircuitBreaker,
    circuit: Mutex<Circuit>,
    inner: Arc<dyn Transport>,
}

impl WithBreaker {
    fn circuit(&self) -> MutexGuard<'_, Circuit> {
        self.circuit.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(&self) -> Result<AdmittedCall<'_>> {
        let probe = self.circuit().admit(&self.settings, Instant::now())?;
        Ok(AdmittedCall { breaker: self, probe, ending: Ending::Dropped })
    }

    fn guarded<'a, T: CallOutput + 'a>(
        &'a self,
        waits: bool,
        call: BoxFuture<'a, Result<T>>,
    ) -> BoxFuture<'a, Result<T>> {
        boxed(|| async move {
            let mut passage = self.admit()?;
            while waits && passage.probe {
                let answer = self.inner.send(&Command::new("PING")).await;
                passage.end(ending(&answer));
                passage = self.admit()?;
            }
            let result = call.await;
            passage.end(match &result {
                Err(error) if waits && error.kind() == ErrorKind::Timeout => Ending::Dropped,
                result => ending(result),
            });
            result
        })
    }
}

/// The output of a call.
trait CallOutput {
    /// Whether the server failed during the call.
    fn has_failed(&self) -> bool {
        false
    }
}

impl CallOutput for Value {}

impl CallOutput for Messages {}

/// A long batch may be sent in several parts, and one of them may fail.
impl CallOutput for Results {
    fn has_failed(&self) -> bool {
        self.iter().any(|item| item.as_ref().is_err_and(is_failure))
    }
}

/// Whether an error means that the server is unavailable.
fn is_failure(error: &Error) -> bool {
    error.kind() == ErrorKind::Connect || error.is_loss()
}

fn ending<T: CallOutput>(result: &Result<T>) -> Ending {
    match result {
        Err(error) if is_failure(error) => Ending::Failed,
        Ok(answer) if answer.has_failed() => Ending::Failed,
        _ => Ending::Answered,
    }
}

/// A call that was admitted. It reports its end to the circuit, also if it is dropped.
struct AdmittedCall<'a> {
    breaker: &'a WithBreaker,
    probe: bool,
    ending: Ending,
}

impl AdmittedCall<'_> {
    fn end(mut self, ending: Ending) {
        self.ending = ending;
    }
}

impl Drop for AdmittedCall<'_> {
    fn drop(&mut self) {
        let (settings, now) = (&self.breaker.settings, Instant::now());
        self.breaker.circuit().end(settings, self.probe, self.ending, now);
    }
}

#[deny(clippy::missing_trait_methods)]
impl Transport for WithBreaker {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        self.guarded(command.is_blocking(), self.inner.send(command))
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        let waits = commands.iter().any(Command::is_blocking);
        self.guarded(waits, self.inner.pipeline(commands))
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.guarded(false, self.inner.transaction(commands))
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        self.guarded(false, self.inner.subscribe(to))
    }

    fn sync_token(&self) -> Option<String> {
        self.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.inner.set_sync_token(token);
    }

    fn register(&self, script: &Script) {
        self.inner.register(script);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circuit_opens_probes_and_closes() {
        let settings = CircuitBreaker::new().failures(2).open_for(Duration::from_secs(10));
        let (mut circuit, start) = (Circuit::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let admit = |circuit: &mut Circuit, seconds| circuit.admit(&settings, at(seconds)).ok();

        circuit.end(&settings, false, Ending::Failed, at(0));
        circuit.end(&settings, false, Ending::Answered, at(0));
        circuit.end(&settings, false, Ending::Failed, at(0));
        assert_eq!(admit(&mut circuit, 0), Some(false), "only failures in a row count");
        circuit.end(&settings, false, Ending::Failed, at(1));
        assert_eq!(admit(&mut circuit, 10), None, "open");

        assert_eq!(admit(&mut circuit, 11), Some(true), "half-open");
        assert_eq!(admit(&mut circuit, 11), None, "one probe at a time");
        circuit.end(&settings, true, Ending::Dropped, at(12));
        assert_eq!(admit(&mut circuit, 12), Some(true), "a dropped probe makes room for another");
        circuit.end(&settings, true, Ending::Failed, at(13));
        assert_eq!(admit(&mut circuit, 22), None, "open for another while");

        assert_eq!(admit(&mut circuit, 23), Some(true));
        circuit.end(&settings, true, Ending::Answered, at(23));
        assert_eq!(admit(&mut circuit, 23), Some(false), "closed");
    }

    #[test]
    fn a_late_failure_does_not_keep_the_circuit_open_longer() {
        let settings = CircuitBreaker::new().failures(1).open_for(Duration::from_secs(10));
        let (mut circuit, start) = (Circuit::default(), Instant::now());
        circuit.end(&settings, false, Ending::Failed, start);
        // A call that was on its way before the circuit opened.
        circuit.end(&settings, false, Ending::Failed, start + Duration::from_secs(9));
        assert_eq!(circuit.admit(&settings, start + Duration::from_secs(10)).ok(), Some(true));
    }

    #[test]
    fn a_server_that_answers_with_an_error_is_there() {
        for (error, failure) in [
            (Error::new(ErrorKind::Timeout, ""), true),
            (Error::new(ErrorKind::Http, "").with_status(503), true),
            (Error::new(ErrorKind::Http, "").with_status(404), false),
            (Error::new(ErrorKind::Throttled, ""), false),
            (Error::server("ERR no"), false),
        ] {
            assert_eq!(is_failure(&error), failure, "{error}");
        }
    }
}
