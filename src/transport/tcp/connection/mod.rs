//! One connection for the commands of many callers, which are sent as they come (pipelining).
//!
//! Callers add their commands to `queue.rs`. A task, `driver.rs`, sends all of them in one write, and hands the replies to the
//! callers in the same order. `health.rs` knows whether replies come.

mod driver;
mod health;
mod queue;

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use self::driver::Driver;
pub(super) use self::health::Health;
use self::queue::{Caller, Queue};
use super::link::Link;
use super::resp::{Batch, Reply, write};
use crate::command::Command;
use crate::{Error, ErrorKind, Result};

/// A connection that is ready for commands. It is closed when it is dropped.
pub(super) struct Connection {
    queue: Arc<Queue>,
    pub(super) health: Arc<Health>,
    driver: tokio::task::JoinHandle<()>,
    runtime: tokio::runtime::Id,
}

impl Connection {
    pub(super) fn new(link: Link, health: Health) -> Self {
        let (queue, health) = (Arc::<Queue>::default(), Arc::new(health));
        let driver = Driver::new(link, Arc::clone(&queue), Arc::clone(&health));
        let runtime = Handle::current().id();
        Self { queue, health, driver: tokio::spawn(driver.run()), runtime }
    }

    /// Whether it was lost, or what it received cannot be used.
    pub(super) fn is_closed(&self) -> bool {
        self.driver.is_finished()
    }

    /// Whether its task is of this runtime. Another one may stand still.
    pub(super) fn is_of_this_runtime(&self) -> bool {
        Handle::current().id() == self.runtime
    }

    /// Whether calls may use it.
    pub(super) fn works(&self) -> bool {
        !self.is_closed() && !self.health.is_hung()
    }

    /// Sends a command. The error is that of the connection.
    pub(super) async fn send(&self, command: &Command) -> Result<Reply> {
        if let Some(nonce) = self.health.verification() {
            let batch = Batch::of(std::iter::once(command));
            let mut replies = self.send_verified(batch, nonce).await?;
            return replies.pop().ok_or_else(closed);
        }
        let (sender, reply) = oneshot::channel();
        self.queue.push(Caller::One(sender), |bytes| write(bytes, command)).await?;
        reply.await.unwrap_or_else(|_| Err(closed()))
    }

    /// Sends commands one after the other. There is a reply to each. The error is that of the connection.
    pub(super) async fn send_all(&self, batch: Batch) -> Result<Vec<Reply>> {
        match self.health.verification() {
            None => self.send_with(&batch, None).await,
            Some(nonce) => self.send_verified(batch, nonce).await,
        }
    }

    /// Sends commands with a PING behind them. The PING's reply shows that the replies before it belong to these commands. If
    /// it is another reply, the connection is closed and all calls on it fail.
    async fn send_verified(&self, mut batch: Batch, nonce: String) -> Result<Vec<Reply>> {
        batch.push(&Command::new("PING").arg(&nonce));
        self.send_with(&batch, Some(nonce)).await
    }

    async fn send_with(&self, batch: &Batch, nonce: Option<String>) -> Result<Vec<Reply>> {
        let (sender, replies) = oneshot::channel();
        let left = batch.len();
        if left == 0 {
            return Ok(Vec::new());
        }
        let caller = Caller::Many { left, replies: Vec::with_capacity(left), nonce, sender };
        self.queue.push(caller, |bytes| bytes.extend_from_slice(batch.bytes())).await?;
        replies.await.unwrap_or_else(|_| Err(closed()))
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Disconnected, "the connection to Redis was closed")
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use fastrand::Rng;
    use futures_util::future::{Either, join_all, select};
    use futures_util::poll;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::super::resp::Decoder;
    use super::*;
    use crate::{FromValue, Outcome};

    /// A connection, and the server's end of it. So many bytes are on the way at most.
    fn connected(on_the_way: usize) -> (Arc<Connection>, DuplexStream) {
        let (client, server) = duplex(on_the_way);
        let hour = Duration::from_secs(3600);
        let link = Link::new(Box::new(client), 1 << 20);
        (Arc::new(Connection::new(link, Health::new(hour, hour))), server)
    }

    #[tokio::test]
    async fn a_verification_that_is_refused_tells_nothing_of_the_replies() {
        for refusal in ["MISCONF cannot save", "NOPERM no PING for you", "LOADING soon"] {
            let (client, mut server) = duplex(1 << 16);
            let health = Health::new(Duration::from_secs(3600), Duration::ZERO);
            let connection = Connection::new(Link::new(Box::new(client), 1 << 20), health);
            let get = Command::new("GET").arg("k");
            let mut call = Box::pin(connection.send(&get));
            assert!(poll!(&mut call).is_pending());
            server.read_exact(&mut [0; 40]).await.unwrap();
            server.write_all(format!("+mine\r\n-{refusal}\r\n").as_bytes()).await.unwrap();
            assert_eq!(text(call.await), "mine");
        }
    }

    fn text(reply: Result<Reply>) -> String {
        String::from_utf8(reply.unwrap().into_result().unwrap().as_bytes().unwrap().to_vec())
            .unwrap()
    }

    #[tokio::test]
    async fn replies_go_to_their_callers_also_when_some_have_left() {
        let (connection, mut server) = connected(1 << 16);
        let echo = |word: &'static str| Command::new("ECHO").arg(word);
        let commands = ["a", "b", "c"].map(echo);
        let mut calls: Vec<_> =
            commands.iter().map(|command| Box::pin(connection.send(command))).collect();
        for call in &mut calls {
            assert!(poll!(call).is_pending());
        }
        drop(calls.remove(1));
        let mut received = [0; 21 * 3];
        server.read_exact(&mut received).await.unwrap();
        server.write_all(b"+a\r\n+b\r\n$1\r").await.unwrap();
        server.write_all(b"\nc\r\n").await.unwrap();
        let replies: Vec<String> = join_all(calls).await.into_iter().map(text).collect();
        assert_eq!(replies, ["a", "c"]);
    }

