use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use edgecask::BoxError;
use edgecask::cache::{HealthBackend, L1Options, Tier};
use edgecask::keyspace::KeyTtl;
use edgecask::prelude::*;
use edgecask::store::{MemoryStore, OnWrite, Store, StoreConfig};
use edgecask::systems::copilot::{self, *};
use edgecask::transport::Backend;
use edgecask_tests::{RedisServer, until};
use serde_json::json;

use super::{everywhere, seconds_left, send};

const NOW: &str = "2026-11-28T10:00:00.000Z";
const LATER: &str = "2026-11-28T10:00:01.000Z";

/// The text under a key, as another program sees it, and the seconds that it has left.
async fn stored(client: &Client, key: &str) -> (String, i64) {
    let text: Option<String> = client.get(key).await.unwrap();
    let key = edgecask::Key::verbatim(key).unwrap();
    (text.unwrap_or_default(), seconds_left(client, &key).await)
}

#[tokio::test]
async fn a_policy_is_shared_with_the_typescript_services() {
    everywhere(async |client| {
        let config = StoreConfig::new().client(client.clone());
        let policies = create_llm_policy_store(config).unwrap();
        // As a service caches it: no store of ours has been asked.
        let text = r#"{"tenantId":"acme","defaultModel":"m","allowRemoteEgress":true,"tasks":[1]}"#;
        client
            .execute::<()>(cmd("SET").arg("copilot:llm:policy:acme").arg(text).arg("EX").arg(300))
            .await
            .unwrap();
        let found = policies.get(&"acme".to_owned()).await.unwrap().unwrap();
        assert_eq!((found.default_model.as_deref(), found.allow_remote_egress), (Some("m"), true));
        assert_eq!(found.extra["tasks"], json!([1]));
        assert_eq!(
            copilot::keys::policy("acme").unwrap().get(&client).await.unwrap(),
            Some(found.clone())
        );

        // Write-through with delete, and the next read stores it byte for byte.
        policies.set(&found).await.unwrap();
        assert_eq!(client.exists(["copilot:llm:policy:acme"]).await.unwrap(), 0);
        policies.get(&"acme".to_owned()).await.unwrap();
        let (now, left) = stored(&client, "copilot:llm:policy:acme").await;
        assert_eq!(now, text);
        assert!((290..=300).contains(&left), "{left}");
    })
    .await;
}

#[tokio::test]
async fn settings_are_inherited_and_a_write_invalidates_what_it_changes() {
    everywhere(async |client| {
        let config = StoreConfig::new().client(client.clone());
        let configs = create_conversation_config_store(config).unwrap();
        let tenant = r#"{"tenantId":"acme","model":"small","retentionDays":30}"#;
        let user = r#"{"tenantId":"acme","userId":"ada","model":"large"}"#;
        client.set("copilot:conv:config:acme", tenant).await.unwrap();
        client.set("copilot:conv:config:acme:ada", user).await.unwrap();
        let effective = configs.effective("acme", "ada").await.unwrap().unwrap();
        assert_eq!(
            (effective.model.as_deref(), effective.retention_days),
            (Some("large"), Some(30))
        );

        let default: ConversationConfig = serde_json::from_str(tenant).unwrap();
        let own: ConversationConfig = serde_json::from_str(user).unwrap();
        configs.set(&default).await.unwrap();
        assert_eq!(stored(&client, "copilot:conv:config:acme").await.0, "");
        assert_eq!(
            stored(&client, "copilot:conv:config:acme:ada").await.0,
            user,
            "it has not changed"
        );
        configs.set(&own).await.unwrap();
        let bobs = configs.effective("acme", "bob").await.unwrap().unwrap();
        assert_eq!(bobs.model.as_deref(), Some("small"));
        configs.effective("acme", "ada").await.unwrap();
        for (key, expected) in [
            ("copilot:conv:config:acme", tenant),
            ("copilot:conv:config:acme:ada", user),
            ("copilot:conv:config:acme:bob", "null"),
        ] {
            let (text, left) = stored(&client, key).await;
            assert_eq!(text, expected);
            assert!((1..=300).contains(&left), "{key}: {left}");
        }
        assert_eq!(
            copilot::keys::user_config("acme", "bob").unwrap().get(&client).await.unwrap(),
            Some(None)
        );
    })
    .await;
}

