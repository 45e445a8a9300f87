//! A way to a server that is cut at one byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A proxy in front of a server on this host, which closes a connection at the byte that a test names. It carries what it is
/// not told to cut.
#[derive(Debug)]
pub struct Cutter {
    port: u16,
    plan: Arc<Plan>,
    task: tokio::task::JoinHandle<()>,
}

/// What is cut next.
#[derive(Debug, Default)]
struct Plan {
    /// The next request does not arrive.
    request: AtomicBool,
    /// So many bytes of the next answer still pass; negative: all of them.
    answer: AtomicI64,
    /// How often it was cut.
    cuts: AtomicUsize,
}

impl Cutter {
    /// In front of the server on this port.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let own = listener.local_addr().expect("it is bound").port();
        let plan = Arc::new(Plan { answer: AtomicI64::new(-1), ..Plan::default() });
        let cut = Arc::clone(&plan);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let plan = Arc::clone(&cut);
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(("127.0.0.1", port)).await {
                        // Without it, the two halves of an answer would arrive late.
                        let _ = (near.set_nodelay(true), far.set_nodelay(true));
                        // A connection that is cut is closed on both sides.
                        plan.carry(near, far).await;
                    }
                });
            }
        });
        Self { port: own, plan, task }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the connection of the next request before it arrives.
    pub fn cut_request(&self) {
        self.plan.request.store(true, Ordering::SeqCst);
    }

    /// Cuts the connection of the next answer after so many bytes of it.
    pub fn cut_answer(&self, after: usize) {
        self.plan.answer.store(i64::try_from(after).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Cuts nothing any more, and tells whether something was cut since the last call of this.
    pub fn calm(&self) -> bool {
        self.plan.request.store(false, Ordering::SeqCst);
        self.plan.answer.store(-1, Ordering::SeqCst);
        self.plan.cuts.swap(0, Ordering::SeqCst) > 0
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Plan {
    async fn carry(&self, near: TcpStream, far: TcpStream) -> Option<()> {
        let ((mut near_in, mut near_out), (mut far_in, mut far_out)) =
            (near.into_split(), far.into_split());
        let (mut there, mut back) = ([0; 4096], [0; 4096]);
        loop {
            tokio::select! {
                read = near_in.read(&mut there) => {
                    let read = read.ok().filter(|read| *read > 0)?;
                    if self.request.swap(false, Ordering::SeqCst) {
                        self.cuts.fetch_add(1, Ordering::SeqCst);
                        return None;
                    }
                    far_out.write_all(&there[..read]).await.ok()?;
                }
                read = far_in.read(&mut back) => {
                    let read = read.ok().filter(|read| *read > 0)?;
                    let left = self.answer.load(Ordering::SeqCst);
                    if left < 0 || left >= read as i64 {
                        near_out.write_all(&back[..read]).await.ok()?;
                        if left >= 0 {
                            self.answer.fetch_sub(read as i64, Ordering::SeqCst);
                        }
                        continue;
                    }
                    near_out.write_all(&back[..left as usize]).await.ok()?;
                    near_out.flush().await.ok()?;
                    self.answer.store(-1, Ordering::SeqCst);
                    self.cuts.fetch_add(1, Ordering::SeqCst);
                    return None;
                }
            }
        }
    }
}
