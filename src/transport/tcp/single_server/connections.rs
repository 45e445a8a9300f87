//! The connections to the current server.

use crate::Result;
use crate::command::Command;
use crate::transport::tcp::dial::Dialer;
use crate::transport::tcp::pool::Pool;
use crate::transport::tcp::resp::Reply;
use crate::transport::tcp::sentinel;
use crate::transport::tcp::shared_connection::SharedConnection;

pub(super) struct Connections {
    pub(super) shared: SharedConnection,
    /// Those of commands that wait.
    pub(super) waiting: Pool,
}

impl Connections {
    /// Drops the connections, because another server is the primary now.
    pub(super) fn leave(&self) {
        tracing::info!(
            "another server has become the primary: the next call uses a new connection"
        );
        self.shared.forget_all();
        self.waiting.clear();
    }

    /// Drops the connections if a result shows that their server has become a replica.
    pub(super) fn note_role<T>(&self, result: &Result<T>) {
        if matches!(result, Err(error) if error.code() == Some("READONLY")) {
            self.leave();
        }
    }

    /// Drops the connections if their server says that it is no primary any more.
    pub(super) async fn check_role(&self, dialer: &Dialer) {
        let Some(connection) = self.shared.current() else { return };
        let role = Command::new("ROLE");
        let role = dialer.in_time(connection.send(&role)).await;
        if matches!(role.and_then(Reply::into_result).and_then(sentinel::is_primary), Ok(false)) {
            self.leave();
        }
    }
}
