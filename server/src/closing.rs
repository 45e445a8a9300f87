//! The word that the server stops, for all that would go on otherwise.

use tokio::sync::watch;

/// Waits until the server is stopped; if its handle was dropped, it runs on.
pub(crate) async fn told_to_stop(closing: &mut watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}
