use edgecask::cache::{Cache, EntryOptions, Ttl};
use edgecask::prelude::*;
use edgecask::systems::cache_service::{CacheService, ConversationStatus, audio_hash};
use edgecask::{BoxError, Client, Key, Keyspace};
use serde_json::{Value, json};

use super::page::Page;

pub(super) const PAGE: Page = Page::new(include_str!("cache_service.redis"));
const LISTS: Keyspace = Keyspace::literal("user-conversations");

fn key(name: &str) -> Key {
    Key::verbatim(name.to_owned()).unwrap()
}

/// Each value of the document, as its cache finds it.
async fn read(service: &CacheService) -> [Option<Value>; 9] {
    let cache = service.cache();
    let conversations = service.conversations::<Value>();
    let list = conversations.list_key("123", "page-1").unwrap();
    let audio = audio_hash(b"a recording");
    [
        service.users().get("123").await.unwrap(),
        service.sessions().get("token").await.unwrap(),
        conversations.get("c1").await.unwrap(),
        conversations.get("c2").await.unwrap(),
        cache.get(&list).await.unwrap(),
        service.ai().transcription(&audio).await.unwrap(),
        service.ai().analysis("c1").await.unwrap(),
        cache.get(&key("key")).await.unwrap(),
        cache.get(&key("expensive-query")).await.unwrap(),
    ]
}

/// Stores each value of the document through its cache.
async fn write(service: &CacheService) {
    async fn load(value: Value) -> Result<Value, BoxError> {
        Ok(value)
    }
    let (users, sessions) = (service.users::<Value>(), service.sessions::<Value>());
    let (conversations, ai) = (service.conversations::<Value>(), service.ai());
    users.get_or_load("123", || load(json!({"name": "Ada"}))).await.unwrap();
    sessions.set("token", "123", &json!({"role": "admin"}), None).await.unwrap();
    for (id, status) in [("c1", ConversationStatus::Active), ("c2", ConversationStatus::Completed)]
    {
        let load = || async { Ok::<_, BoxError>((json!({"id": id}), status)) };
        conversations.get_or_load("123", id, load).await.unwrap();
    }
    conversations.list_or_load("123", "page-1", || load(json!(["c1", "c2"]))).await.unwrap();
    let audio = audio_hash(b"a recording");
    ai.set_transcription(&audio, &json!({"text": "what was said"})).await.unwrap();
    ai.set_analysis("c1", &json!({"mood": "good"})).await.unwrap();
    let cache = service.cache();
    cache.set(&key("key"), "value", Ttl::seconds(300)).await.unwrap();
    let load = || load(json!({"rows": 3}));
    let query = key("expensive-query");
    cache.get_or_load(&query, Ttl::seconds(3600), load).await.unwrap();
}

pub(super) async fn run(client: &Client) {
    let service = || CacheService::new(Cache::new(client.clone()));
    let all = [
        json!({"name": "Ada"}),
        json!({"role": "admin"}),
        json!({"id": "c1"}),
        json!({"id": "c2"}),
        json!(["c1", "c2"]),
        json!({"text": "what was said"}),
        json!({"mood": "good"}),
        json!("value"),
        json!({"rows": 3}),
    ]
    .map(Some);
    PAGE.store(client).await;
    assert_eq!(read(&service()).await, all);
    client.flushdb().await.unwrap();
    write(&service()).await;
    assert_eq!(read(&service()).await, all);
    PAGE.is_stored(client).await;

    // "Tag-based invalidation".
    let service = service();
    let cache = service.cache();
    let tagged = EntryOptions::new(Ttl::seconds(3600)).tags(["user:123", "profiles"]);
    cache.set(&key("user:123:profile"), &json!({"name": "Ada"}), tagged).await.unwrap();
    cache.invalidate_tags(["user:123"]).await.unwrap();
    assert_eq!(service.users::<Value>().get("123").await.unwrap(), None);
    // "Pattern-based invalidation": by SCAN, and not by KEYS, which holds up the server.
    PAGE.store(client).await;
    let pattern = LISTS.join("123").unwrap().pattern();
    assert_eq!(pattern.as_str(), "user-conversations:123:*");
    assert_eq!(cache.delete_matching(&pattern).await.unwrap().count(), 1);
    assert_eq!(client.exists(["user-conversations:123:page-1"]).await.unwrap(), 0);
    // "User caching": a write clears all that is cached of the user.
    client.flushdb().await.unwrap();
    write(&service).await;
    let users = service.users::<Value>();
    users.update("123", || async { Ok::<_, BoxError>(()) }).await.unwrap();
    let [profile, session, first, second, list, others @ ..] = read(&service).await;
    assert_eq!([profile, session, first, second, list], [const { None }; 5]);
    assert!(others.iter().all(Option::is_some));
    // A value over 1 KB is packed, and read as it was.
    let long = "what is said again and again ".repeat(200);
    cache.set(&key("long"), &long, Ttl::seconds(300)).await.unwrap();
    let stored: String = client.get("long").await.unwrap().unwrap();
    assert!(stored.len() * 5 < long.len(), "{} bytes", stored.len());
    assert_eq!(cache.get::<String>(&key("long")).await.unwrap(), Some(long));
}
