//! A revocation that falls between reading a user's cached answers and taking the lease is not undone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use edgecask::layer::Layer;
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::store::{
    AuthValidationConfig, MemoryAuthBackend, Validation, create_auth_validation_cache,
};
use edgecask::transport::{Capabilities, Messages, Results, Subscription, Transport};
use edgecask::{Client, Result, Value};

const KEY: &str = "copilot:auth:validation:ada";

/// Lets another process's revocation take place right before a lease is taken, when it is armed.
#[derive(Debug)]
struct RevokingFirst {
    inner: Arc<dyn Transport>,
    armed: Arc<AtomicBool>,
}

impl Transport for RevokingFirst {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn send<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, Result<Value>> {
        Box::pin(async move {
            // The script that takes one: two keys, a random text, a time to live, and how.
            let takes_lease = command.name() == "EVALSHA" && command.get(6) == Some(b"take");
            if takes_lease && self.armed.swap(false, Ordering::SeqCst) {
                self.inner.send(&Command::new("UNLINK").arg(KEY)).await?;
            }
            self.inner.send(command).await
        })
    }

    fn pipeline<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.inner.pipeline(commands)
    }

    fn transaction<'a>(&'a self, commands: &'a [Command]) -> BoxFuture<'a, Result<Results>> {
        self.inner.transaction(commands)
    }

    fn subscribe<'a>(&'a self, to: &'a Subscription) -> BoxFuture<'a, Result<Messages>> {
        self.inner.subscribe(to)
    }

    fn sync_token(&self) -> Option<String> {
        self.inner.sync_token()
    }

    fn set_sync_token(&self, token: &str) {
        self.inner.set_sync_token(token);
    }
}

struct Arming(Arc<AtomicBool>);

impl Layer for Arming {
    fn wrap(self, inner: Arc<dyn Transport>) -> Arc<dyn Transport> {
        Arc::new(RevokingFirst { inner, armed: self.0 })
    }
}

#[tokio::test]
async fn a_check_does_not_put_revoked_answers_back() {
    let armed = Arc::new(AtomicBool::new(false));
    let client = Client::memory().layer(Arming(Arc::clone(&armed)));
    let users = MemoryAuthBackend::new();
    users.insert("ada", "right", Validation::valid());
    let config = AuthValidationConfig::new("secret").backing(users).client(client.clone());
    let auth = create_auth_validation_cache(config).unwrap();

    assert!(auth.validate("ada", "right").await.unwrap().valid);
    armed.store(true, Ordering::SeqCst);
    assert!(!auth.validate("ada", "wrong").await.unwrap().valid);
    assert!(!armed.load(Ordering::SeqCst), "the revocation took place");
    let cached: String = client.get(KEY).await.unwrap().unwrap();
    assert!(!cached.contains("\"valid\":true"), "{cached}");

    // Without a revocation, the answers to other credentials are kept.
    assert!(auth.validate("ada", "right").await.unwrap().valid);
    let loads = auth.stats().loads;
    for (credential, valid) in [("right", true), ("wrong", false)] {
        assert_eq!(auth.validate("ada", credential).await.unwrap().valid, valid);
    }
    assert_eq!(auth.stats().loads, loads);
}
