use edgecask::prelude::*;
use edgecask::{ErrorKind, Outcome, Value};

use crate::Scope;

pub(crate) async fn redis_errors_are_typed(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    client.set(&key, "secret-value").await.unwrap();
    let error = client.lpush(&key, ["secret-element"]).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("WRONGTYPE")));
    assert_eq!(error.outcome(), Outcome::Refused);
    assert_eq!(error.command(), Some(format!("LPUSH {key}").as_str()));
    let unknown = Command::new("NOSUCHCOMMAND").arg(&key).arg("secret-argument");
    let unknown = client.execute::<Value>(unknown).await.unwrap_err();
    assert_eq!(unknown.code(), Some("ERR"));
    let arity = client.execute::<Value>(Command::new("GET")).await.unwrap_err();
    assert!(arity.message().contains("wrong number of arguments"), "{arity}");
    for error in [error, unknown, arity] {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("secret"), "{shown}");
    }
    assert!(client.get::<i64>(&key).await.is_err_and(|error| error.kind() == ErrorKind::Type));
}

pub(crate) async fn what_cannot_be_served_fails_at_once(scope: Scope) {
    let client = &scope.client;
    for name in ["MULTI", "SUBSCRIBE", "SELECT", "MONITOR"] {
        let error = client.execute::<Value>(Command::new(name)).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Unsupported, Outcome::NotSent));
    }
    if !client.capabilities().blocking {
        let blpop = Command::new("BLPOP").arg(scope.key("list")).arg(0);
        let error = client.execute::<Value>(blpop).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}
