//! The documents of the systems: the commands that their services send, against the API of [`edgecask::systems`].
//!
//! A document is a file of commands, `{system}.redis`, and a function beside it. The function reads through the API what the
//! commands store, and writes through the API what the commands store, byte for byte and with the same times to live.

/// Reads a key through the API after its document's commands.
macro_rules! read {
    ($client:ident, $key:expr, $write:ident($($written:expr),*), $read:ident($($arg:expr),*), $expected:expr) => {{
        let key = $key.unwrap();
        let _ = ($(&$written,)*);
        let found = key.$read($client $(, $arg)*).await.unwrap();
        assert_eq!(found, $expected, "{}", key.key());
    }};
}

/// Writes a key through the API.
macro_rules! write {
    ($client:ident, $key:expr, $write:ident($($written:expr),*), $read:ident($($arg:expr),*), $expected:expr) => {{
        let key = $key.unwrap();
        let _ = key.$write($client $(, $written)*).await.unwrap();
        let _ = ($(&$arg,)* &$expected);
    }};
}

pub(crate) mod automation;
mod cache_service;
mod copilot;
mod council;
mod page;
mod phoenix;

use edgecask::Client;
use edgecask::platform::BoxFuture;

/// What the services of a system send to Redis, and the check that the API reads and writes the same.
#[derive(Debug)]
pub struct Document {
    name: &'static str,
    run: for<'a> fn(&'a Client) -> BoxFuture<'a, ()>,
    store: for<'a> fn(&'a Client) -> BoxFuture<'a, ()>,
}

impl Document {
    /// The system, such as `council`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Checks it. Panics if the API reads or writes anything different.
    ///
    /// It empties the database: its keys are fixed.
    pub fn run<'a>(&self, client: &'a Client) -> BoxFuture<'a, ()> {
        (self.run)(client)
    }

    /// Empties the database, and sends the commands of the document.
    pub fn store<'a>(&self, client: &'a Client) -> BoxFuture<'a, ()> {
        (self.store)(client)
    }
}

macro_rules! documents {
    ($($name:ident),+) => {
        /// Every document.
        pub static DOCUMENTS: &[Document] = &[$(Document {
            name: stringify!($name),
            run: |client| Box::pin($name::run(client)),
            store: |client| Box::pin($name::PAGE.store(client)),
        }),+];
    };
}

documents!(council, copilot, phoenix, automation, cache_service);