#[tokio::test]
async fn an_append_invalidates_its_conversation_and_no_other() {
    everywhere(async |client| {
        let database = MemoryConversations::new();
        let config = StoreConfig::new().backing(database.clone()).client(client.clone());
        let conversations = create_conversation_store(config, database.clone()).unwrap();
        for id in ["c1", "c2"] {
            let mut conversation = Conversation::new(id, "acme", NOW);
            conversation.extra.insert("shareAudience".to_owned(), json!("private"));
            conversations.set(&conversation).await.unwrap();
            conversations.get("acme", id).await.unwrap().unwrap();
        }
        let text = concat!(
            r#"{"id":"c1","tenantId":"acme","createdAt":"2026-11-28T10:00:00.000Z","#,
            r#""updatedAt":"2026-11-28T10:00:00.000Z","shareAudience":"private"}"#
        );
        let (now, left) = stored(&client, "copilot:conv:conversation:c1").await;
        assert_eq!(now, text);
        assert!((290..=300).contains(&left), "{left}");

        assert_eq!(
            conversations.get("globex", "c1").await.unwrap(),
            None,
            "cached for another tenant"
        );
        assert!(!conversations.delete("globex", "c1").await.unwrap());
        let id = MessageId::new("acme", "c1", "m1");
        conversations.append(&Message::new(id.clone(), "hello", LATER)).await.unwrap();
        assert_eq!(stored(&client, "copilot:conv:conversation:c1").await.0, "");
        assert_ne!(stored(&client, "copilot:conv:conversation:c2").await.0, "");
        let found = conversations.get("acme", "c1").await.unwrap().unwrap();
        assert_eq!(found.last_message_at.as_deref(), Some(LATER));
        assert_eq!(database.messages("acme", "c1").len(), 1);
        assert_eq!(database.messages("globex", "c1").len(), 0);

        // A message that cannot be written is the caller's to know, and invalidates all the same.
        let stray = Message::new(MessageId::new("globex", "c1", "m2"), "hello", LATER);
        assert!(conversations.append(&stray).await.is_err());
        assert_eq!(stored(&client, "copilot:conv:conversation:c1").await.0, "");
        assert!(conversations.delete("acme", "c1").await.unwrap());
        assert_eq!(conversations.get("acme", "c1").await.unwrap(), None);
    })
    .await;
}

/// Checks a store that is cached by choice: without a client it touches no Redis, with one it stores this text here.
async fn cached_by_choice<R: edgecask::store::Record + PartialEq + std::fmt::Debug>(
    client: &Client,
    create: impl Fn(StoreConfig<R>) -> edgecask::Result<edgecask::store::CachingStore<R>>,
    record: R,
    (key, text): (&str, &str),
) {
    let uncached = create(StoreConfig::new()).unwrap();
    uncached.set(&record).await.unwrap();
    assert_eq!(uncached.get(&record.id()).await.unwrap().as_ref(), Some(&record));
    assert_eq!(uncached.health().await.backend, HealthBackend::None);
    assert_eq!(client.exists([key]).await.unwrap(), 0);

    let backing = MemoryStore::from_records([record.clone()]);
    let cached = create(StoreConfig::new().backing(backing).client(client.clone())).unwrap();
    assert_eq!(cached.get(&record.id()).await.unwrap().as_ref(), Some(&record));
    let (now, left) = stored(client, key).await;
    assert_eq!(now, text);
    assert!((290..=300).contains(&left), "{left}");
    assert!(cached.delete(&record.id()).await.unwrap());
    assert_eq!(client.exists([key]).await.unwrap(), 0);
    client.set(key, text).await.unwrap();
    assert_eq!(
        cached.get(&record.id()).await.unwrap(),
        Some(record),
        "as another program cached it"
    );
}

