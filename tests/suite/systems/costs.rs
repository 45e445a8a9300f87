//! docs/costs.md: what each operation of the systems sends, counted. `EDGECASK_WRITE_DOCS=1` writes the page anew.

use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgecask::cache::{Cache, L1Options};
use edgecask::command::sorted_sets::ZRange;
use edgecask::keyspace::{Declaration, KeyTtl, RedisType};
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::store::{AuthValidationConfig, MemoryStore, OnWrite, StoreConfig};
use edgecask::systems::cache_service::{CacheService, ConversationStatus};
use edgecask::systems::copilot::*;
use edgecask::systems::{automation, cache_service, copilot, council, phoenix};
use edgecask::transport::Results;
use edgecask::{BoxError, Result};
use edgecask_tests::{By, RedisServer, Tap, Tapped, Trip};
use serde::{Deserialize, Serialize};

/// Keeps what each round trip sends.
#[derive(Debug, Clone, Default)]
struct Sent(Arc<Mutex<Vec<String>>>);

impl Tap for Sent {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, Result<Results>> {
        let mut names: Vec<(String, usize)> = Vec::new();
        for command in trip.commands {
            match names.last_mut() {
                Some((name, times)) if name == command.name() => *times += 1,
                _ => names.push((command.name().to_owned(), 1)),
            }
        }
        let names = names.into_iter().map(|(name, times)| match times {
            1 => name,
            times => format!("{times} × {name}"),
        });
        let names = names.collect::<Vec<_>>().join(", ");
        self.0.lock().unwrap().push(match trip.by {
            By::Transaction => format!("MULTI {names}"),
            By::Send | By::Pipeline => names,
        });
        Box::pin(trip.go())
    }
}

/// An operation and what it sends, a text for each round trip.
struct Row {
    operation: &'static str,
    sent: Vec<String>,
    /// Why it is more than one.
    reason: Option<&'static str>,
}

/// Counts on one client.
struct Counter {
    client: Client,
    sent: Sent,
    rows: Vec<Row>,
    /// What has no reason, or needs none.
    wrong: Vec<String>,
}

impl Counter {
    fn new(client: Client) -> Self {
        let sent = Sent::default();
        let client = client.layer(Tapped(sent.clone()));
        Self { client, sent, rows: Vec::new(), wrong: Vec::new() }
    }

    /// What was sent since the last call.
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.sent.0.lock().unwrap())
    }

    /// Notes what was sent. More than one round trip has a reason.
    fn note(&mut self, operation: &'static str, reason: Option<&'static str>) {
        let sent = self.take();
        if (sent.len() > 1) != reason.is_some() {
            self.wrong.push(format!("{operation} sends {sent:?}"));
        }
        self.rows.push(Row { operation, sent, reason });
    }
}

