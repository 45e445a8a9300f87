//! The signal that the server stops, for tasks that would run on otherwise.

use tokio::sync::watch;

/// Waits until the server is stopped. It waits for ever if the handle was dropped, because the server then runs on.
pub(crate) async fn told_to_stop(closing: &mut watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}
