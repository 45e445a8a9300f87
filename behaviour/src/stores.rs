use std::time::Duration;

use edgecask::BoxError;
use edgecask::cache::{Cache, HealthBackend};
use edgecask::command::keys::Lifetime;
use edgecask::migrate::RenamePrefix;
use edgecask::prelude::*;
use edgecask::store::{
    AuthValidationConfig, ConversationConfig, ConversationScope, LlmPolicy, MemoryAuthBackend,
    MemoryStore, StoreConfig, Validation, create_auth_validation_cache,
    create_conversation_config_store, create_llm_policy_store,
};
use edgecask::systems::cache_service::CacheService;
use edgecask::systems::copilot::{
    Conversation, MemoryConversations, Message, MessageId, create_conversation_store,
};
use edgecask::transport::Backend;

use crate::Scope;

pub(crate) async fn policies_are_read_through(scope: Scope) {
    let tenant = scope.unique("acme");
    let mut policy = LlmPolicy::new(&tenant);
    policy.default_model = Some("gpt-4o".to_owned());
    policy.extra.insert("fromAnOlderService".to_owned(), serde_json::json!({"kept": true}));
    let backing = MemoryStore::from_records([policy.clone()]);
    let config = StoreConfig::new().backing(backing).client(scope.client.clone());
    let policies = create_llm_policy_store(config).unwrap();

    assert_eq!(policies.get(&tenant).await.unwrap().as_ref(), Some(&policy));
    assert_eq!(policies.get(&tenant).await.unwrap().as_ref(), Some(&policy));
    let stats = policies.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads), (1, 1, 1));

    let key = format!("copilot:llm:policy:{tenant}");
    let stored: String = scope.client.get(&key).await.unwrap().unwrap();
    let json: serde_json::Value = serde_json::from_str(&stored).unwrap();
    assert_eq!(json["tenantId"], *tenant);
    assert_eq!(json["defaultModel"], "gpt-4o");
    assert_eq!(json["fromAnOlderService"]["kept"], true);
    assert!(
        matches!(scope.client.ttl(&key).await.unwrap(), Lifetime::Expires(left) if (240..=300).contains(&left.as_secs()))
    );

    let nobody = scope.unique("nobody");
    assert_eq!(policies.get(&nobody).await.unwrap(), None);
    assert_eq!(scope.client.exists([format!("copilot:llm:policy:{nobody}")]).await.unwrap(), 0);
    assert!(policies.get(&String::new()).await.is_err(), "an empty tenant id is no key");

    let health = policies.health().await;
    let expected = match scope.client.capabilities().backend {
        Backend::InMemory => HealthBackend::InMemory,
        _ => HealthBackend::Redis,
    };
    assert!(health.healthy && health.backend == expected && health.error.is_none());
}

pub(crate) async fn writes_invalidate(scope: Scope) {
    let tenant = scope.unique("acme");
    let policies =
        create_llm_policy_store(StoreConfig::new().client(scope.client.clone())).unwrap();
    let mut policy = LlmPolicy::new(&tenant);
    policies.set(&policy).await.unwrap();
    assert_eq!(policies.get(&tenant).await.unwrap().as_ref(), Some(&policy));
    policy.allow_remote_egress = true;
    policies.set(&policy).await.unwrap();
    let key = policies.key(&tenant).unwrap();
    assert_eq!(scope.client.exists([&key]).await.unwrap(), 0, "deleted, not updated");
    assert_eq!(policies.get(&tenant).await.unwrap(), Some(policy));
    assert!(policies.delete(&tenant).await.unwrap());
    assert_eq!(policies.get(&tenant).await.unwrap(), None);
}