/// Counts each of these calls, which must succeed.
macro_rules! costs {
    ($counter:ident, $($operation:literal: $call:expr $(, because $reason:literal)?;)+) => {$(
        let _ = $counter.take();
        let _ = $call.await.unwrap();
        let reason: &[&'static str] = &[$($reason)?];
        $counter.note($operation, reason.first().copied());
    )+};
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Figures {
    clicks: u64,
    cost: f64,
}

/// A keyspace of each type that lives so long.
macro_rules! kinds {
    ($module:ident, $($ttl:tt)+) => {
        edgecask::keyspaces! {
            mod $module, owner: "tests" {
                text() => Text<String>, "text", $($ttl)+;
                json() => Json<Figures>, "json", $($ttl)+;
                count() => Counter<i64>, "count", $($ttl)+;
                amount() => Counter<f64>, "amount", $($ttl)+;
                figures() => Hash<Figures>, "figures", $($ttl)+;
                list() => List<String>, "list", $($ttl)+;
                set() => Set<String>, "set", $($ttl)+;
                sorted() => SortedSet<String>, "sorted", $($ttl)+;
            }
        }
    };
}

kinds!(forever, forever);
kinds!(expiring, ttl: 1 hour);
kinds!(renewed, ttl: 1 hour renewed on activity);
kinds!(from_creation, ttl: 1 hour from creation);

edgecask::keyspaces! {
    mod kept, owner: "tests" {
        list() => List<String>, "kept", forever, keep 10;
    }
}

/// Uses every operation of every type.
macro_rules! use_kinds {
    ($counter:ident, $module:ident) => {{
        let client = &$counter.client.clone();
        let (text, json) = ($module::text().unwrap(), $module::json().unwrap());
        let (count, amount) = ($module::count().unwrap(), $module::amount().unwrap());
        let (figures, list) = ($module::figures().unwrap(), $module::list().unwrap());
        let (set, sorted) = ($module::set().unwrap(), $module::sorted().unwrap());
        let record = Figures { clicks: 1, cost: 0.5 };
        costs! {
            $counter,
            "Text::set_if_absent": text.set_if_absent(client, "w");
            "Text::set": text.set(client, "w");
            "Text::get": text.get(client);
            "Text::delete": text.delete(client);
            "Json::upsert, absent": json.upsert(client, Figures::default, |of| of.clicks += 1),
                because "the record is changed in this process";
            "Json::set": json.set(client, &record);
            "Json::get": json.get(client);
            "Json::update": json.update(client, |of| of.clicks += 1),
                because "the record is changed in this process";
            "Json::upsert": json.upsert(client, Figures::default, |of| of.clicks += 1),
                because "the record is changed in this process";
            "Counter<i64>::increment": count.increment(client, 1);
            "Counter<i64>::set": count.set(client, 1);
            "Counter<i64>::get": count.get(client);
            "Counter<f64>::increment": amount.increment(client, 0.5);
            "Counter<f64>::set": amount.set(client, 0.5);
            "Counter<f64>::get": amount.get(client);
            "Hash::set": figures.set(client, &record);
            "Hash::set_fields": figures.set_fields(client, &record);
            "Hash::set_field": figures.set_field(client, "clicks", &2);
            "Hash::increment": figures.increment(client, "clicks", 1);
            "Hash::increment_float": figures.increment_float(client, "cost", 0.5);
            "Hash::get": figures.get(client);
            "Hash::get_field": figures.get_field::<u64>(client, "clicks");
            "Hash::delete_field": figures.delete_field(client, "cost");
            "List::push_front": list.push_front(client, ["a"]);
            "List::push_back": list.push_back(client, ["a"]);
            "List::range": list.range(client, 0, -1);
            "List::len": list.len(client);
            "List::pop_front": list.pop_front(client);
            "List::pop_back": list.pop_back(client);
            "List::remove": list.remove(client, "a");
            "Set::add": set.add(client, ["a"]);
            "Set::contains": set.contains(client, "a");
            "Set::members": set.members(client);
            "Set::len": set.len(client);
            "Set::remove": set.remove(client, ["a"]);
            "SortedSet::add": sorted.add(client, [("a", 1.0)]);
            "SortedSet::increment": sorted.increment(client, "a", 1.0);
            "SortedSet::score": sorted.score(client, "a");
            "SortedSet::range": sorted.range(client, &ZRange::rank(0, 9));
            "SortedSet::count": sorted.count(client, 0.0..);
            "SortedSet::len": sorted.len(client);
            "SortedSet::remove": sorted.remove(client, ["a"]);
        }
    }};
}

/// What the operations of the types send, by how long the keys live.
async fn types(counter: &mut Counter) -> Types {
    let mut columns = Vec::new();
    macro_rules! column {
        ($($module:ident),+) => {$({
            counter.client.flushdb().await.unwrap();
            use_kinds!(counter, $module);
            columns.push(std::mem::take(&mut counter.rows));
        })+};
    }
    column!(forever, expiring, from_creation, renewed);
    Types(columns)
}

/// A column for keys that stay, that expire after a write, after their creation, and after a read or write.
struct Types(Vec<Vec<Row>>);

impl Types {
    fn cell(&self, operation: &str, ttl: KeyTtl) -> String {
        let column = match ttl {
            KeyTtl::Forever => 0,
            KeyTtl::FromCreation(_) => 2,
            KeyTtl::OnActivity(_) => 3,
            _ => 1,
        };
        let row = self.0[column].iter().find(|row| row.operation == operation).unwrap();
        row.sent.join("; then ")
    }

    fn table(&self, wrong: &mut Vec<String>) -> String {
        let mut text = String::from(
            "| operation | round trips | of a key that stays | of a key that expires | of a key that a read renews |\n\
             |---|---:|---|---|---|\n",
        );
        let [forever, expiring, from_creation, renewed] = &self.0[..] else { unreachable!() };
        for (((forever, expiring), from_creation), renewed) in
            forever.iter().zip(expiring).zip(from_creation).zip(renewed)
        {
            // The third differs by an argument of EXPIRE.
            let trips = [expiring, from_creation, renewed].map(|row| row.sent.len());
            if expiring.sent != from_creation.sent || trips != [forever.sent.len(); 3] {
                wrong.push(format!("{} differs by how long keys live", forever.operation));
            }
            let cells = [forever, expiring, renewed].map(|row| row.sent.join("; then "));
            let (operation, trips) = (forever.operation, forever.sent.len());
            writeln!(text, "| `{operation}` | {trips} | {} |", cells.join(" | ")).unwrap();
        }
        text
    }

    /// What a read and a write of each keyspace send.
    fn of_keyspaces(&self, declarations: &[Declaration]) -> String {
        let mut text = String::from("| key | a read | a write |\n|---|---|---|\n");
        for declaration in declarations {
            let (read, write) = match declaration.redis_type {
                RedisType::String => ("Text::get", "Text::set"),
                RedisType::Hash => ("Hash::get", "Hash::set"),
                RedisType::List => ("List::range", "List::push_front"),
                RedisType::Set => ("Set::members", "Set::add"),
                _ => ("SortedSet::range", "SortedSet::add"),
            };
            let read = self.cell(read, declaration.ttl);
            let mut write = self.cell(write, declaration.ttl);
            if declaration.keep.is_some() {
                write = match write.strip_prefix("MULTI LPUSH") {
                    Some(rest) => format!("MULTI LPUSH, LTRIM{rest}"),
                    None => write,
                };
            }
            writeln!(text, "| `{}` | {read} | {write} |", declaration.pattern).unwrap();
        }
        text
    }
}

fn table(rows: &[Row]) -> String {
    let mut text = String::from("| operation | round trips | sent |\n|---|---:|---|\n");
    for Row { operation, sent, reason } in rows {
        let reason = reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        let trips = sent.len();
        let sent = if sent.is_empty() { "nothing".to_owned() } else { sent.join("; then ") };
        writeln!(text, "| `{operation}` | {trips} | {sent}{reason} |").unwrap();
    }
    text
}

async fn of_automation(counter: &mut Counter) {
    use automation::*;
    let client = &counter.client.clone();
    let session = UserSession { user_id: "ada".to_owned(), ..Default::default() };
    let steps = [WorkflowStep::default()];
    let progress = WorkflowProgress::default();
    costs! {
        counter,
        "start_session": start_session(client, "s1", &session);
        "find_session": find_session(client, "ada"),
            because "the first answer names the second key";
        "end_session": end_session(client, "s1", "ada");
        "notify": notify(client, "ada", &Notification::default());
        "mark_read": mark_read(client, "ada");
        "count_request": count_request(client, "ada", 1_705_328_527);
        "start_workflow": start_workflow(client, "ada", "w1", &progress, &steps);
        "finish_workflow": finish_workflow(client, "ada", "w1", &progress);
        "percentiles": percentiles(client, "api_response_times", [50.0, 99.0]);
    }
}

async fn of_phoenix(counter: &mut Counter) {
    use phoenix::*;
    let client = &counter.client.clone();
    let task = Task {
        task_id: "t1".to_owned(),
        correlation_id: "c1".to_owned(),
        agent: "planner".to_owned(),
        priority: 1,
        created_at: "2026-01-15T10:00:00Z".to_owned(),
        payload: serde_json::json!({}),
    };
    let breaker = Breaker { failures: 2, open_for: Duration::from_secs(30) };
    enqueue_task(client, &task).await.unwrap();
    let queue = task_queue(client).unwrap();
    let taken = queue.pull(1).await.unwrap().remove(0);
    let (one, stored) = (session("c1").unwrap(), Session::new("c1", "2026-01-15T10:00:00Z"));
    one.set(client, &stored).await.unwrap();
    costs! {
        counter,
        "session(…).update": one.update(client, |session| session.state = SessionState::Completed),
            because "the session is changed in this process";
        "record_failure, the first of an agent": record_failure(client, "planner", breaker),
            because "the record is made in this process";
        "record_failure": record_failure(client, "planner", breaker),
            because "the record is changed in this process";
        "record_success": record_success(client, "planner"),
            because "the record is changed in this process";
        "enqueue_task": enqueue_task(client, &task);
        "task_queue(…).pull": queue.pull(1);
        "task_queue(…).pull, none waits": queue.pull(1);
        "Delivery::ack": taken.ack();
    }
}

async fn of_copilot(counter: &mut Counter) {
    let client = &counter.client.clone();
    let acme = "acme".to_owned();
    let policy = LlmPolicy::new("acme");
    let backing = || MemoryStore::from_records([policy.clone(), LlmPolicy::new("globex")]);
    let config = || StoreConfig::new().client(client.clone()).backing(backing());
    let policies = create_llm_policy_store(config()).unwrap();
    let near = create_llm_policy_store(config().l1(L1Options::new())).unwrap();
    let updating = create_llm_policy_store(config().on_write(OnWrite::Update)).unwrap();
    let publish = OnWrite::Publish("cache:invalidate".into());
    let publishing = create_llm_policy_store(config().on_write(publish)).unwrap();
    let tenants = [acme.clone(), "globex".to_owned()];
    costs! {
        counter,
        "LlmPolicyStore::get, from the backing store": policies.get(&acme),
            because "the lease is taken before the backing store is asked";
        "LlmPolicyStore::get": policies.get(&acme);
        "LlmPolicyStore::get, first tier filled": near.get(&acme);
        "LlmPolicyStore::get, from the first tier": near.get(&acme);
        "LlmPolicyStore::get_shared, from the first tier": near.get_shared(&acme);
        "LlmPolicyStore::get_many, one of two is cached": policies.get_many(&tenants),
            because "the lease is taken before the backing store is asked";
        "LlmPolicyStore::get_many": policies.get_many(&tenants);
        "LlmPolicyStore::set": policies.set(&policy);
        "LlmPolicyStore::set, OnWrite::Update": updating.set(&policy),
            because "a lease keeps older loads out";
        "LlmPolicyStore::set, OnWrite::Publish": publishing.set(&policy);
        "LlmPolicyStore::invalidate": policies.invalidate(&acme);
        "LlmPolicyStore::delete": policies.delete(&acme);
        "announce_policy": announce_policy(client, "cache:invalidate", "acme");
        "health, of every store": async { Ok::<_, BoxError>(policies.health().await) };
    }

    let config = StoreConfig::new().client(client.clone());
    let configs = create_conversation_config_store(config).unwrap();
    let tenant = ConversationScope::tenant("acme");
    let default = ConversationConfig::new(tenant.clone());
    costs! {
        counter,
        "ConversationConfigStore::effective, from the backing store": configs.effective("acme", "ada"),
            because "the leases are taken before the backing store is asked";
        "ConversationConfigStore::effective": configs.effective("acme", "ada");
        "ConversationConfigStore::get": configs.get(&tenant);
        "ConversationConfigStore::set": configs.set(&default);
        "ConversationConfigStore::delete": configs.delete(&tenant);
    }

    let config = AuthValidationConfig::new("secret").client(client.clone());
    let auth = create_auth_validation_cache(config).unwrap();
    costs! {
        counter,
        "AuthValidationCache::validate, from the backing store": auth.validate("ada", "one"),
            because "the lease is taken before the backing store is asked";
        "AuthValidationCache::validate": auth.validate("ada", "one");
        "AuthValidationCache::validate, another credential of the user": auth.validate("ada", "two"),
            because "the other answers are read again under the lease";
        "AuthValidationCache::revoke": auth.revoke("ada");
    }

    let database = MemoryConversations::new();
    let config = StoreConfig::new().backing(database.clone()).client(client.clone());
    let conversations = create_conversation_store(config, database).unwrap();
    let conversation = Conversation::new("c1", "acme", "2026-11-28T10:00:00.000Z");
    let message = Message::new(MessageId::new("acme", "c1", "m1"), "?", "2026-11-28T10:00:01.000Z");
    costs! {
        counter,
        "ConversationStore::set": conversations.set(&conversation);
        "ConversationStore::get, from the backing store": conversations.get("acme", "c1"),
            because "the lease is taken before the backing store is asked";
        "ConversationStore::get": conversations.get("acme", "c1");
        "ConversationStore::append": conversations.append(&message);
        "ConversationStore::delete, not cached": conversations.delete("acme", "c1"),
            because "a read says whether the conversation is the tenant's";
    }

    let contexts = create_conversation_context_store(StoreConfig::new()).unwrap();
    let context = ContextId::new("acme", "c1");
    let config = StoreConfig::new().client(client.clone());
    let cached = create_conversation_path_store(config).unwrap();
    let path = PathId::new("acme", "p1");
    let branch = ConversationPath::new(path.clone(), "c1");
    let executions = create_execution_context_store(StoreConfig::new()).unwrap();
    let execution = ExecutionId::new("acme", "c1", "p1");
    costs! {
        counter,
        "ConversationContextStore::get, not cached": contexts.get(&context);
        "ExecutionContextStore::get, not cached": executions.get(&execution);
        "ConversationPathStore::set, cached by choice": cached.set(&branch);
        "ConversationPathStore::get, from the backing store": cached.get(&path),
            because "the lease is taken before the backing store is asked";
        "ConversationPathStore::get, cached by choice": cached.get(&path);
    }
}

async fn of_cache_service(counter: &mut Counter) {
    let service = CacheService::new(Cache::new(counter.client.clone()));
    let (users, sessions) = (service.users::<String>(), service.sessions::<String>());
    let (conversations, ai) = (service.conversations::<String>(), service.ai());
    let load = || async { Ok::<_, BoxError>("loaded".to_owned()) };
    let open = || async { Ok::<_, BoxError>(("loaded".to_owned(), ConversationStatus::Active)) };
    let value = "value".to_owned();
    let active = ConversationStatus::Active;
    costs! {
        counter,
        "UserCache::get_or_load, loaded": users.get_or_load("ada", load),
            because "the lease is taken before the loader is asked";
        "UserCache::get_or_load": users.get_or_load("ada", load);
        "UserCache::get": users.get("ada");
        "UserCache::get, not cached": users.get("bob");
        "UserCache::set": users.set("ada", &value),
            because "a lease keeps older loads out";
        "UserCache::update": users.update("ada", load);
        "UserCache::invalidate": users.invalidate("ada");
        "UserCache::invalidate_all": users.invalidate_all();
        "SessionCache::set": sessions.set("token", "ada", &value, None),
            because "a lease keeps older loads out";
        "SessionCache::get": sessions.get("token"),
            because "the entry names its tag";
        "SessionCache::get, not cached": sessions.get("other");
        "SessionCache::delete": sessions.delete("token");
        "SessionCache::delete_all": sessions.delete_all("ada");
        "ConversationCache::get_or_load, loaded": conversations.get_or_load("ada", "c1", open),
            because "the lease is taken before the loader is asked";
        "ConversationCache::get_or_load": conversations.get_or_load("ada", "c1", open);
        "ConversationCache::get": conversations.get("c1"),
            because "the entry names its tag";
        "ConversationCache::set": conversations.set("ada", "c1", &value, active),
            because "a lease keeps older loads out";
        "ConversationCache::list_or_load, loaded": conversations.list_or_load("ada", "1", load),
            because "the lease is taken before the loader is asked";
        "ConversationCache::list_or_load": conversations.list_or_load("ada", "1", load);
        "ConversationCache::invalidate_lists": conversations.invalidate_lists("ada");
        "ConversationCache::invalidate": conversations.invalidate("ada", "c1"),
            because "both at the same time";
        "AiCache::set_transcription": ai.set_transcription("hash", &value),
            because "a lease keeps older loads out";
        "AiCache::transcription": ai.transcription::<String>("hash");
        "AiCache::transcription_or_load, loaded": ai.transcription_or_load("other", load),
            because "the lease is taken before the loader is asked";
        "AiCache::transcription_or_load": ai.transcription_or_load("other", load);
        "AiCache::set_analysis": ai.set_analysis("name", &value),
            because "a lease keeps older loads out";
        "AiCache::analysis": ai.analysis::<String>("name");
        "AiCache::delete_analysis": ai.delete_analysis("name");
    }
}

const HEAD: &str = "\
# Round trips and commands

Counted by a test on the embedded engine, and on a real Redis over TCP with the same number of round trips. The test writes this page:
`EDGECASK_WRITE_DOCS=1 cargo test --package edgecask-tests --test suite costs`.

A comma separates the commands of one round trip, `MULTI` says that they are a transaction, and `; then` begins the next round trip. EVALSHA
is a script of the crate; a server that does not know it yet costs one round trip more, once.

The tables of keys have what the functions of the declared keyspace send: a read is `get`, `range` or `members`, a write is `set`,
`push_front` or `add`. The tables of operations have what the functions, stores and caches of the system send.

## The types of keyspaces

What the types of [keyspaces](keyspaces.md) send. A list with `keep` sends LTRIM besides.

";

/// What was counted on one client.
struct Counted {
    page: String,
    /// The number of round trips of each operation.
    trips: Vec<(&'static str, usize)>,
    /// What takes more round trips than one and gives no reason, or gives one and takes one.
    wrong: Vec<String>,
}

async fn count(client: Client) -> Counted {
    let mut counter = Counter::new(client);
    let types = types(&mut counter).await;
    let mut trips: Vec<_> = types.0.iter().flatten().map(trips_of).collect();
    let mut text = HEAD.to_owned() + &types.table(&mut counter.wrong);
    macro_rules! system {
        ($title:literal, $declarations:expr $(, $operations:ident)?) => {
            counter.client.flushdb().await.unwrap();
            write!(text, "\n## {}\n\n{}", $title, types.of_keyspaces($declarations)).unwrap();
            $(
                $operations(&mut counter).await;
                let rows = std::mem::take(&mut counter.rows);
                write!(text, "\n{}", table(&rows)).unwrap();
                trips.extend(rows.iter().map(trips_of));
            )?
        };
    }
    system!("Council", council::DECLARATIONS);
    system!("Copilot", copilot::keys::DECLARATIONS, of_copilot);
    system!("Phoenix", phoenix::DECLARATIONS, of_phoenix);
    system!("Automation platform", automation::DECLARATIONS, of_automation);
    system!("Cache service", cache_service::keys::DECLARATIONS, of_cache_service);
    Counted { page: text, trips, wrong: counter.wrong }
}

fn trips_of(row: &Row) -> (&'static str, usize) {
    (row.operation, row.sent.len())
}

/// What is counted the second time: the first time, the server learns the scripts, and the client what the server knows.
async fn settled(client: Client) -> Counted {
    count(client.clone()).await;
    count(client).await
}

#[tokio::test]
async fn the_page_of_costs_is_what_is_counted() {
    let counted = settled(Client::memory()).await;
    assert!(counted.wrong.is_empty(), "{:#?}", counted.wrong);
    let redis = RedisServer::start();
    assert_eq!(settled(redis.client()).await.trips, counted.trips, "over TCP");

    let text = counted.page;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/costs.md");
    if std::env::var_os("EDGECASK_WRITE_DOCS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == text, "docs/costs.md is not what is counted: see its head");
}
