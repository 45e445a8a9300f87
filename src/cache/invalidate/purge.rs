//! Purges caches in front of the application, such as a CDN.

use std::fmt;

use crate::Result;
use crate::platform::{BoxFuture, MaybeSend, MaybeSync};

/// A cache in front of the application, such as a CDN, that can be purged by tag.
///
/// ```
/// use edgecask::{Client, Result, cache::{Cache, CacheOptions, Purge}, platform::BoxFuture};
///
/// #[derive(Debug)]
/// struct Cdn;
///
/// impl Purge for Cdn {
///     fn purge<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, Result<()>> {
///         Box::pin(async move {
///             println!("POST …/purge_cache {tags:?}");
///             Ok(())
///         })
///     }
/// }
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let cache = Cache::with_options(Client::memory(), CacheOptions::new().purge(Cdn));
/// cache.invalidate_tags(["user:123"]).await?;
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Purge: fmt::Debug + MaybeSend + MaybeSync + 'static {
    /// Purges everything that has one of these tags.
    ///
    /// # Errors
    /// Any; it is logged, and counted among [`CacheStats::errors`](crate::cache::CacheStats::errors).
    fn purge<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, Result<()>>;
}
