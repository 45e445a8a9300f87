use edgecask::Client;
use edgecask::command::strings::SetOptions;
use edgecask::prelude::*;
use edgecask::store::{CachingStore, MemoryStore, Record, StoreConfig};
use edgecask::systems::copilot::*;
use serde_json::json;

use super::page::Page;

pub(super) const PAGE: Page = Page::new(include_str!("copilot.redis"));
const PREFIXES: Page = Page::new(include_str!("copilot_prefixes.redis"));
const NOW: &str = "2026-11-28T10:00:00.000Z";
const LATER: &str = "2026-11-28T10:30:00.000Z";

/// What the document stores.
struct Records {
    policy: LlmPolicy,
    default: ConversationConfig,
    own: ConversationConfig,
    conversation: Conversation,
    context: ConversationContext,
    path: ConversationPath,
    sandbox: ExecutionContext,
}

impl Records {
    fn new() -> Self {
        let mut policy = LlmPolicy::new("acme");
        policy.default_provider = Some("openai".to_owned());
        policy.default_model = Some("gpt-5".to_owned());
        policy.allow_remote_egress = true;
        policy.extra.insert("tasks".to_owned(), json!([1]));
        let mut default = ConversationConfig::new(ConversationScope::tenant("acme"));
        default.model = Some("small".to_owned());
        default.retention_days = Some(30);
        let mut own = ConversationConfig::new(ConversationScope::user("acme", "ada"));
        own.temperature = Some(0.1);
        let mut conversation = Conversation::new("c1", "acme", NOW);
        conversation.extra.insert("shareAudience".to_owned(), json!("private"));
        let mut context = ConversationContext::new(ContextId::new("acme", "c1"));
        context.active_node_ids.push("n1".to_owned());
        let path = ConversationPath::new(PathId::new("acme", "p1"), "c1");
        let id = ExecutionId::new("acme", "c1", "p1");
        let sandbox = ExecutionContext::new(id, "s1", NOW, LATER);
        Self { policy, default, own, conversation, context, path, sandbox }
    }
}

/// Each store of the document, over backing stores of the test.
struct Stores {
    policies: LlmPolicyStore,
    configs: ConversationConfigStore,
    conversations: ConversationStore,
    contexts: ConversationContextStore,
    paths: ConversationPathStore,
    sandboxes: ExecutionContextStore,
    auth: AuthValidationCache,
}

fn backed<R: Record>(client: &Client, records: impl IntoIterator<Item = R>) -> StoreConfig<R> {
    StoreConfig::new().backing(MemoryStore::from_records(records)).client(client.clone())
}

impl Stores {
    /// The backing stores are empty, or hold what the document stores.
    async fn new(client: &Client, filled: bool) -> Self {
        let records = filled.then(Records::new);
        let records = records.as_ref();
        let users = MemoryAuthBackend::new();
        if filled {
            users.insert("ada", "correct horse", Validation::valid());
        }
        let auth = AuthValidationConfig::new("a secret of this deployment").backing(users);
        let configs = records
            .map_or(Vec::new(), |records| vec![records.default.clone(), records.own.clone()]);
        let conversations = records.map(|records| records.conversation.clone());
        Self {
            policies: create_llm_policy_store(backed(
                client,
                records.map(|records| records.policy.clone()),
            ))
            .unwrap(),
            configs: create_conversation_config_store(backed(client, configs)).unwrap(),
            conversations: create_conversation_store(
                backed(client, conversations),
                MemoryConversations::new(),
            )
            .unwrap(),
            contexts: create_conversation_context_store(backed(
                client,
                records.map(|records| records.context.clone()),
            ))
            .unwrap(),
            paths: create_conversation_path_store(backed(
                client,
                records.map(|records| records.path.clone()),
            ))
            .unwrap(),
            sandboxes: create_execution_context_store(backed(
                client,
                records.map(|records| records.sandbox.clone()),
            ))
            .unwrap(),
            auth: create_auth_validation_cache(auth.client(client.clone())).unwrap(),
        }
    }