pub(crate) async fn conversation_settings_combine(scope: Scope) {
    let (tenant, user) = (scope.unique("acme"), "ada");
    let configs =
        create_conversation_config_store(StoreConfig::new().client(scope.client.clone())).unwrap();
    assert_eq!(configs.effective(&tenant, user).await.unwrap(), None);

    let mut default = ConversationConfig::new(ConversationScope::tenant(&tenant));
    default.model = Some("small".to_owned());
    default.temperature = Some(0.7);
    configs.set(&default).await.unwrap();
    let effective = configs.effective(&tenant, user).await.unwrap().unwrap();
    assert_eq!(effective.model.as_deref(), Some("small"), "a write to the default shows at once");

    let mut own = ConversationConfig::new(ConversationScope::user(&tenant, user));
    own.model = Some("large".to_owned());
    configs.set(&own).await.unwrap();
    let effective = configs.effective(&tenant, user).await.unwrap().unwrap();
    assert_eq!((effective.model.as_deref(), effective.temperature), (Some("large"), Some(0.7)));
    let others = configs.effective(&tenant, "bob").await.unwrap().unwrap();
    assert_eq!(others.model.as_deref(), Some("small"));

    let keys = [
        format!("copilot:conv:config:{tenant}"),
        format!("copilot:conv:config:{tenant}:ada"),
        format!("copilot:conv:config:{tenant}:bob"),
    ];
    let stored: Vec<Option<String>> = scope.client.mget(&keys).await.unwrap();
    assert!(stored[0].as_ref().unwrap().contains("small"));
    assert!(stored[1].as_ref().unwrap().contains("large"));
    assert_eq!(stored[2].as_deref(), Some("null"), "that there is none is cached too");

    default.temperature = Some(0.1);
    configs.set(&default).await.unwrap();
    let effective = configs.effective(&tenant, user).await.unwrap().unwrap();
    assert_eq!(effective.temperature, Some(0.1));
    assert!(configs.delete(&ConversationScope::user(&tenant, user)).await.unwrap());
    let effective = configs.effective(&tenant, user).await.unwrap().unwrap();
    assert_eq!(effective.model.as_deref(), Some("small"));
}

pub(crate) async fn validations_are_cached(scope: Scope) {
    let user = scope.unique("ada");
    let users = MemoryAuthBackend::new();
    users.insert(&user, "right", Validation::valid().attribute("tenantId", "acme"));
    let config = AuthValidationConfig::new("secret").backing(users).client(scope.client.clone());
    let auth = create_auth_validation_cache(config).unwrap();

    for _ in 0..2 {
        let right = auth.validate(&user, "right").await.unwrap();
        assert!(right.valid && right.attributes["tenantId"] == "acme");
        assert!(
            !auth.validate(&user, "wrong").await.unwrap().valid,
            "each credential has its own answer"
        );
    }
    assert_eq!(auth.stats().loads, 2, "positive and negative answers are cached");
    let key = format!("copilot:auth:validation:{user}");
    assert!(
        matches!(scope.client.ttl(&key).await.unwrap(), Lifetime::Expires(left) if (240..=300).contains(&left.as_secs()))
    );

    auth.revoke(&user).await.unwrap();
    assert_eq!(scope.client.exists([&key]).await.unwrap(), 0);
    assert!(!auth.validate(&user, "right").await.unwrap().valid, "revocation takes effect at once");
}

pub(crate) async fn credentials_stay_secret(scope: Scope) {
    let user = scope.unique("ada");
    let client = &scope.client;
    let cache_of = |secret: &str| {
        let users = MemoryAuthBackend::new();
        users.insert(&user, "correct horse", Validation::valid());
        let config = AuthValidationConfig::new(secret).backing(users).client(client.clone());
        create_auth_validation_cache(config).unwrap()
    };
    let stored = async || -> String {
        client.get(format!("copilot:auth:validation:{user}")).await.unwrap().unwrap()
    };
    cache_of("one").validate(&user, "correct horse").await.unwrap();
    let first = stored().await;
    assert!(!first.contains("correct") && !first.contains("one"), "{first}");
    let json: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(json["userId"], *user);
    assert_eq!(json["results"][0]["valid"], true);
    // Under another secret the same credential has another hash: the cached answer is of no use.
    let other = cache_of("two");
    other.validate(&user, "correct horse").await.unwrap();
    assert_eq!(other.stats().loads, 1);
}

