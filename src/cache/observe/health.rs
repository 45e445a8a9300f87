use serde::Serialize;

use crate::cache::Cache;
use crate::client::Client;
use crate::command::server::ServerCommands;
use crate::platform::Instant;
use crate::transport::Backend;

/// The backend of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum HealthBackend {
    /// A Redis server, by REST or TCP.
    Redis,
    /// The embedded engine.
    InMemory,
    /// None: the component has no cache.
    None,
}

/// The result of a health check. As JSON it is `{"healthy":true,"backend":"redis","latencyMs":3}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Health {
    /// Whether the backend answers.
    pub healthy: bool,
    /// The component's backend.
    pub backend: HealthBackend,
    /// How long the answer took, in milliseconds. In a Worker the clock advances only with I/O.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Why it is not healthy. It contains no secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Health {
    /// The health of a component that has no cache.
    pub fn without_cache() -> Self {
        Self { healthy: true, backend: HealthBackend::None, latency_ms: None, error: None }
    }

    /// Checks the client's server. One PING. It does not fail: it reports errors.
    pub async fn of(client: &Client) -> Self {
        let backend = match client.capabilities().backend {
            Backend::Redis => HealthBackend::Redis,
            Backend::InMemory => HealthBackend::InMemory,
        };
        let start = Instant::now();
        let error = client.ping().await.err();
        Self {
            healthy: error.is_none(),
            backend,
            latency_ms: error.is_none().then(|| start.elapsed().as_secs_f64() * 1000.0),
            error: error.map(|error| error.to_string()),
        }
    }
}

impl Cache {
    /// Checks whether the cache's server answers. One PING. It does not fail: it reports errors.
    pub async fn health(&self) -> Health {
        Health::of(&self.core.direct).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_json_has_the_form_that_dashboards_know() -> serde_json::Result<()> {
        let healthy = Health {
            healthy: true,
            backend: HealthBackend::InMemory,
            latency_ms: Some(1.5),
            error: None,
        };
        let json = serde_json::to_string(&healthy)?;
        assert_eq!(json, r#"{"healthy":true,"backend":"in-memory","latencyMs":1.5}"#);
        let sick = Health {
            healthy: false,
            backend: HealthBackend::Redis,
            latency_ms: None,
            error: Some("PING: timed out".to_owned()),
        };
        let json = serde_json::to_string(&sick)?;
        assert_eq!(json, r#"{"healthy":false,"backend":"redis","error":"PING: timed out"}"#);
        Ok(())
    }
}