    /// Checks that each store finds what the document stores, or nothing.
    async fn read(&self, is_there: bool) {
        let Records { policy, default, own, conversation, context, path, sandbox } = Records::new();
        found(&self.policies, &policy, is_there).await;
        found(&self.contexts, &context, is_there).await;
        found(&self.paths, &path, is_there).await;
        found(&self.sandboxes, &sandbox, is_there).await;
        let effective = self.configs.effective("acme", "ada").await.unwrap();
        assert_eq!(effective, is_there.then(|| own.or(default.clone())));
        let bobs = self.configs.get(&ConversationScope::user("acme", "bob")).await.unwrap();
        assert_eq!(bobs, None);
        let stored = self.conversations.get("acme", "c1").await.unwrap();
        assert_eq!(stored, is_there.then_some(conversation));
        assert_eq!(self.auth.validate("ada", "correct horse").await.unwrap().valid, is_there);
    }

    /// Writes each record again, which deletes what is cached of it.
    async fn write(&self) {
        let Records { policy, default, own, conversation, context, path, sandbox } = Records::new();
        self.policies.set(&policy).await.unwrap();
        self.configs.set(&default).await.unwrap();
        self.configs.set(&own).await.unwrap();
        self.conversations.set(&conversation).await.unwrap();
        self.contexts.set(&context).await.unwrap();
        self.paths.set(&path).await.unwrap();
        self.sandboxes.set(&sandbox).await.unwrap();
        self.auth.revoke("ada").await.unwrap();
    }
}

async fn found<R: Record + PartialEq + std::fmt::Debug>(
    store: &CachingStore<R>,
    record: &R,
    is_there: bool,
) {
    assert_eq!(store.get(&record.id()).await.unwrap().as_ref(), is_there.then_some(record));
}

/// The keys of the document that hold a record.
const KEYS: [&str; 8] = [
    "copilot:llm:policy:acme",
    "copilot:conv:config:acme",
    "copilot:conv:config:acme:ada",
    "copilot:conv:conversation:c1",
    "copilot:conv:context:acme:c1",
    "copilot:conv:path:acme:p1",
    "copilot:conv:execution:acme:c1:p1",
    "copilot:auth:validation:ada",
];

pub(super) async fn run(client: &Client) {
    // The stores read what the services have cached, because the backing stores are empty.
    PAGE.store(client).await;
    Stores::new(client, false).await.read(true).await;
    // The stores no longer read what the services invalidate by DEL.
    PAGE.store(client).await;
    client.del(KEYS).await.unwrap();
    Stores::new(client, false).await.read(false).await;

    // Reads fill the cache with what the services read.
    client.flushdb().await.unwrap();
    let stores = Stores::new(client, true).await;
    stores.read(true).await;
    let [.., auth] = KEYS;
    let answers: String = client.get(auth).await.unwrap().unwrap();
    client.set_with(auth, without_time(&answers), SetOptions::new().keep_ttl()).await.unwrap();
    PAGE.is_stored(client).await;
    // Writes delete it, for the services too.
    stores.read(true).await;
    assert_eq!(client.exists(KEYS).await.unwrap(), KEYS.len() as u64);
    stores.write().await;
    assert_eq!(client.exists(KEYS).await.unwrap(), 0);

    PREFIXES.store(client).await;
    for expected in [[1, 2], [0, 0]] {
        for (migration, moved) in migrations().into_iter().zip(expected) {
            assert_eq!(migration.run(client).await.unwrap().moved, moved);
        }
    }
    PREFIXES.is_stored(client).await;
}

/// The answers to credential checks, without the times at which they expire, which depend on the clock.
fn without_time(answers: &str) -> String {
    let (before, after) = answers.split_once(r#""expiresAt":"#).unwrap();
    let after = after.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!(r#"{before}"expiresAt":0{after}"#)
}
