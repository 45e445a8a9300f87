//! HyperLogLogs: they count distinct items with a standard error of 0.81 %, in 12 KB.

use super::{Command, Execute, ToArg};

/// The commands on HyperLogLogs. Each is one command and one round trip.
///
/// ```no_run
/// use edgecask::prelude::*;
///
/// # async fn visitors(client: Client) -> edgecask::Result<()> {
/// client.pfadd("visitors:today", ["ada", "bob"]).await?;
/// let different = client.pfcount(["visitors:today", "visitors:yesterday"]).await?;
/// # Ok(())
/// # }
/// ```
pub trait HyperLogLogCommands: Execute {
    /// Adds items; returns whether the count may have changed. [Redis PFADD](https://redis.io/docs/latest/commands/pfadd/).
    #[doc(alias = "PFADD")]
    fn pfadd(
        &self,
        key: impl ToArg,
        items: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<bool> {
        self.execute(Command::new("PFADD").arg(key).args_from(items))
    }

    /// The approximate number of distinct items that were added to all of these keys. [Redis
    /// PFCOUNT](https://redis.io/docs/latest/commands/pfcount/).
    #[doc(alias = "PFCOUNT")]
    fn pfcount(&self, keys: impl IntoIterator<Item = impl ToArg>) -> Self::Reply<u64> {
        self.execute(Command::new("PFCOUNT").args_from(keys))
    }

    /// Merges the HyperLogLogs of `from` into `to`. [Redis PFMERGE](https://redis.io/docs/latest/commands/pfmerge/).
    #[doc(alias = "PFMERGE")]
    fn pfmerge(
        &self,
        to: impl ToArg,
        from: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<()> {
        self.execute(Command::new("PFMERGE").arg(to).args_from(from))
    }
}

impl<E: Execute + ?Sized> HyperLogLogCommands for E {}
