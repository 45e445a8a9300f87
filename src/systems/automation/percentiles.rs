use super::keys::performance;
use crate::{Client, Error, ErrorKind, Result};

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
/// [`ErrorKind::InvalidInput`] if the metric is empty or a percentile is not from 0 to 100; [`ErrorKind::Codec`] if a
/// measurement is not a number; those of the client.
pub async fn percentiles<const N: usize>(
    client: &Client,
    metric: &str,
    percentiles: [f64; N],
) -> Result<Option<[f64; N]>> {
    if !percentiles.iter().all(|percentile| (0.0..=100.0).contains(percentile)) {
        return Err(Error::new(ErrorKind::InvalidInput, "a percentile must be from 0 to 100"));
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
