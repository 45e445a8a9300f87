use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use edgecask::cache::{Cache, EntryOptions, Ttl};
use edgecask::config::Config;
use edgecask::prelude::*;
use edgecask::systems::cache_service::{
    CacheService, CacheTtls, ConversationStatus, audio_hash, keys, user_tag,
};
use edgecask::{BoxError, ErrorKind, Key, Keyspace};
use edgecask_tests::{RedisServer, until};
use serde_json::{Value, json};

use super::{everywhere, seconds_left};

/// A loader that counts its calls.
async fn load(calls: &AtomicU64, value: Value) -> Result<Value, BoxError> {
    calls.fetch_add(1, Ordering::SeqCst);
    Ok(value)
}

/// The payload of what is stored, behind the line of its envelope if it has one.
async fn payload(client: &Client, key: &Key) -> String {
    let text: String = client.get(key).await.unwrap().unwrap();
    match text.strip_prefix("edgecask/1 ") {
        Some(rest) => rest.split_once('\n').unwrap().1.to_owned(),
        None => text,
    }
}

#[tokio::test]
async fn a_profile_lives_for_an_hour_and_an_update_clears_all_of_the_user() {
    everywhere(async |client| {
        let service = CacheService::new(Cache::new(client.clone()));
        let (users, sessions) = (service.users::<Value>(), service.sessions::<Value>());
        let conversations = service.conversations::<Value>();
        let key = users.key("123").unwrap();
        assert_eq!(key.as_str(), "user:123:profile");
        // As another program stores it.
        client.set("user:123:profile", r#"{"name":"Ada"}"#).await.unwrap();
        assert_eq!(users.get("123").await.unwrap(), Some(json!({"name": "Ada"})));
        client.del(["user:123:profile"]).await.unwrap();

        let calls = AtomicU64::new(0);
        for _ in 0..2 {
            let found = users.get_or_load("123", || load(&calls, json!({"name": "Ada"}))).await;
            assert_eq!(found.unwrap(), json!({"name": "Ada"}));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert_eq!(payload(&client, &key).await, r#"{"name":"Ada"}"#);
        assert!((3590..=3600).contains(&seconds_left(&client, &key).await));

        users.set("456", &json!({"name": "Grace"})).await.unwrap();
        sessions.set("token", "123", &json!({"role": "admin"}), None).await.unwrap();
        let list =
            conversations.list_or_load("123", "page-1", || load(&calls, json!(["c1"]))).await;
        assert_eq!(list.unwrap(), json!(["c1"]));
        conversations.set("123", "c1", &json!({}), ConversationStatus::Active).await.unwrap();
        let updated =
            users.update("123", || async { Ok::<_, BoxError>("New Name") }).await.unwrap();
        assert_eq!(updated, "New Name");
        assert_eq!(users.get("123").await.unwrap(), None);
        assert_eq!(sessions.get("token").await.unwrap(), None);
        assert_eq!(conversations.get("c1").await.unwrap(), None);
        let list = conversations.list_or_load("123", "page-1", || load(&calls, json!([]))).await;
        assert_eq!(list.unwrap(), json!([]));
        assert_eq!(users.get("456").await.unwrap(), Some(json!({"name": "Grace"})), "another user");

        // A write that failed may have taken place.
        users.set("456", &json!({"name": "Grace"})).await.unwrap();
        let failed = users.update("456", || async { Err::<(), BoxError>("lost".into()) }).await;
        assert!(failed.is_err());
        assert_eq!(users.get("456").await.unwrap(), None);
        users.set("456", &json!({})).await.unwrap();
        users.invalidate_all().await.unwrap();
        assert_eq!(users.get("456").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_session_lives_as_long_as_it_says() {
    everywhere(async |client| {
        let sessions = CacheService::new(Cache::new(client.clone())).sessions::<Value>();
        let day = Duration::from_secs(86_400);
        for (expires_in, range) in [
            (None, 86_390..=86_400),
            (Some(Duration::from_secs(60)), 50..=60),
            (Some(day * 30), 86_390..=86_400),
        ] {
            sessions.set("s3cret", "123", &json!({"role": "user"}), expires_in).await.unwrap();
            let key = sessions.key("s3cret").unwrap();
            assert!(range.contains(&seconds_left(&client, &key).await), "{expires_in:?}");
            assert!(key.as_str().starts_with("session-token:") && !key.as_str().contains("s3cret"));
            assert_eq!(payload(&client, &key).await, r#"{"role":"user"}"#);
        }
        assert_eq!(sessions.get("s3cret").await.unwrap(), Some(json!({"role": "user"})));
        assert_eq!(sessions.get("other").await.unwrap(), None);
        assert_eq!(sessions.delete("s3cret").await.unwrap().count(), 1);
        assert_eq!(sessions.get("s3cret").await.unwrap(), None);
        assert!(sessions.get("").await.is_err());
        let over = sessions.set("s3cret", "123", &json!({}), Some(Duration::ZERO)).await;
        assert!(over.is_err(), "a session that is over");
    })
    .await;
}

#[tokio::test]
async fn the_status_of_a_conversation_decides_how_long_it_lives() {
    everywhere(async |client| {
        let conversations = CacheService::new(Cache::new(client.clone())).conversations::<Value>();
        let calls = AtomicU64::new(0);
        for (id, status, range) in [
            ("a", ConversationStatus::Active, 290..=300),
            ("b", ConversationStatus::Completed, 86_390..=86_400),
        ] {
            let key = conversations.key(id).unwrap();
            assert_eq!(key.as_str(), format!("conversation:{id}"));
            let get = || {
                conversations.get_or_load("123", id, || async {
                    let conversation = load(&calls, json!({"id": id})).await?;
                    Ok::<_, BoxError>((conversation, status))
                })
            };
            assert_eq!(get().await.unwrap(), json!({"id": id}));
            assert!(range.contains(&seconds_left(&client, &key).await), "{status:?}");
            assert_eq!(get().await.unwrap(), json!({"id": id}));
            assert_eq!(payload(&client, &key).await, format!(r#"{{"id":"{id}"}}"#));
            conversations.set("123", id, &json!({"id": 1}), status).await.unwrap();
            assert!(range.contains(&seconds_left(&client, &key).await), "{status:?}");
        }
        assert_eq!(calls.load(Ordering::SeqCst), 2);
        let key = conversations.list_key("123", "page-1").unwrap();
        assert_eq!(key.as_str(), "user-conversations:123:page-1");
        let list = || conversations.list_or_load("123", "page-1", || load(&calls, json!(["a"])));
        list().await.unwrap();
        assert!((590..=600).contains(&seconds_left(&client, &key).await));
        conversations.invalidate("123", "a").await.unwrap();
        assert_eq!(conversations.get("a").await.unwrap(), None);
        assert_eq!(conversations.get("b").await.unwrap(), Some(json!({"id": 1})));
        list().await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 4);
        // The pattern of the document does the same.
        let pattern = Keyspace::literal("user-conversations").join("123").unwrap().pattern();
        assert_eq!(pattern.as_str(), "user-conversations:123:*");
        let cache = Cache::new(client.clone());
        assert_eq!(cache.delete_matching(&pattern).await.unwrap().count(), 1);

        let failing = || async { Err::<(Value, ConversationStatus), BoxError>("away".into()) };
        assert!(conversations.get_or_load("123", "c", failing).await.is_err());
        // What is invalidated while it is loaded is not stored.
        let invalidated = conversations.get_or_load("123", "d", || async {
            cache.invalidate_tags([user_tag("123")?]).await?;
            Ok::<_, BoxError>((json!("old"), ConversationStatus::Completed))
        });
        assert_eq!(invalidated.await.unwrap(), json!("old"));
        assert_eq!(conversations.get("d").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn transcriptions_live_for_a_month_and_analyses_for_ever() {
    everywhere(async |client| {
        let ai = CacheService::new(Cache::new(client.clone())).ai();
        let hash = audio_hash(b"a recording");
        assert_eq!(hash.len(), 64);
        let key = ai.transcription_key(&hash).unwrap();
        assert_eq!(key.as_str(), format!("openai:transcription:{hash}"));
        assert_eq!(ai.transcription::<Value>(&hash).await.unwrap(), None);
        ai.set_transcription(&hash, &json!({"text": "ä"})).await.unwrap();
        assert_eq!(client.get::<String>(&key).await.unwrap().unwrap(), r#"{"text":"ä"}"#);
        assert!((2_591_990..=2_592_000).contains(&seconds_left(&client, &key).await));
        let calls = AtomicU64::new(0);
        let found = ai.transcription_or_load(&hash, || load(&calls, json!(1))).await.unwrap();
        assert_eq!((found, calls.load(Ordering::SeqCst)), (json!({"text": "ä"}), 0));

        let key = ai.analysis_key("c1").unwrap();
        client.set("openai:analysis:c1", r#"{"mood":"good"}"#).await.unwrap();
        assert_eq!(ai.analysis::<Value>("c1").await.unwrap(), Some(json!({"mood": "good"})));
        ai.set_analysis("c1", &json!({"mood": "better"})).await.unwrap();
        assert_eq!(client.get::<String>(&key).await.unwrap().unwrap(), r#"{"mood":"better"}"#);
        assert_eq!(seconds_left(&client, &key).await, -1);
        assert_eq!(ai.delete_analysis("c1").await.unwrap().count(), 1);
    })
    .await;
}

#[tokio::test]
async fn the_basic_operations_of_the_document() {
    everywhere(async |client| {
        let cache = Cache::new(client.clone());
        let key = |text: &str| Key::verbatim(text).unwrap();
        let tagged = EntryOptions::new(Ttl::seconds(300)).tags(["user:123", "profiles"]);
        cache.set(&key("user:123:profile"), &json!({}), tagged).await.unwrap();
        cache.invalidate_tags(["user:123"]).await.unwrap();
        assert_eq!(cache.get::<Value>(&key("user:123:profile")).await.unwrap(), None);

        cache.set(&key("key"), "value", Ttl::seconds(300)).await.unwrap();
        assert_eq!(client.get::<String>("key").await.unwrap().unwrap(), r#""value""#);
        assert_eq!(cache.get::<String>(&key("key")).await.unwrap().as_deref(), Some("value"));
        let calls = AtomicU64::new(0);
        for _ in 0..2 {
            let load = || load(&calls, json!(1));
            let found = cache.get_or_load(&key("expensive-query"), Ttl::seconds(3600), load).await;
            assert_eq!(found.unwrap(), json!(1));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert!(seconds_left(&client, &key("expensive-query")).await > 3590);

        // Over 1 KB a value is packed, and smaller by four fifths if it is text that repeats itself.
        let long = "what is said again and again ".repeat(200);
        cache.set(&key("long"), &long, Ttl::seconds(300)).await.unwrap();
        let stored: String = client.get("long").await.unwrap().unwrap();
        assert!(stored.starts_with("edgecask/1 ") && stored.len() * 5 < long.len());
        assert_eq!(cache.get::<String>(&key("long")).await.unwrap(), Some(long));
        let stats = cache.stats();
        assert!(stats.hits > 0 && stats.misses > 0 && stats.hit_rate() > 0.0);
    })
    .await;
}

#[tokio::test]
async fn without_redis_everything_is_loaded_and_nothing_fails() {
    let redis = RedisServer::start();
    let service = CacheService::new(Cache::new(redis.client()));
    drop(redis);
    let calls = AtomicU64::new(0);
    let users = service.users::<Value>();
    assert_eq!(users.get("123").await.unwrap(), None);
    assert_eq!(users.get_or_load("123", || load(&calls, json!(1))).await.unwrap(), json!(1));
    users.update("123", || async { Ok::<_, BoxError>(()) }).await.unwrap();
    let conversations = service.conversations::<Value>();
    let conversation = conversations.get_or_load("123", "c1", || async {
        Ok::<_, BoxError>((load(&calls, json!(2)).await?, ConversationStatus::Active))
    });
    assert_eq!(conversation.await.unwrap(), json!(2));
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_variables_of_the_document_size_the_pool() {
    let redis = RedisServer::start();
    let variables = |name: &str| match name {
        "REDIS_URL" => Some(redis.url()),
        "REDIS_POOL_SIZE" => Some("1".to_owned()),
        "REDIS_MIN_IDLE" => Some("1".to_owned()),
        "REDIS_CONNECT_TIMEOUT" => Some("100".to_owned()),
        _ => None,
    };
    let client = Config::from_variables(variables).unwrap().client().unwrap();
    let waits = client.blpop::<String>(["list"], None);
    let refused = async {
        until(async || {
            let info = client.execute::<String>(Command::new("INFO").arg("clients")).await;
            info.unwrap().contains("blocked_clients:1")
        })
        .await;
        let error = client.blpop::<String>(["other"], None).await.unwrap_err();
        client.rpush("list", ["element"]).await.unwrap();
        error
    };
    let (popped, error) = tokio::join!(waits, refused);
    assert!(popped.unwrap().is_some());
    assert_eq!(error.kind(), ErrorKind::BudgetSpent);
}

#[test]
fn the_times_to_live_are_those_of_the_document_and_of_the_declarations() {
    let ttls = CacheTtls::default();
    let declared = |name: &str| {
        let declaration = keys::DECLARATIONS.iter().find(|one| one.name == name);
        declaration.unwrap().ttl.after_write().map_or(Ttl::FOREVER, Ttl::from)
    };
    // As the document has them; `None` is its `Infinity`.
    for (ttl, seconds, keyspace) in [
        (ttls.user_profile, Some(3600), Some("profile")),
        (ttls.user_sessions.into(), Some(86_400), Some("session")),
        (ttls.conversation_active, Some(300), None),
        (ttls.conversation_completed, Some(86_400), Some("conversation")),
        (ttls.conversation_list, Some(600), Some("conversation_list")),
        (ttls.transcription, Some(2_592_000), Some("transcription")),
        (ttls.analysis, None, Some("analysis")),
    ] {
        assert_eq!(ttl, seconds.map_or(Ttl::FOREVER, Ttl::seconds), "{keyspace:?}");
        if let Some(keyspace) = keyspace {
            assert_eq!(declared(keyspace), ttl, "{keyspace}");
        }
    }
    assert_eq!(keys::DECLARATIONS.len(), 6, "each keyspace is compared");
}
