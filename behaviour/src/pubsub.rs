use edgecask::ErrorKind;
use edgecask::prelude::*;
use futures_util::StreamExt;

use crate::Scope;

pub(crate) async fn publishing_and_listening(scope: Scope) {
    let client = &scope.client;
    let channel = scope.key("channel").to_string();
    if !client.capabilities().subscriptions {
        let refused = client.subscribe([channel.clone()]).await.map(|_| ());
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(client.publish(&channel, "nobody listens").await.unwrap(), 0);
        return;
    }
    let mut messages = client.subscribe([channel.clone()]).await.unwrap();
    assert_eq!(client.publish(&channel, &b"a,b\n\xff"[..]).await.unwrap(), 1);
    let message = messages.next().await.unwrap().unwrap();
    assert_eq!(
        (&message.channel[..], &message.payload[..]),
        (channel.as_bytes(), &b"a,b\n\xff"[..])
    );
}
