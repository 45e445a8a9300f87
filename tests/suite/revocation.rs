//! A revocation that falls between reading a user's cached answers and taking the lease is not undone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::store::{
    AuthValidationConfig, MemoryAuthBackend, Validation, create_auth_validation_cache,
};
use edgecask::transport::Results;
use edgecask::{Client, Result};
use edgecask_tests::{Tap, Tapped, Trip};

const KEY: &str = "copilot:auth:validation:ada";

/// Lets another process's revocation take place right before a lease is taken, when it is armed.
#[derive(Debug)]
struct RevokingFirst(Arc<AtomicBool>);

impl Tap for RevokingFirst {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        Box::pin(async move {
            // The script that takes one: two keys, a random text, a time to live, and how.
            let takes_lease =
                |command: &Command| command.name() == "EVALSHA" && command.get(6) == Some(b"take");
            if trip.commands.iter().any(takes_lease) && self.0.swap(false, Ordering::SeqCst) {
                trip.inner.send(&Command::new("UNLINK").arg(KEY)).await?;
            }
            trip.go().await
        })
    }
}

#[tokio::test]
async fn a_check_does_not_put_revoked_answers_back() {
    let armed = Arc::new(AtomicBool::new(false));
    let client = Client::memory().layer(Tapped(RevokingFirst(Arc::clone(&armed))));
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
