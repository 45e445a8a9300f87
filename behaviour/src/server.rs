use std::time::Duration;

use edgecask::prelude::*;

use crate::Scope;

pub(crate) async fn it_answers(scope: Scope) {
    let client = &scope.client;
    client.ping().await.unwrap();
    assert_eq!(client.echo::<String>("héllo").await.unwrap(), "héllo");
    client.set(scope.key("k"), "v").await.unwrap();
    assert!(client.dbsize().await.unwrap() >= 1);
    assert!(client.info("").await.unwrap().contains("# Server"));
}

pub(crate) async fn the_clock_runs(scope: Scope) {
    let now = scope.client.time().await.unwrap();
    assert!(now > Duration::from_secs(1_600_000_000));
    assert!(scope.client.time().await.unwrap() >= now);
}
