use super::calendar::{Day, Hour, Minute};
use super::keys::{requests_in_hour, requests_in_minute, requests_on_day};
use crate::{Client, Result};

/// The numbers of requests, including the one that was just counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// In this minute.
    pub in_minute: i64,
    /// In this hour.
    pub in_hour: i64,
    /// On this day.
    pub on_day: i64,
}

/// Counts a request of a user or an API key in the minute, the hour and the day that contain this second since the Unix
/// epoch. One transaction of three INCRBY and three EXPIRE.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the subject is empty or `global`; those of the client.
pub async fn count_request(client: &Client, subject: &str, unix_seconds: u64) -> Result<Requests> {
    let minute = requests_in_minute(subject, Minute::of(unix_seconds))?;
    let hour = requests_in_hour(subject, Hour::of(unix_seconds))?;
    let day = requests_on_day(subject, Day::of(unix_seconds))?;
    let transaction = client.transaction();
    let [minute, hour, day] =
        [minute, hour, day].map(|counter| counter.increment_in(&transaction, 1));
    let mut replies = transaction.exec().await?;
    Ok(Requests {
        in_minute: replies.take(minute)?,
        in_hour: replies.take(hour)?,
        on_day: replies.take(day)?,
    })
}