pub(crate) async fn messages_invalidate_their_conversation(scope: Scope) {
    let (id, other) = (scope.unique("c1"), scope.unique("c2"));
    let (first, later) = ("2026-11-28T10:00:00.000Z", "2026-11-28T10:00:01.000Z");
    let database = MemoryConversations::new();
    let config = StoreConfig::new().backing(database.clone()).client(scope.client.clone());
    let conversations = create_conversation_store(config, database).unwrap();
    for id in [&id, &other] {
        conversations.set(&Conversation::new(id, "acme", first)).await.unwrap();
        assert!(conversations.get("acme", id).await.unwrap().is_some());
        assert!(conversations.get("globex", id).await.unwrap().is_none());
    }
    let stored: String =
        scope.client.get(format!("copilot:conv:conversation:{id}")).await.unwrap().unwrap();
    let expected =
        format!(r#"{{"id":"{id}","tenantId":"acme","createdAt":"{first}","updatedAt":"{first}"}}"#);
    assert_eq!(stored, expected);

    let message = Message::new(MessageId::new("acme", &id, "m1"), "hello", later);
    conversations.append(&message).await.unwrap();
    let keys = [&id, &other].map(|id| format!("copilot:conv:conversation:{id}"));
    let stored: Vec<Option<String>> = scope.client.mget(&keys).await.unwrap();
    assert!(stored[0].is_none() && stored[1].is_some());
    let now = conversations.get("acme", &id).await.unwrap().unwrap();
    assert_eq!(now.last_message_at.as_deref(), Some(later));
}

pub(crate) async fn a_users_entries_go_together(scope: Scope) {
    let (ada, grace) = (scope.unique("ada"), scope.unique("grace"));
    let service = CacheService::new(Cache::new(scope.client.clone()));
    let (users, sessions) = (service.users::<String>(), service.sessions::<String>());
    for user in [&ada, &grace] {
        let load = || async { Ok::<_, BoxError>("profile".to_owned()) };
        assert_eq!(users.get_or_load(user, load).await.unwrap(), "profile");
        sessions.set(&format!("token of {user}"), user, &"session".to_owned(), None).await.unwrap();
    }
    users.update(&ada, || async { Ok::<_, BoxError>(()) }).await.unwrap();
    assert_eq!(users.get(&ada).await.unwrap(), None);
    assert_eq!(sessions.get(&format!("token of {ada}")).await.unwrap(), None);
    assert!(users.get(&grace).await.unwrap().is_some());
    assert!(sessions.get(&format!("token of {grace}")).await.unwrap().is_some());
    let left = scope.client.ttl(users.key(&grace).unwrap()).await.unwrap();
    assert!(
        matches!(left, Lifetime::Expires(left) if (3500..=3600).contains(&left.as_secs())),
        "{left:?}"
    );
}

pub(crate) async fn prefixes_are_renamed(scope: Scope) {
    let (from, to) = (scope.unique("old"), scope.unique("new"));
    let rename = RenamePrefix::new(format!("{from}:"), format!("{to}:")).unwrap();
    scope.client.set(format!("{from}:a"), "1").await.unwrap();
    scope.client.rpush(format!("{from}:b"), ["x", "y"]).await.unwrap();
    scope.client.expire(format!("{from}:b"), Duration::from_secs(100)).await.unwrap();
    scope.client.set(format!("{from}:c"), "old").await.unwrap();
    scope.client.set(format!("{to}:c"), "new").await.unwrap();
    let plan = rename.clone().dry_run(true).run(&scope.client).await.unwrap();
    assert_eq!((plan.moved, plan.conflicts), (2, 1));
    let done = rename.run(&scope.client).await.unwrap();
    assert_eq!((done.found, done.moved, done.conflicts), (3, 2, 1));
    let found: Vec<Option<String>> = scope
        .client
        .mget([format!("{to}:a"), format!("{from}:a"), format!("{to}:c")])
        .await
        .unwrap();
    assert_eq!(found, [Some("1".to_owned()), None, Some("new".to_owned())]);
    let list: Vec<String> = scope.client.lrange(format!("{to}:b"), 0, -1).await.unwrap();
    assert_eq!(list, ["x", "y"]);
    let left = scope.client.ttl(format!("{to}:b")).await.unwrap();
    assert!(
        matches!(left, Lifetime::Expires(left) if (50..=100).contains(&left.as_secs())),
        "{left:?}"
    );
}
