use futures_util::StreamExt;

use super::bus::Everything;
use crate::cache::Cache;
use crate::{Error, ErrorKind, Event, Result};

impl Cache {
    /// Listens on the [bus](crate::cache::CacheOptions::bus), and drops from the first tier what other processes
    /// invalidate. It runs until it fails or is dropped: `tokio::spawn` it. When the connection is lost, the first tier is
    /// emptied. A value that is read before it is back may be stale for the first tier's time to live at most.
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
    /// [`ErrorKind::Config`] without a bus or a first tier; otherwise the error that ends the subscription.
    pub async fn follow_invalidations(&self) -> Result<()> {
        let (Some(bus), Some(l1)) = (&self.core.bus, &self.core.l1) else {
            return Err(Error::new(
                ErrorKind::Config,
                "this cache has no bus or no first tier: set CacheOptions::bus and CacheOptions::l1",
            ));
        };
        let mut events = self.core.direct.subscribe([bus.channel().to_owned()]).await?;
        // An entry that was read before the subscription began may have been invalidated since.
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
