use edgecask::platform::BoxFuture;
use edgecask::transport::{Backend, Capabilities, Messages, Results, Subscription, Transport};
use edgecask::{Command, Error, ErrorKind, Result, Script, Value};

/// Answers every command with one reply.
#[derive(Debug)]
pub(super) struct Fixed(pub(super) Value);

impl Transport for Fixed {
    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Backend::InMemory)
    }

    fn send<'a>(&'a self, _: &'a Command) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async { Ok(commands.iter().map(|_| Ok(self.0.clone())).collect()) })
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.pipeline(commands)
    }

    fn subscribe<'a>(&'a self, _: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        Box::pin(async { Err(Error::new(ErrorKind::Unsupported, "nothing is published")) })
    }

    fn sync_token(&self) -> Option<String> {
        None
    }

    fn set_sync_token(&self, _: &str) {}

    fn register(&self, _: &Script) {}
}
