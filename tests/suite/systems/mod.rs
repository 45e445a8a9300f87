//! The systems that share Redis with other programs: what those write is read, and what is written they can read.

mod automation;
mod cache_service;
mod copilot;
mod costs;
mod council;
mod documents;
mod key_types;
mod phoenix;

use edgecask::prelude::*;
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::RedisServer;

/// Runs the case on the embedded engine, on a real Redis over TCP, and through the REST server over that Redis.
pub(crate) async fn everywhere(case: impl AsyncFn(Client)) {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let rest = Client::rest(&server.url(), server.token()).unwrap();
    for client in [Client::memory(), redis.client(), rest] {
        case(client.clone()).await;
        client.flushdb().await.unwrap();
    }
    server.stop().await;
}

/// The time that is left, in seconds; -1 if the key stays.
pub(crate) async fn seconds_left(client: &Client, key: &edgecask::Key) -> i64 {
    client.execute(Command::new("TTL").arg(key)).await.unwrap()
}

/// Sends a line as redis-cli does, whose arguments have no spaces.
pub(crate) async fn send(client: &Client, line: &str) -> edgecask::Value {
    let mut words = line.split(' ').map(str::to_owned);
    let command = words.by_ref().fold(None, |command: Option<Command>, word| {
        Some(match command {
            Some(command) => command.arg(word),
            None => Command::new(word),
        })
    });
    client.send(&command.unwrap()).await.unwrap()
}
