use edgecask::prelude::*;
use edgecask::{ErrorKind, Event};
use futures_util::StreamExt;

use crate::Scope;

pub(crate) async fn publishing_and_listening(scope: Scope) {
    let client = &scope.client;
    let [one, other] = ["channel,1", "channel/2"].map(|name| scope.key(name).to_string());
    if !client.capabilities().subscriptions {
        let refused = client.subscribe([one.clone()]).await.map(|_| ());
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(client.publish(&one, "nobody listens").await.unwrap(), 0);
        return;
    }
    let mut messages = client.subscribe([one.clone(), other.clone()]).await.unwrap();
    for (channel, payload) in [(&one, "a,b\nc\n\nd"), (&other, ""), (&one, " \u{1f980}\n")] {
        assert_eq!(client.publish(channel, payload).await.unwrap(), 1);
        let message = messages.message().await.unwrap();
        assert_eq!(
            (&message.channel[..], &message.payload[..]),
            (channel.as_bytes(), payload.as_bytes())
        );
        assert_eq!(message.pattern, None);
    }
    drop(messages);
}

pub(crate) async fn listening_to_patterns(scope: Scope) {
    let client = &scope.client;
    if !client.capabilities().subscriptions {
        return;
    }
    let pattern = format!("{}*", scope.key("news,"));
    let mut messages = client.psubscribe([pattern.clone()]).await.unwrap();
    let channel = scope.key("news,today").to_string();
    assert_eq!(client.publish(&channel, "x,y").await.unwrap(), 1);
    let message = messages.message().await.unwrap();
    let parts = (message.pattern.as_deref(), &message.channel[..], &message.payload[..]);
    assert_eq!(parts, (Some(pattern.as_bytes()), channel.as_bytes(), &b"x,y"[..]));
    assert!(client.subscribe(Vec::<String>::new()).await.is_err());
}

pub(crate) async fn watching_commands(scope: Scope) {
    let client = &scope.client;
    if !client.capabilities().subscriptions {
        return;
    }
    let mut lines = client.monitor().await.unwrap();
    let key = scope.key("watched").to_string();
    client.get::<String>(&key).await.unwrap();
    // Others use the same server at the same time.
    let line = loop {
        if let Event::Message(message) = lines.next().await.unwrap().unwrap() {
            let line = String::from_utf8_lossy(&message.payload).into_owned();
            if line.contains(&key) {
                break line;
            }
        }
    };
    assert!(line.ends_with(&format!("] \"GET\" \"{key}\"")), "{line}");
}