#[tokio::test]
async fn contexts_paths_and_sandboxes_are_cached_by_choice() {
    everywhere(async |client| {
        let mut context = ConversationContext::new(ContextId::new("acme", "c1"));
        context.active_node_ids.push("n1".to_owned());
        let text = r#"{"tenantId":"acme","conversationId":"c1","activeNodeIds":["n1"]}"#;
        let place = ("copilot:conv:context:acme:c1", text);
        cached_by_choice(&client, create_conversation_context_store, context, place).await;

        let path = ConversationPath::new(PathId::new("acme", "p1"), "c1");
        let text = r#"{"id":"p1","tenantId":"acme","conversationId":"c1","isPrimary":false,"isActive":true}"#;
        let place = ("copilot:conv:path:acme:p1", text);
        cached_by_choice(&client, create_conversation_path_store, path, place).await;

        let sandbox = ExecutionContext::new(ExecutionId::new("acme", "c1", "p1"), "s1", NOW, LATER);
        let text = concat!(
            r#"{"tenantId":"acme","conversationId":"c1","pathId":"p1","sandboxId":"s1","sandboxStatus":"creating","#,
            r#""createdAt":"2026-11-28T10:00:00.000Z","lastUsedAt":"2026-11-28T10:00:00.000Z","#,
            r#""expiresAt":"2026-11-28T10:00:01.000Z"}"#
        );
        let place = ("copilot:conv:execution:acme:c1:p1", text);
        cached_by_choice(&client, create_execution_context_store, sandbox, place).await;
    })
    .await;
}

#[tokio::test]
async fn answers_to_credential_checks_stand_under_the_users_key() {
    everywhere(async |client| {
        let users = MemoryAuthBackend::new();
        users.insert("ada", "right", Validation::valid());
        let config = AuthValidationConfig::new("secret").backing(users).client(client.clone());
        let auth = create_auth_validation_cache(config).unwrap();
        assert!(auth.validate("ada", "right").await.unwrap().valid);
        let (text, left) = stored(&client, "copilot:auth:validation:ada").await;
        assert!(
            text.starts_with(r#"{"userId":"ada","results":["#) && !text.contains("right"),
            "{text}"
        );
        assert!((290..=300).contains(&left), "{left}");
        // What an older service left there is no answer.
        client.set("copilot:auth:validation:ada", r#"{"isValid":false}"#).await.unwrap();
        assert!(auth.validate("ada", "right").await.unwrap().valid);
        auth.revoke("ada").await.unwrap();
        assert_eq!(client.exists(["copilot:auth:validation:ada"]).await.unwrap(), 0);
    })
    .await;
}

/// Counts the checks of credentials.
#[derive(Default)]
struct CountedUsers(MemoryAuthBackend, Arc<AtomicU64>);

impl AuthBackend for CountedUsers {
    async fn validate(&self, user_id: &str, credential: &str) -> Result<Validation, BoxError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.validate(user_id, credential).await
    }

    async fn revoke(&self, user_id: &str) -> Result<(), BoxError> {
        self.0.revoke(user_id).await
    }
}

#[tokio::test]
async fn without_redis_answers_to_credential_checks_are_remembered_within_bounds() {
    for (fallback, checks) in [(0, 4), (10, 2)] {
        let redis = RedisServer::start();
        let users = CountedUsers::default();
        users.0.insert("ada", "right", Validation::valid());
        let calls = Arc::clone(&users.1);
        let config = AuthValidationConfig::new("secret").backing(users).client(redis.client());
        let auth = create_auth_validation_cache(config.fallback(fallback)).unwrap();
        drop(redis);
        for _ in 0..2 {
            assert!(auth.validate("ada", "right").await.unwrap().valid);
            assert!(!auth.validate("ada", "wrong").await.unwrap().valid);
        }
        assert_eq!(calls.load(Ordering::SeqCst), checks);
        // The cache does not hear of it, and the caller knows.
        assert!(auth.revoke("ada").await.is_err());
        assert!(!auth.validate("ada", "right").await.unwrap().valid);
    }
}

#[tokio::test]
async fn every_component_tells_its_health() {
    everywhere(async |client| {
        let expected = match client.capabilities().backend {
            Backend::InMemory => "in-memory",
            _ => "redis",
        };
        fn config<R: edgecask::store::Record>(client: &Client) -> StoreConfig<R> {
            StoreConfig::new().client(client.clone())
        }
        let auth = AuthValidationConfig::new("secret").client(client.clone());
        let database = MemoryConversations::new();
        for health in [
            create_llm_policy_store(config(&client)).unwrap().health().await,
            create_conversation_config_store(config(&client)).unwrap().health().await,
            create_auth_validation_cache(auth).unwrap().health().await,
            create_conversation_store(config(&client), database).unwrap().health().await,
            create_conversation_context_store(config(&client)).unwrap().health().await,
            create_conversation_path_store(config(&client)).unwrap().health().await,
            create_execution_context_store(config(&client)).unwrap().health().await,
        ] {
            let json = serde_json::to_value(&health).unwrap();
            assert_eq!((&json["healthy"], &json["backend"]), (&json!(true), &json!(expected)));
            assert!(json["latencyMs"].is_number() && json.get("error").is_none());
        }
    })
    .await;
}

#[tokio::test]
async fn without_redis_conversations_come_from_their_database() {
    let redis = RedisServer::start();
    let database = MemoryConversations::new();
    let store = |tier| {
        let config = StoreConfig::new().backing(database.clone()).client(redis.client());
        create_conversation_store(config.tier(tier), database.clone()).unwrap()
    };
    let (important, critical) = (store(Tier::Important), store(Tier::Critical));
    important.set(&Conversation::new("c1", "acme", NOW)).await.unwrap();
    let port = redis.port();
    drop(redis);
    let message = Message::new(MessageId::new("acme", "c1", "m1"), "hello", LATER);
    important.append(&message).await.unwrap();
    assert!(important.owed() > 0);
    let found = important.get("acme", "c1").await.unwrap().unwrap();
    assert_eq!(found.last_message_at.as_deref(), Some(LATER));
    let health = important.health().await;
    assert!(!health.healthy && health.error.is_some() && health.latency_ms.is_none());
    assert!(critical.get("acme", "c1").await.is_err());

    let redis = RedisServer::on_port(port);
    until(async || important.catch_up().await).await;
    assert_eq!(important.owed(), 0);
    assert!(important.get("acme", "c1").await.unwrap().is_some());
    until(async || {
        redis.client().exists(["copilot:conv:conversation:c1"]).await.is_ok_and(|found| found == 1)
    })
    .await;
}

/// Counts the reads of conversations.
#[derive(Clone, Default)]
struct Counted(MemoryConversations, Arc<AtomicU64>);

impl Store<Conversation> for Counted {
    async fn get(&self, id: &String) -> Result<Option<Conversation>, BoxError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        Store::<Conversation>::get(&self.0, id).await
    }

    async fn set(&self, conversation: &Conversation) -> Result<(), BoxError> {
        Store::<Conversation>::set(&self.0, conversation).await
    }

    async fn delete(&self, id: &String) -> Result<bool, BoxError> {
        Store::<Conversation>::delete(&self.0, id).await
    }
}

