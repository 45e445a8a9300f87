//! A way to a server that is cut at one byte.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use edgecask::Client;
use edgecask_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::RedisServer;

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The next request does not arrive.
    Request,
    /// The next answer ends after so many bytes.
    Answer(usize),
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request => f.write_str("before the request"),
            Self::Answer(bytes) => write!(f, "after {bytes} bytes"),
        }
    }
}

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
    async fn to(port: u16) -> Self {
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

    /// In front of a Redis, with a client over TCP that goes through it.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn over_tcp(redis: &RedisServer) -> (Self, Client) {
        let cutter = Self::to(redis.port()).await;
        let client = Client::tcp(&format!("redis://127.0.0.1:{}", cutter.port));
        (cutter, client.expect("the URL is one"))
    }

    /// In front of a local REST server, with a client that goes through it.
    ///
    /// # Panics
    /// If no port is free.
    pub async fn over_rest(server: &Server) -> (Self, Client) {
        let url = server.url();
        let port = url.rsplit(':').next().and_then(|port| port.trim_end_matches('/').parse().ok());
        let cutter = Self::to(port.expect("the URL has a port")).await;
        let client = Client::rest(&format!("http://127.0.0.1:{}", cutter.port), server.token());
        (cutter, client.expect("the URL is one"))
    }

    /// Cuts the next request or answer.
    pub fn cut(&self, cut: Cut) {
        match cut {
            Cut::Request => self.plan.request.store(true, Ordering::SeqCst),
            Cut::Answer(after) => {
                let after = i64::try_from(after).unwrap_or(i64::MAX);
                self.plan.answer.store(after, Ordering::SeqCst);
            }
        }
    }

    /// Runs a test with each cut: before a request, and after each `stride`th byte of its answer, to the end of the answer. The test
    /// makes the [cut](Self::cut), and returns whether [there was one](Self::calm).
    ///
    /// # Panics
    /// If a request is not cut, or an answer has three bytes at most. The message names `what`.
    pub async fn everywhere(&self, what: &str, stride: usize, test: impl AsyncFn(Cut) -> bool) {
        assert!(test(Cut::Request).await, "{what}: before the request");
        let mut bytes = 0;
        while test(Cut::Answer(bytes)).await {
            bytes += stride;
        }
        assert!(bytes > 3, "{what}: an answer is longer than {bytes} bytes");
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
