//! The signal that ends background tasks when the server stops.

use tokio::sync::watch;

/// Waits until the server is stopped. If the handle was dropped, it waits forever, because the server keeps running.
pub(crate) async fn stopped(closing: &mut watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}
