use bytes::Bytes;
use std::time::Duration;

use edgecask::ErrorKind;
use edgecask::command::strings::SetOptions;
use edgecask::prelude::*;

use crate::Scope;

fn every_byte() -> Vec<u8> {
    (0..=255).collect()
}

pub(crate) async fn bytes_survive(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    client.set(&key, every_byte()).await.unwrap();
    assert_eq!(client.get::<Vec<u8>>(&key).await.unwrap(), Some(every_byte()));
    assert_eq!(client.strlen(&key).await.unwrap(), 256);
    client
        .set_with(&key, vec![0xff], SetOptions::new().ex(Duration::from_secs(100)))
        .await
        .unwrap();
    assert_eq!(client.get::<Bytes>(&key).await.unwrap().as_deref(), Some(&[0xff][..]));
    assert!(client.get::<String>(&key).await.is_err(), "text is asked for, and this is none");
    client.hset(scope.key("h"), [(vec![0xfe], vec![0xff, 0])]).await.unwrap();
    let stored = client.hget::<Vec<u8>>(scope.key("h"), vec![0xfe]).await.unwrap();
    assert_eq!(stored, Some(vec![0xff, 0]));
    assert_eq!(client.echo::<Vec<u8>>(every_byte()).await.unwrap(), every_byte());
}

pub(crate) async fn bytes_in_batches(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    let pipeline = client.pipeline();
    let set = pipeline.set(&key, every_byte());
    match pipeline.exec().await {
        Ok(mut replies) => {
            assert!(client.capabilities().binary_batches);
            replies.take(set).unwrap();
        }
        Err(error) => {
            assert!(!client.capabilities().binary_batches);
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            client.set(&key, every_byte()).await.unwrap();
        }
    }
    // Reading bytes in a batch is possible everywhere.
    let pipeline = client.pipeline();
    let get = pipeline.get::<Vec<u8>>(&key);
    let mut replies = pipeline.exec().await.unwrap();
    assert_eq!(replies.take(get).unwrap(), Some(every_byte()));
}

pub(crate) async fn odd_keys(scope: Scope) {
    let client = &scope.client;
    for name in ["", " ", "/", "a/b?c=d&e#f", "%2F", "\"", "\\", "ключ", "\u{1f980}", "a\r\nb"]
    {
        let key = format!("{}{name}", scope.key("k"));
        client.set(&key, name).await.unwrap();
        assert_eq!(client.get::<String>(&key).await.unwrap().as_deref(), Some(name));
        client.set(&key, vec![0xff]).await.unwrap();
        assert_eq!(client.get::<Vec<u8>>(&key).await.unwrap(), Some(vec![0xff]));
    }
}

/// Whatever arguments look like, they arrive as they are, or nothing is sent.
pub(crate) async fn arguments_are_data(scope: Scope) {
    const ODD: [&str; 13] = [
        "..", ".", "", "_token", "a/../b", "%2e%2e", "?", "#", "&a=b", "+", "\r\n", "EVAL", "..\\",
    ];
    let client = &scope.client;
    for (number, field) in ODD.into_iter().enumerate() {
        let key = scope.key(&format!("odd{number}"));
        let value = ODD[(number + 5) % ODD.len()];
        let set = Command::new("HSET").arg(&key).arg(field).arg(value).arg("bytes").arg(vec![0xff]);
        match client.execute::<u64>(set).await {
            Ok(added) => {
                assert_eq!(added, 2, "{field:?}");
                let stored: Option<String> = client.hget(&key, field).await.unwrap();
                assert_eq!(stored.as_deref(), Some(value));
                let stored: Option<Vec<u8>> = client.hget(&key, "bytes").await.unwrap();
                assert_eq!(stored, Some(vec![0xff]));
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Unsupported, "{field:?}");
                assert_eq!(client.exists([&key]).await.unwrap(), 0);
            }
        }
    }
}