    #[tokio::test]
    async fn what_was_not_written_was_not_sent() {
        let (connection, mut server) = connected(10);
        let ping = Command::new("PING");
        // The first call fills the way, so the second one cannot be written.
        let batch = Batch::of([&ping, &ping].into_iter());
        let mut first = Box::pin(connection.send_all(batch));
        assert!(poll!(&mut first).is_pending());
        let mut start = [0; 1];
        server.read_exact(&mut start).await.unwrap();
        let mut second = Box::pin(connection.send(&ping));
        assert!(poll!(&mut second).is_pending());
        drop(server);
        let outcome = |error: Error| (error.kind(), error.outcome());
        let lost = |outcome| (ErrorKind::Disconnected, outcome);
        assert_eq!(outcome(first.await.unwrap_err()), lost(Outcome::Unknown));
        assert_eq!(outcome(second.await.map(drop).unwrap_err()), lost(Outcome::NotSent));
        let late = connection.send(&ping).await.map(drop).unwrap_err();
        assert_eq!(outcome(late), lost(Outcome::NotSent));
    }

    #[tokio::test]
    async fn a_reply_before_its_command_ends_the_connection() {
        let (connection, mut server) = connected(1 << 16);
        server.write_all(b"+early\r\n").await.unwrap();
        let mut all = Vec::new();
        server.read_to_end(&mut all).await.unwrap();
        let error = connection.send(&Command::new("PING")).await.map(drop).unwrap_err();
        assert_eq!((error.outcome(), all.len()), (Outcome::NotSent, 0));
    }

    /// A server that echoes the argument of each command, in parts of any length, and closes the connection at some moment.
    async fn echo(mut server: DuplexStream, dice: &RefCell<Rng>, received: &RefCell<Vec<String>>) {
        let lives_for = dice.borrow_mut().usize(0..120);
        let mut decoder = Decoder::new(1 << 20);
        let mut buffer = [0; 512];
        while received.borrow().len() < lives_for {
            let length = dice.borrow_mut().usize(1..512);
            let Ok(length @ 1..) = server.read(&mut buffer[..length]).await else { return };
            let (mut bytes, mut replies) = (&buffer[..length], Vec::new());
            while let Some(command) = decoder.next(&mut bytes).unwrap() {
                let words = Vec::<String>::from_value(command.into_result().unwrap()).unwrap();
                let word = words.last().unwrap();
                replies.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
                received.borrow_mut().push(word.clone());
            }
            while !replies.is_empty() {
                let part = dice.borrow_mut().usize(1..=replies.len());
                if server.write_all(&replies[..part]).await.is_err() {
                    return;
                }
                replies.drain(..part);
                tokio::task::yield_now().await;
            }
        }
    }

    /// Calls of one or more commands, some of which are given up.
    async fn call(connection: &Connection, dice: &RefCell<Rng>, number: usize) -> Option<Told> {
        let roll = |range| dice.borrow_mut().usize(range);
        let (count, pause, patience) = (roll(1..5), roll(0..20), roll(0..200));
        let words: Vec<String> =
            (0..count).map(|at| format!("{number}:{at}:{}", "x".repeat(roll(0..200)))).collect();
        let commands: Vec<Command> =
            words.iter().map(|word| Command::new("ECHO").arg(word)).collect();
        for _ in 0..pause {
            tokio::task::yield_now().await;
        }
        let call = async {
            match commands.as_slice() {
                [command] => connection.send(command).await.map(|reply| vec![reply]),
                commands => connection.send_all(Batch::of(commands.iter())).await,
            }
        };
        let given_up = async {
            for _ in 0..patience {
                tokio::task::yield_now().await;
            }
        };
        match select(std::pin::pin!(call), std::pin::pin!(given_up)).await {
            Either::Left((result, _)) => Some((words, result)),
            Either::Right(_) if patience < 100 => None,
            Either::Right((_, call)) => Some((words, call.await)),
        }
    }

    type Told = (Vec<String>, Result<Vec<Reply>>);

    #[tokio::test]
    async fn random_calls_get_their_own_replies_or_the_truth() {
        for seed in 0..300 {
            let dice = RefCell::new(Rng::with_seed(seed));
            let on_the_way = dice.borrow_mut().usize(1..2000);
            let (connection, server) = connected(on_the_way);
            let received = RefCell::<Vec<String>>::default();
            let calls = join_all((0..30).map(|number| call(&connection, &dice, number)));
            let server = std::pin::pin!(echo(server, &dice, &received));
            let told = match select(calls, server).await {
                Either::Left((told, _)) => told,
                Either::Right(((), calls)) => calls.await,
            };
            let received = received.borrow();
            for (words, result) in told.into_iter().flatten() {
                match result {
                    Ok(replies) => {
                        let replies: Vec<String> =
                            replies.into_iter().map(|reply| text(Ok(reply))).collect();
                        assert_eq!(replies, words, "seed {seed}");
                    }
                    Err(error) if error.outcome() == Outcome::NotSent => {
                        assert!(!words.iter().any(|word| received.contains(word)), "seed {seed}");
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Disconnected, "seed {seed}"),
                }
            }
        }
    }
}
