//! What the seeded tests share: processes, their memory, a proxy that cuts connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use edgecask_tests::{Dice, MovedClock};
use tokio::net::{TcpListener, TcpStream};

/// This test binary once more, to run one test in a process of its own with these variables.
pub(crate) fn again(test: &str, variables: &[(&str, String)]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).kill_on_drop(true);
    command.envs(variables.iter().map(|(name, value)| (name, value)));
    command
}

/// Sends a process a signal, such as `-STOP`.
pub(crate) fn signal(process: &tokio::process::Child, name: &str) {
    let pid = process.id().unwrap().to_string();
    let sent = std::process::Command::new("kill").args([name, &pid]).status();
    assert!(sent.is_ok_and(|status| status.success()), "it runs");
}

/// Three clocks: 30 seconds slow, right, and 30 seconds fast; and the folders of their files.
pub(crate) fn wrong_clocks() -> [(tempfile::TempDir, MovedClock); 3] {
    [-30, 0, 30].map(|seconds| {
        let folder = tempfile::tempdir().unwrap();
        let clock = MovedClock::new(folder.path());
        clock.set(seconds);
        (folder, clock)
    })
}

/// Waits for a process of [`again`], and passes its failure on.
pub(crate) async fn finished(process: tokio::process::Child) {
    let output = process.wait_with_output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// How much memory this process holds, in KiB, and the most that it ever held.
pub(crate) fn resident_kib() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// A way to a server that cuts connections: before they carry anything, or after some pieces of either direction.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) port: u16,
    calm: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// One connection of so many lives forever; the others end after up to `pieces` reads from either side.
    pub(crate) async fn to(port: u16, dice: Dice, pieces: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let calm = Arc::new(AtomicBool::new(false));
        let quiet = Arc::clone(&calm);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let left = if quiet.load(Ordering::SeqCst) {
                    u64::MAX
                } else {
                    // The handshake takes a few.
                    4 + dice.roll(pieces)
                };
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await {
                        carry(near, far, left).await;
                    }
                });
            }
        });
        Self { port: own, calm, task }
    }

    /// New connections are not cut any more.
    pub(crate) fn calm(&self) {
        self.calm.store(true, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(near: TcpStream, far: TcpStream, mut left: u64) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) =
        (near.into_split(), far.into_split());
    let (mut there, mut back) = ([0; 4096], [0; 4096]);
    while left > 0 {
        left -= 1;
        // What was read and is not passed on when the connection ends is lost.
        let passed = tokio::select! {
            read = near_in.read(&mut there) => match read {
                Ok(1..) if left == 0 => return,
                Ok(read @ 1..) => far_out.write_all(&there[..read]).await,
                _ => return,
            },
            read = far_in.read(&mut back) => match read {
                Ok(1..) if left == 0 => return,
                Ok(read @ 1..) => near_out.write_all(&back[..read]).await,
                _ => return,
            },
        };
        if passed.is_err() {
            return;
        }
    }
}
