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

pub(crate) async fn shard_channels(scope: Scope) {
    let client = &scope.client;
    let [one, other] = ["shard,1", "shard/2"].map(|name| scope.key(name).to_string());
    assert_eq!(client.spublish(&one, "nobody listens").await.unwrap(), 0);
    let subscribed = client.ssubscribe([one.clone(), other.clone()]).await;
    // REST has no batches of bytes, and no shard channels.
    let capabilities = client.capabilities();
    if !capabilities.subscriptions || !capabilities.binary_batches {
        assert_eq!(subscribed.map(|_| ()).unwrap_err().kind(), ErrorKind::Unsupported);
        return;
    }
    let mut messages = subscribed.unwrap();
    let mut plain = client.subscribe([one.clone()]).await.unwrap();
    for (channel, payload) in [(&one, "a,b\nc\n\nd"), (&other, ""), (&one, " \u{1f980}\n")] {
        assert_eq!(client.spublish(channel, payload).await.unwrap(), 1);
        let message = messages.message().await.unwrap();
        assert_eq!(
            (&message.channel[..], &message.payload[..]),
            (channel.as_bytes(), payload.as_bytes())
        );
        assert_eq!(message.pattern, None);
    }
    // A channel of the same name is another one.
    assert_eq!(client.publish(&one, "plain").await.unwrap(), 1);
    assert_eq!(plain.message().await.unwrap().payload, "plain");
    let names: Vec<String> = client.pubsub_shardchannels(&one).await.unwrap();
    assert_eq!(names, std::slice::from_ref(&one));
    let counts = client.pubsub_shardnumsub::<String>([&one, &other]).await.unwrap();
    assert_eq!(counts, [(one.clone(), 1), (other, 1)]);
    drop(messages);
    assert_eq!(client.pubsub_numsub::<String>([&one]).await.unwrap(), [(one, 1)]);
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
