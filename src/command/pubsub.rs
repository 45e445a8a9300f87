//! Publishing messages.

use super::{Command, Execute, ToArg};
use crate::{FromValue, Pairs, Result, Value};

/// The commands of Pub/Sub that have a single reply. Each is one command and one round trip.
///
/// ```
/// use edgecask::prelude::*;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// assert_eq!(client.publish("news", "hello").await?, 0, "nobody listens");
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait PubSubCommands: Execute {
    /// Publishes a message, and returns the number of subscribers that received it. [Redis
    /// PUBLISH](https://redis.io/docs/latest/commands/publish/).
    #[doc(alias = "PUBLISH")]
    fn publish(&self, channel: impl ToArg, message: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("PUBLISH").arg(channel).arg(message))
    }

    /// Publishes a message to a shard channel, and returns the number of subscribers that received it. In a cluster it goes to the
    /// owner of the channel's slot, and [`Client::ssubscribe`](crate::Client::ssubscribe) listens there.
    /// [Redis SPUBLISH](https://redis.io/docs/latest/commands/spublish/).
    #[doc(alias = "SPUBLISH")]
    fn spublish(&self, channel: impl ToArg, message: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("SPUBLISH").arg(channel).arg(message))
    }

    /// The channels with subscribers that match a glob. [Redis PUBSUB
    /// CHANNELS](https://redis.io/docs/latest/commands/pubsub-channels/).
    #[doc(alias = "PUBSUB CHANNELS")]
    fn pubsub_channels<R: FromValue>(&self, pattern: impl ToArg) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("PUBSUB").arg("CHANNELS").arg(pattern))
    }

    /// The number of patterns with subscribers. [Redis PUBSUB
    /// NUMPAT](https://redis.io/docs/latest/commands/pubsub-numpat/).
    #[doc(alias = "PUBSUB NUMPAT")]
    fn pubsub_numpat(&self) -> Self::Reply<u64> {
        self.execute(Command::new("PUBSUB").arg("NUMPAT"))
    }

    /// The number of subscribers of each of these channels. [Redis PUBSUB
    /// NUMSUB](https://redis.io/docs/latest/commands/pubsub-numsub/).
    #[doc(alias = "PUBSUB NUMSUB")]
    fn pubsub_numsub<R: FromValue>(
        &self,
        channels: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<(R, u64)>> {
        self.execute_with(Command::new("PUBSUB").arg("NUMSUB").args_from(channels), pairs)
    }

    /// The shard channels with subscribers that match a glob. [Redis PUBSUB SHARDCHANNELS](https://redis.io/docs/latest/commands/pubsub-shardchannels/).
    #[doc(alias = "PUBSUB SHARDCHANNELS")]
    fn pubsub_shardchannels<R: FromValue>(&self, pattern: impl ToArg) -> Self::Reply<Vec<R>> {
        self.execute(Command::new("PUBSUB").arg("SHARDCHANNELS").arg(pattern))
    }

    /// The number of subscribers of each of these shard channels. [Redis PUBSUB SHARDNUMSUB](https://redis.io/docs/latest/commands/pubsub-shardnumsub/).
    #[doc(alias = "PUBSUB SHARDNUMSUB")]
    fn pubsub_shardnumsub<R: FromValue>(
        &self,
        channels: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<(R, u64)>> {
        self.execute_with(Command::new("PUBSUB").arg("SHARDNUMSUB").args_from(channels), pairs)
    }
}

fn pairs<R: FromValue>(value: Value) -> Result<Vec<(R, u64)>> {
    Pairs::from_value(value).map(|pairs| pairs.0)
}

impl<E: Execute + ?Sized> PubSubCommands for E {}
