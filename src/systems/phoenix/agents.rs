use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::keys::agent_health;
use crate::platform::unix_millis;
use crate::{Client, Result};

/// The health of an agent, and the state of the circuit breaker that all instances share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentHealth {
    /// The agent.
    pub agent_id: String,
    /// Its health, in the application's own words.
    pub health: String,
    /// The number of failures since its last success.
    #[serde(default)]
    pub consecutive_failures: u32,
    /// When it last failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_failure_at: Option<String>,
    /// When it last succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<String>,
    /// The time until which its circuit is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circuit_open_until: Option<String>,
    /// When the record was written.
    pub updated_at: String,
}

impl AgentHealth {
    /// An agent without a history.
    fn new(agent_id: &str) -> Self {
        Self {
            agent_id: agent_id.to_owned(),
            health: "Healthy".to_owned(),
            consecutive_failures: 0,
            last_failure_at: None,
            last_success_at: None,
            circuit_open_until: None,
            updated_at: text(now()),
        }
    }

    /// Whether the agent's circuit is open, so that nothing should be sent to it. A `circuit_open_until` that is not a
    /// point in time counts as closed.
    pub fn is_open(&self) -> bool {
        let until = self.circuit_open_until.as_deref();
        until
            .and_then(|until| OffsetDateTime::parse(until, &Rfc3339).ok())
            .is_some_and(|until| now() < until)
    }
}

/// When the circuit of an agent opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// How many failures in a row open the circuit.
    pub failures: u32,
    /// How long the circuit stays open after each further failure.
    pub open_for: Duration,
}

/// Counts a failure of an agent, and opens its circuit if there are too many; returns the agent's health. See
/// [`Json::upsert`](crate::keyspace::types::Json::upsert) for the cost.
///
/// ```
/// use std::time::Duration;
///
/// use edgecask::Client;
/// use edgecask::systems::phoenix::{Breaker, record_failure, record_success};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// let breaker = Breaker { failures: 2, open_for: Duration::from_secs(30) };
/// assert!(!record_failure(&client, "planner", breaker).await?.is_open());
/// assert!(record_failure(&client, "planner", breaker).await?.is_open());
/// assert!(!record_success(&client, "planner").await?.is_open());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the identifier is empty; those of
/// [`Json::upsert`](crate::keyspace::types::Json::upsert).
pub async fn record_failure(
    client: &Client,
    agent_id: &str,
    breaker: Breaker,
) -> Result<AgentHealth> {
    let fail = |health: &mut AgentHealth| {
        let now = now();
        health.consecutive_failures = health.consecutive_failures.saturating_add(1);
        health.last_failure_at = Some(text(now));
        if health.consecutive_failures >= breaker.failures {
            health.circuit_open_until = Some(text(now.saturating_add(duration(breaker.open_for))));
        }
        health.updated_at = text(now);
    };
    agent_health(agent_id)?.upsert(client, || AgentHealth::new(agent_id), fail).await
}

/// Records a success of an agent, which closes its circuit; returns the agent's health.
///
/// # Errors
/// As for [`record_failure`].
pub async fn record_success(client: &Client, agent_id: &str) -> Result<AgentHealth> {
    let succeed = |health: &mut AgentHealth| {
        let now = text(now());
        health.consecutive_failures = 0;
        health.circuit_open_until = None;
        health.last_success_at = Some(now.clone());
        health.updated_at = now;
    };
    agent_health(agent_id)?.upsert(client, || AgentHealth::new(agent_id), succeed).await
}

fn now() -> OffsetDateTime {
    let now = Duration::from_millis(unix_millis());
    OffsetDateTime::UNIX_EPOCH.saturating_add(duration(now))
}

fn duration(duration: Duration) -> time::Duration {
    duration.try_into().unwrap_or(time::Duration::MAX)
}

/// In the form of RFC 3339, which ends with the year 9999.
fn text(time: OffsetDateTime) -> String {
    time.format(&Rfc3339).unwrap_or_else(|_| "9999-12-31T23:59:59Z".to_owned())
}
