//! A cluster that is ready before a test asks for it.

use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};

use super::ReplicatedCluster;

/// A cluster that was launched for the next test. A primary serves nothing in its first two seconds, whatever its settings are
/// (`CLUSTER_WRITABLE_DELAY` in Redis), and those of a spare one have passed when a test takes it.
pub(super) struct Spare(Mutex<Option<(ReplicatedCluster, Warden)>>);

impl Spare {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// The spare cluster if there is one, else a new one; healthy. Another one is launched for the next test.
    pub(super) async fn take_or(
        &self,
        launch: impl Fn() -> ReplicatedCluster,
    ) -> ReplicatedCluster {
        let cluster = {
            let mut spare = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = spare.take();
            let next = launch();
            let warden = Warden::of(&next);
            *spare = Some((next, warden));
            match taken {
                Some((cluster, warden)) => {
                    warden.dismiss();
                    cluster
                }
                None => launch(),
            }
        };
        cluster.healthy().await;
        cluster
    }
}

/// A process that ends the nodes of a spare cluster, and removes their files, when the process of the tests has ended. Nothing
/// that is `static` is dropped then.
struct Warden(Child);

impl Warden {
    fn of(cluster: &ReplicatedCluster) -> Self {
        // Its input ends with the process that holds the other end.
        const SCRIPT: &str = "read -r _; kill -9 \"$@\"; rm -rf -- \"$0\"";
        let servers = cluster.nodes.iter().filter_map(|node| node.server.as_ref());
        let mut command = std::process::Command::new("sh");
        command.args(["-c", SCRIPT]).arg(cluster.directory.path());
        command.args(servers.map(|server| server.process.id().to_string()));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("there is a shell"))
    }

    fn dismiss(mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("it is our process");
    }
}
