//! The server that an engine answers like.

/// The server to answer like where Upstash and Redis differ.
///
/// | command | Upstash | Redis |
/// |---|---|---|
/// | `COPY` of a key to itself | 0 | an error |
/// | `UNLINK` without keys | 0 | an error |
/// | `SCAN … WITHTYPE` | each key with its type after it | an error |
/// | `XREADGROUP … NOACK` of a new consumer | there is still no such consumer | the group has the consumer |
/// | `XTRIM … ~ …` | trims to the threshold | trims whole nodes only |
/// | `ZRANGE … LIMIT …` by rank | a page of the range | an error |
/// | `FCALL_RO` of a function without the flag `no-writes` | runs it, and refuses its writes | an error |
///
/// The rows are from Upstash's documentation and from what the tests of its SDK expect. Sources: the commands
/// [COPY](https://redis.io/docs/latest/commands/copy/), [UNLINK](https://redis.io/docs/latest/commands/unlink/),
/// [SCAN](https://redis.io/docs/latest/commands/scan/), [XREADGROUP](https://redis.io/docs/latest/commands/xreadgroup/),
/// [XTRIM](https://redis.io/docs/latest/commands/xtrim/), [ZRANGE](https://redis.io/docs/latest/commands/zrange/) and
/// [FCALL_RO](https://redis.io/docs/latest/commands/fcall_ro/).
///
/// ```
/// use edgecask::transport::memory::{Dialect, MemoryOptions, MemoryTransport};
/// use edgecask::{Command, prelude::*};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let options = MemoryOptions::new().dialect(Dialect::Upstash);
/// let client = Client::new(MemoryTransport::with_options(&options));
/// client.set("k", "v").await?;
/// let copy = Command::new("COPY").arg("k").arg("k");
/// assert_eq!(client.send(&copy).await?, edgecask::Value::Integer(0));
/// assert!(Client::memory().send(&copy).await.is_err());
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// The answers of Redis 8.
    #[default]
    Redis,
    /// The answers of Upstash.
    Upstash,
}