#[tokio::test]
async fn the_three_patterns_of_invalidation_hold_for_conversations() {
    let redis = RedisServer::start();
    let conversation = Conversation::new("c1", "acme", NOW);
    for (on_write, reads) in [(OnWrite::Invalidate, 1), (OnWrite::Update, 0)] {
        let database = Counted::default();
        let config = StoreConfig::new().backing(database.clone()).client(redis.client());
        let store =
            create_conversation_store(config.on_write(on_write), database.0.clone()).unwrap();
        store.set(&conversation).await.unwrap();
        assert_eq!(store.get("acme", "c1").await.unwrap().as_ref(), Some(&conversation));
        assert_eq!(database.1.load(Ordering::SeqCst), reads);
    }
    // By message: what one instance appends, another one does not serve from its memory.
    let database = MemoryConversations::new();
    let instance = || {
        let config = StoreConfig::new().backing(database.clone()).client(redis.client());
        let l1 = L1Options::new().ttl(std::time::Duration::from_secs(3600));
        let config = config.on_write(OnWrite::Publish("cache:invalidate".into())).l1(l1);
        create_conversation_store(config, database.clone()).unwrap()
    };
    let (here, there) = (instance(), instance());
    here.set(&conversation).await.unwrap();
    let follower = there.clone();
    let following = tokio::spawn(async move { follower.follow_invalidations().await });
    let listeners = async || -> u64 {
        let command = Command::new("PUBSUB").arg("NUMSUB").arg("cache:invalidate");
        let (_, count): (String, u64) = redis.client().execute(command).await.unwrap();
        count
    };
    until(async || listeners().await == 1).await;
    until(async || {
        there.get("acme", "c1").await.unwrap();
        there.stats().l1_hits > 0
    })
    .await;
    let message = Message::new(MessageId::new("acme", "c1", "m1"), "hello", LATER);
    here.append(&message).await.unwrap();
    until(async || {
        there.get("acme", "c1").await.unwrap().unwrap().last_message_at.as_deref() == Some(LATER)
    })
    .await;
    following.abort();
}

