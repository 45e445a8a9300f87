//! Invalidations by message: what one process deletes, the others forget in their first tier.

use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::Cache;
use crate::{Error, ErrorKind, Event, Key, Result, platform};

/// A message on the bus, as JSON: `{"v":1,"from":"…","keys":["…"]}`, `"tags":["…"]` or `"all":true`
/// beside keys or in their place.
#[derive(Debug, Serialize, Deserialize)]
struct Invalidation<'a> {
    v: u32,
    /// Who sent it: it has forgotten already.
    from: std::borrow::Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    keys: Vec<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tags: Vec<std::borrow::Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    all: bool,
}

const VERSION: u32 = 1;

/// The name of one cache on the bus.
pub(super) fn sender() -> String {
    // Two caches without a name would only forget more than they have to.
    platform::random().map_or(String::new(), |bytes| format!("{:016x}", u64::from_le_bytes(bytes)))
}

impl Cache {
    /// What to tell the others about these keys; `None` if there is no bus.
    pub(super) fn announcement<'a>(&'a self, keys: &'a [Key]) -> Option<(&'a str, String)> {
        let keys = keys.iter().map(|key| key.as_str().into()).collect();
        self.message(|message| message.keys = keys)
    }

    /// What to tell the others about these tags.
    pub(super) fn announcement_of_tags<'a>(
        &'a self,
        tags: &'a [String],
    ) -> Option<(&'a str, String)> {
        let tags = tags.iter().map(|tag| tag.as_str().into()).collect();
        self.message(|message| message.tags = tags)
    }

    /// What to tell the others when everything may have changed.
    pub(super) fn announcement_of_all(&self) -> Option<(&str, String)> {
        self.message(|message| message.all = true)
    }

    fn message<'a>(
        &'a self,
        about: impl FnOnce(&mut Invalidation<'a>),
    ) -> Option<(&'a str, String)> {
        let channel = self.options().bus.as_deref()?;
        let from = self.shared.sender.as_str().into();
        let mut message =
            Invalidation { v: VERSION, from, keys: Vec::new(), tags: Vec::new(), all: false };
        about(&mut message);
        Some((channel, serde_json::to_string(&message).ok()?))
    }

    /// Follows the invalidations of other processes on the [bus](super::CacheOptions::bus), and forgets in the first
    /// tier what they delete. Let it run for as long as the process does: `tokio::spawn` it. While the connection is
    /// lost, the first tier is emptied, and what is read then is stale for its time to live at the most.
    ///
    /// ```
    /// use edgecask::{Client, cache::{Cache, CacheOptions, L1Options}};
    ///
    /// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    /// # runtime.block_on(async {
    /// let options = CacheOptions::new().l1(L1Options::new()).bus("app:invalidations");
    /// let cache = Cache::with_options(Client::memory(), options);
    /// let follower = cache.clone();
    /// tokio::spawn(async move { follower.follow_invalidations().await });
    /// # Ok::<(), edgecask::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Config`] without a bus or a first tier; what ends the subscription for good.
    pub async fn follow_invalidations(&self) -> Result<()> {
        let (Some(channel), Some(l1)) = (self.options().bus.clone(), &self.shared.l1) else {
            return Err(Error::new(
                ErrorKind::Config,
                "there is nothing to follow: set CacheOptions::bus and CacheOptions::l1",
            ));
        };
        let mut events = self.client.subscribe([channel]).await?;
        // What was read before the subscription stood may have been invalidated since.
        l1.clear();
        while let Some(event) = events.next().await {
            match event? {
                Event::Message(message) => {
                    match serde_json::from_slice::<Invalidation<'_>>(&message.payload) {
                        Ok(message) if message.from == self.shared.sender.as_str() => {}
                        Ok(message) if message.v == VERSION && !message.all => {
                            message.keys.iter().for_each(|key| l1.remove(key));
                            if !message.tags.is_empty() {
                                let tags: Vec<String> =
                                    message.tags.into_iter().map(Into::into).collect();
                                l1.forget_tags(&tags);
                            }
                        }
                        // A newer message, or a stranger's: forgetting too much is safe.
                        _ => l1.clear(),
                    }
                }
                Event::Lost(_) | Event::Resumed => l1.clear(),
            }
        }
        Ok(())
    }
}
