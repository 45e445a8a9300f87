//! A future that is awaited while others go on.

use std::pin::pin;
use std::task::Poll;

use futures_util::stream::{FuturesUnordered, StreamExt};

/// The output of a future, while jobs go on beside it. The outputs of jobs that end meanwhile are dropped.
pub(crate) async fn beside<T, J: Future>(
    future: impl Future<Output = T>,
    jobs: &mut FuturesUnordered<J>,
) -> T {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        while let Poll::Ready(Some(_)) = jobs.poll_next_unpin(context) {}
        future.as_mut().poll(context)
    })
    .await
}