#[tokio::test]
async fn the_messages_of_the_typescript_services_are_sent_and_understood() {
    let redis = RedisServer::start();
    let mut listening = redis.client().subscribe(["cache:invalidate"]).await.unwrap();
    for (tenant, message) in [
        ("acme", r#"{"type":"policy","tenantId":"acme"}"#),
        (r#"a"},{"b"#, r#"{"type":"policy","tenantId":"a\"},{\"b"}"#),
    ] {
        announce_policy(&redis.client(), "cache:invalidate", tenant).await.unwrap();
        assert_eq!(listening.message().await.unwrap().payload, message.as_bytes());
    }

    // As a service writes a policy: to the database, DEL, PUBLISH.
    let database = Arc::new(MemoryStore::from_records([LlmPolicy::new("acme")]));
    let l1 = L1Options::new().ttl(std::time::Duration::from_secs(3600));
    let config = StoreConfig::new().backing(Shared(Arc::clone(&database))).client(redis.client());
    let config = config.on_write(OnWrite::Publish("cache:invalidate".into())).l1(l1);
    let policies = create_llm_policy_store(config).unwrap();
    let follower = policies.clone();
    let following = tokio::spawn(async move { follower.follow_invalidations().await });
    let listeners = async || -> u64 {
        let command = Command::new("PUBSUB").arg("NUMSUB").arg("cache:invalidate");
        let (_, count): (String, u64) = redis.client().execute(command).await.unwrap();
        count
    };
    until(async || listeners().await == 2).await;
    let acme = "acme".to_owned();
    until(async || {
        policies.get(&acme).await.unwrap();
        policies.stats().l1_hits > 0
    })
    .await;
    let mut changed = LlmPolicy::new("acme");
    changed.allow_remote_egress = true;
    database.set(&changed).await.unwrap();
    send(&redis.client(), "DEL copilot:llm:policy:acme").await;
    send(&redis.client(), r#"PUBLISH cache:invalidate {"type":"policy","tenantId":"acme"}"#).await;
    until(async || policies.get(&acme).await.unwrap().as_ref() == Some(&changed)).await;
    following.abort();
}

/// A database that others write to as well.
struct Shared(Arc<MemoryStore<LlmPolicy>>);

impl Store<LlmPolicy> for Shared {
    async fn get(&self, id: &String) -> Result<Option<LlmPolicy>, BoxError> {
        self.0.get(id).await
    }

    async fn set(&self, policy: &LlmPolicy) -> Result<(), BoxError> {
        self.0.set(policy).await
    }

    async fn delete(&self, id: &String) -> Result<bool, BoxError> {
        self.0.delete(id).await
    }
}

#[tokio::test]
async fn entries_of_older_versions_are_moved() {
    everywhere(async |client| {
        client
            .execute::<()>(cmd("SET").arg("auth:validation:ada").arg("{}").arg("EX").arg(200))
            .await
            .unwrap();
        client.set("ratelimit:client-telemetry:10.0.0.1:2967", 3).await.unwrap();
        client.set("ratelimit:other:10.0.0.1", 3).await.unwrap();
        for expected in [1, 0] {
            for migration in copilot::migrations() {
                assert_eq!(migration.run(&client).await.unwrap().moved, expected);
            }
        }
        let (text, left) = stored(&client, "copilot:auth:validation:ada").await;
        assert_eq!(text, "{}");
        assert!((190..=200).contains(&left), "{left}");
        assert_eq!(
            stored(&client, "copilot:ratelimit:telemetry:10.0.0.1:2967").await,
            ("3".to_owned(), -1)
        );
        assert_eq!(client.dbsize().await.unwrap(), 3);
    })
    .await;
}

#[test]
fn the_declarations_say_what_the_document_says() {
    for (pattern, seconds) in [
        ("copilot:llm:policy:{tenant_id}", 300),
        ("copilot:conv:config:{tenant_id}", 300),
        ("copilot:conv:config:{tenant_id}:{user_id}", 300),
        ("copilot:auth:validation:{user_id}", 300),
        ("copilot:conv:conversation:{conversation_id}", 300),
    ] {
        let mut all = copilot::keys::DECLARATIONS.iter();
        let found = all.find(|declaration| declaration.pattern == pattern).unwrap();
        assert_eq!(found.ttl, KeyTtl::OnWrite(std::time::Duration::from_secs(seconds)));
    }
}
