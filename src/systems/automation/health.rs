use serde::{Deserialize, Serialize};

use super::keys::performance;
use crate::{Client, Error, ErrorKind, Result};

/// How a service does. Each service gives the figures that it has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceHealth {
    /// Whether it is well.
    pub status: String,
    /// When it was last looked at.
    pub last_check: String,
    /// How long it takes to answer, in milliseconds.
    pub response_time_ms: Option<f64>,
    /// How many requests fail, from 0 to 1.
    pub error_rate: Option<f64>,
    /// How much waits for it.
    pub queue_size: Option<u64>,
    /// How long it works on something, in milliseconds.
    pub avg_processing_time_ms: Option<f64>,
}

/// How the system does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SystemMetrics {
    /// The use of its processors, in percent.
    pub cpu_usage_percent: f64,
    /// The use of its memory, in percent.
    pub memory_usage_percent: f64,
    /// How many connections are open.
    pub active_connections: u64,
    /// How much waits.
    pub queue_depth: u64,
    /// How many lookups find something, in percent.
    pub cache_hit_rate: f64,
}

/// The measurements at these percentiles, each from 0 to 100, by the nearest rank; `None` if there are no measurements. One LRANGE
/// of 1000 items at most.
///
/// ```
/// use edgecask::Client;
/// use edgecask::systems::automation::{performance, percentiles};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// performance("api_response_times")?.push_front(&client, 1..=200).await?;
/// let found = percentiles(&client, "api_response_times", [50.0, 99.0]).await?;
/// assert_eq!(found, Some([100.0, 198.0]));
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`ErrorKind::InvalidInput`] if the metric is empty or a percentile is not from 0 to 100; [`ErrorKind::Codec`] if a measurement is
/// no number; those of the client.
pub async fn percentiles<const N: usize>(
    client: &Client,
    metric: &str,
    percentiles: [f64; N],
) -> Result<Option<[f64; N]>> {
    if !percentiles.iter().all(|percentile| (0.0..=100.0).contains(percentile)) {
        return Err(Error::new(ErrorKind::InvalidInput, "a percentile is from 0 to 100"));
    }
    let mut measured = performance(metric)?.range(client, 0, -1).await?;
    measured.sort_by(f64::total_cmp);
    let count = measured.len();
    Ok((count > 0).then(|| {
        percentiles.map(|percentile| {
            let rank = (percentile * count as f64 / 100.0).ceil() as usize;
            measured[rank.clamp(1, count) - 1]
        })
    }))
}
