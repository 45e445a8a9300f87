//! The copilot's stores: policies, settings with inheritance, conversations, and the move of old keys.
//!
//! ```sh
//! cargo run --example copilot --features copilot
//! REDIS_URL=redis://127.0.0.1:6379 CACHE_TTL_POLICY_SECONDS=60 cargo run --example copilot --features copilot,tcp
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use edgecask::config::Config;
use edgecask::prelude::*;
use edgecask::store::{MemoryStore, StoreConfig};
use edgecask::systems::copilot::{
    self, AuthValidationConfig, Conversation, ConversationConfig, ConversationScope, LlmPolicy,
    MemoryAuthBackend, MemoryConversations, Message, MessageId, Ttls, Validation,
    create_auth_validation_cache, create_conversation_config_store, create_conversation_store,
    create_llm_policy_store,
};

const POLICIES: &str = include_str!("policies.json");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Config::from_env()?.client()?;
    let ttls = Ttls::from_variables(|name| std::env::var(name).ok())?;

    // What an earlier run of this example left. A move would not overwrite it, and a revoked user stays out.
    client.unlink(["copilot:auth:validation:example", "copilot:auth:validation:ada"]).await?;

    // What an older version left moves to today's prefixes, once.
    client.set("auth:validation:example", "{}").await?;
    for migration in copilot::migrations() {
        let plan = migration.clone().dry_run(true).run(&client).await?;
        let migration = migration.progress(|so_far| println!("  {} moved so far", so_far.moved));
        let done = migration.run(&client).await?;
        println!("{} of {} old keys moved", done.moved, plan.found);
    }

    // A policy is read on every request and seldom written.
    let records: Vec<LlmPolicy> = serde_json::from_str(POLICIES)?;
    let tenant = records.first().ok_or("there are policies")?.tenant_id.clone();
    let config = StoreConfig::new().backing(MemoryStore::from_records(records));
    let policies = create_llm_policy_store(config.client(client.clone()).ttl(ttls.policy))?;
    policies.invalidate(&tenant).await?;
    for _ in 0..10 {
        policies.get(&tenant).await?.ok_or("the tenant has a policy")?;
    }
    let stats = policies.stats();
    println!("policies: {} hits, {} misses", stats.hits, stats.misses);
    assert_eq!((stats.hits, stats.misses), (9, 1));

    // A user's settings stand in the place of the tenant's.
    let config = StoreConfig::new().client(client.clone()).ttl(ttls.config);
    let configs = create_conversation_config_store(config)?;
    let mut default = ConversationConfig::new(ConversationScope::tenant(&tenant));
    default.model = Some("small".to_owned());
    configs.set(&default).await?;
    let mut own = ConversationConfig::new(ConversationScope::user(&tenant, "ada"));
    own.temperature = Some(0.1);
    configs.set(&own).await?;
    let effective = configs.effective(&tenant, "ada").await?.ok_or("there are settings")?;
    assert_eq!((effective.model.as_deref(), effective.temperature), (Some("small"), Some(0.1)));

    // A message invalidates its conversation.
    let database = MemoryConversations::new();
    let config = StoreConfig::new().backing(database.clone()).client(client.clone());
    let conversations = create_conversation_store(config, database)?;
    conversations.set(&Conversation::new("example", &tenant, "2026-11-28T10:00:00.000Z")).await?;
    conversations.get(&tenant, "example").await?.ok_or("the conversation is there")?;
    let id = MessageId::new(&tenant, "example", "m1");
    let message = Message::new(id, "What is a cache?", "2026-11-28T10:00:01.000Z");
    conversations.append(&message).await?;
    let now = conversations.get(&tenant, "example").await?.ok_or("the conversation is there")?;
    assert_eq!(now.last_message_at.as_deref(), Some("2026-11-28T10:00:01.000Z"));

    // Answers to credential checks, until they are revoked.
    let users = MemoryAuthBackend::new();
    users.insert("ada", "correct horse", Validation::valid());
    let config = AuthValidationConfig::new("a secret of this deployment").backing(users);
    let auth = create_auth_validation_cache(config.client(client.clone()).ttl(ttls.auth))?;
    assert!(auth.validate("ada", "correct horse").await?.valid);
    auth.revoke("ada").await?;
    assert!(!auth.validate("ada", "correct horse").await?.valid);

    println!("{}", serde_json::to_string(&conversations.health().await)?);
    Ok(())
}
