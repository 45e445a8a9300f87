use futures_util::StreamExt;

use super::bus::Everything;
use crate::cache::Cache;
use crate::{Error, ErrorKind, Event, Result};

impl Cache {
    /// Follows the invalidations of other processes on the [bus](crate::cache::CacheOptions::bus), and forgets in the first
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
        let (Some(bus), Some(l1)) = (&self.core.bus, &self.core.l1) else {
            return Err(Error::new(
                ErrorKind::Config,
                "there is nothing to follow: set CacheOptions::bus and CacheOptions::l1",
            ));
        };
        let mut events = self.core.direct.subscribe([bus.channel().to_owned()]).await?;
        // What was read before the subscription stood may have been invalidated since.
        l1.clear();
        while let Some(event) = events.next().await {
            match event? {
                Event::Message(message) => match bus.read(&message.payload) {
                    None => {}
                    Some(Err(Everything)) => l1.clear(),
                    Some(Ok(message)) => {
                        message.keys.iter().for_each(|key| l1.remove(key));
                        if !message.tags.is_empty() {
                            let tags: Vec<String> =
                                message.tags.into_iter().map(Into::into).collect();
                            l1.forget_tags(&tags);
                        }
                    }
                },
                Event::Lost(_) | Event::Resumed => l1.clear(),
            }
        }
        Ok(())
    }
}
