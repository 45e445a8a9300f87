//! The generated references of the systems: they name every documented key, their JSON Schema takes what the typed API writes and
//! refuses what is wrong, and their TypeScript modules are those that tsc checks.

use std::time::Duration;

use edgecask::cache::Cache;
use edgecask::keyspace::check::{FaultKind, SchemaCheck};
use edgecask::keyspace::{Declaration, json_schema, typescript};
use edgecask::prelude::*;
use edgecask::systems::cache_service::{CacheService, ConversationStatus};
use edgecask::systems::{automation, cache_service, copilot, council, phoenix};
use edgecask_behaviour::DOCUMENTS;
use serde_json::{Map, Value, json};

const SYSTEMS: [(&str, &[Declaration], &str); 5] = [
    ("automation", automation::DECLARATIONS, include_str!("../js/keyspaces/automation.ts")),
    (
        "cache_service",
        cache_service::keys::DECLARATIONS,
        include_str!("../js/keyspaces/cache_service.ts"),
    ),
    ("copilot", copilot::keys::DECLARATIONS, include_str!("../js/keyspaces/copilot.ts")),
    ("council", council::DECLARATIONS, include_str!("../js/keyspaces/council.ts")),
    ("phoenix", phoenix::DECLARATIONS, include_str!("../js/keyspaces/phoenix.ts")),
];

#[test]
fn the_modules_that_tsc_checks_are_the_generated_ones() {
    for (system, declarations, committed) in SYSTEMS {
        let module = typescript(declarations);
        assert_eq!(module, typescript(declarations));
        assert!(
            module == committed,
            "tests/js/keyspaces/{system}.ts is old: write it by `cargo run --example schema_reference \
             --features automation,cache_service,copilot,council,phoenix,schema -- typescript {system}`"
        );
    }
}

#[test]
fn every_documented_key_is_declared() {
    for line in include_str!("systems/documented.txt").lines().filter(|line| !line.starts_with('#'))
    {
        let words: Vec<&str> = line.split(' ').collect();
        let [system, pattern, kind, seconds] = words[..] else { panic!("{line}") };
        let (_, declarations, _) = SYSTEMS.iter().find(|(name, ..)| *name == system).unwrap();
        let unnamed = |pattern: &str| {
            let part = |part: &str| if part.starts_with('{') { "{}" } else { part }.to_owned();
            pattern.split(':').map(part).collect::<Vec<_>>().join(":")
        };
        let declared = declarations.iter().find(|one| unnamed(one.pattern) == pattern);
        let declared = declared.unwrap_or_else(|| panic!("not declared: {line}"));
        assert_eq!(declared.redis_type.as_str(), kind, "{line}");
        let ttl = (seconds != "-").then(|| Duration::from_secs(seconds.parse().unwrap()));
        assert_eq!(declared.ttl.after_write(), ttl, "{line}");
    }
}

/// The schema of a part, with the definitions that it refers to.
fn part(schema: &Value, of: &Value) -> Value {
    let mut part = of.clone();
    while let Some(reference) = part.get("$ref").and_then(Value::as_str) {
        part = schema.pointer(reference.trim_start_matches('#')).unwrap().clone();
    }
    if let Value::Object(part) = &mut part {
        part.insert("$defs".to_owned(), schema["$defs"].clone());
    }
    part
}

fn takes(schema: &Value, value: &Value) -> bool {
    jsonschema::validator_for(schema).unwrap().is_valid(value)
}

/// What a text is: itself, where a string is expected, else JSON.
fn decoded(schema: &Value, text: String) -> Value {
    let text = Value::String(text);
    if takes(schema, &text) {
        return text;
    }
    serde_json::from_str(text.as_str().unwrap()).unwrap()
}

/// All keys and what they hold, as the schema sees them.
async fn dump(client: &Client, schema: &Value, declarations: &[Declaration]) -> Map<String, Value> {
    let described = |key: &str| {
        let patterns = schema["patternProperties"].as_object().unwrap();
        let is_of = |pattern: &str| takes(&json!({ "pattern": pattern }), &json!(key));
        let pattern = patterns.iter().find(|(pattern, _)| is_of(pattern)).map(|(_, schema)| schema);
        schema["properties"]
            .get(key)
            .or(pattern)
            .unwrap_or_else(|| panic!("undeclared: {key}"))
            .clone()
    };
    let mut all = Map::new();
    for key in client.keys::<String>("*").await.unwrap() {
        if key.starts_with("edgecask:") {
            continue;
        }
        let of_key = described(&key);
        let redis = &of_key["x-redis"];
        let declaration = declarations.iter().find(|one| redis["pattern"] == one.pattern).unwrap();
        assert_eq!(redis["owner"], declaration.owner);
        let ttl: i64 = client.execute(Command::new("TTL").arg(&key)).await.unwrap();
        assert_eq!(redis["ttlSeconds"].is_null(), ttl == -1, "{key}");
        assert!(redis["ttlSeconds"].as_i64().is_none_or(|most| ttl <= most), "{key}");
        let of_item = part(schema, &of_key["items"]);
        let value = match redis["type"].as_str().unwrap() {
            "string" => {
                let text: String = client.get(&key).await.unwrap().unwrap();
                match redis["encoding"].as_str() {
                    Some("json") => serde_json::from_str(&text).unwrap(),
                    _ => decoded(&part(schema, &of_key), text),
                }
            }
            "hash" => {
                let of_record = part(schema, &of_key);
                let fields: Vec<(String, String)> =
                    client.hgetall(&key).await.unwrap().into_iter().collect();
                let field = |(name, text): (String, String)| {
                    let value = decoded(&part(schema, &of_record["properties"][&name]), text);
                    (name, value)
                };
                Value::Object(fields.into_iter().map(field).collect())
            }
            "zset" => {
                let range = Command::new("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES");
                let members: Vec<String> = client.execute(range).await.unwrap();
                let of_member = part(schema, &of_key["items"]["properties"]["member"]);
                let one = |pair: &[String]| {
                    let member = decoded(&of_member, pair[0].clone());
                    json!({ "member": member, "score": pair[1].parse::<f64>().unwrap() })
                };
                Value::Array(members.chunks(2).map(one).collect())
            }
            kind => {
                let items: Vec<String> = match kind {
                    "list" => client.lrange(&key, 0, -1).await.unwrap(),
                    _ => client.smembers(&key).await.unwrap(),
                };
                Value::Array(items.into_iter().map(|text| decoded(&of_item, text)).collect())
            }
        };
        all.insert(key, value);
    }
    all
}

/// Takes what is stored, and refuses it with a key or a field that is wrong. Tells how many wrong ones it refused.
async fn check(client: &Client, declarations: &[Declaration], open: &[&str]) -> usize {
    let schema = json_schema(declarations);
    assert_eq!(schema.to_string(), json_schema(declarations).to_string());
    jsonschema::meta::validate(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let stored = dump(client, &schema, declarations).await;
    let database = Value::Object(stored.clone());
    let faults: Vec<String> = validator
        .iter_errors(&database)
        .map(|fault| format!("{} {fault}", fault.instance_path()))
        .collect();
    assert!(faults.is_empty() && !stored.is_empty(), "{faults:?}");

    let refuses = |key: &str, value: Value| {
        let mut wrong = stored.clone();
        wrong.insert(key.to_owned(), value);
        assert!(!validator.is_valid(&Value::Object(wrong)), "'{key}' may be wrong");
    };
    refuses("nobody:knows:this:key:of:six:parts", json!(1));
    let mut wrong = 1;
    for (key, value) in
        stored.iter().filter(|(key, _)| !open.iter().any(|open| key.starts_with(open)))
    {
        refuses(key, json!([null]));
        wrong += 1;
        // A record without a field that it needs, and with one of another type.
        let Some(fields) = value.as_object() else { continue };
        let of_key = schema["patternProperties"].as_object().unwrap().iter();
        let pattern =
            of_key.filter(|(pattern, _)| takes(&json!({ "pattern": pattern }), &json!(key)));
        let of_key = pattern.map(|(_, of_key)| of_key).next().or(schema["properties"].get(key));
        let of_record = part(&schema, of_key.unwrap());
        for (name, of_field) in of_record["properties"].as_object().into_iter().flatten() {
            let needed =
                of_record["required"].as_array().is_some_and(|all| all.contains(&json!(name)));
            if needed {
                let mut fields = fields.clone();
                fields.remove(name);
                refuses(key, Value::Object(fields));
                wrong += 1;
            }
            if !takes(&part(&schema, of_field), &json!([{}, null])) {
                let mut fields = fields.clone();
                fields.insert(name.clone(), json!([{}, null]));
                refuses(key, Value::Object(fields));
                wrong += 1;
            }
        }
    }
    wrong
}

#[tokio::test]
async fn the_schema_of_the_automation_platform_takes_its_document() {
    let client = Client::memory();
    let document = DOCUMENTS.iter().find(|document| document.name() == "automation").unwrap();
    document.store(&client).await;
    // The document leaves some without the time to live that is declared.
    let check_all = SchemaCheck::new(automation::DECLARATIONS).unwrap();
    for finding in check_all.run(&client).await.unwrap().findings {
        assert_eq!(finding.fault.kind(), FaultKind::NoTtl, "{finding}");
        client.expire(&finding.key, Duration::from_secs(60)).await.unwrap();
    }
    let wrong = check(&client, automation::DECLARATIONS, &["db:query", "api:response"]).await;
    assert!(wrong > 150, "{wrong}");
    // An excepted word is another keyspace's.
    let schema = json_schema(automation::DECLARATIONS);
    assert!(takes(&schema, &json!({ "rate_limit:ada:hour:2024011514": 1 })));
    assert!(!takes(&schema, &json!({ "rate_limit:global:hour:2024011514": 1 })));
    assert!(takes(&schema, &json!({ "rate_limit:globally:hour:2024011514": 1 })));
}

#[tokio::test]
async fn the_schema_of_the_council_takes_what_is_written() {
    let client = Client::memory();
    let own = str::to_owned;
    let session = council::Session {
        user_id: own("12"),
        history: vec![json!({"role": "user"})],
        last_activity_at: own("2026-11-28T10:00:00.000Z"),
        context_window_used: 7,
    };
    council::session("s").unwrap().set(&client, &session).await.unwrap();
    for (id, last_failure) in [("a", None), ("b", Some(own("2026-11-28T10:00:00.000Z")))] {
        let (status, success_rate) = (council::HealthStatus::Healthy, 1.0);
        let health =
            council::ProviderHealth { status, success_rate, avg_latency: 2.5, last_failure };
        council::provider_health(id).unwrap().set(&client, &health).await.unwrap();
    }
    let status = council::RequestStatus { status: own("40"), progress: 40.0 };
    council::request_status("r").unwrap().set(&client, &status).await.unwrap();
    council::council_config().unwrap().set(&client, &json!({"rounds": 2})).await.unwrap();
    let wrong = check(&client, council::DECLARATIONS, &["config:"]).await;
    assert!(wrong > 20, "{wrong}");
}

#[tokio::test]
async fn the_schema_of_the_copilot_takes_what_is_written() {
    use copilot::*;
    let client = Client::memory();
    let mut policy = LlmPolicy::new("acme");
    policy.max_output_tokens = Some(4096);
    policy.extra.insert("region".to_owned(), json!("eu"));
    keys::policy("acme").unwrap().set(&client, &policy).await.unwrap();
    let mut config = ConversationConfig::new(ConversationScope::user("acme", "ada"));
    config.temperature = Some(0.5);
    keys::user_config("acme", "ada").unwrap().set(&client, &Some(config)).await.unwrap();
    keys::tenant_config("acme").unwrap().set(&client, &None).await.unwrap();
    let now = "2026-11-28T10:00:00.000Z";
    keys::conversation("c")
        .unwrap()
        .set(&client, &Conversation::new("c", "acme", now))
        .await
        .unwrap();
    let context = ConversationContext::new(ContextId::new("acme", "c"));
    keys::context("acme", "c").unwrap().set(&client, &context).await.unwrap();
    let path = ConversationPath::new(PathId::new("acme", "p"), "c");
    keys::path("acme", "p").unwrap().set(&client, &path).await.unwrap();
    let execution = ExecutionContext::new(ExecutionId::new("acme", "c", "p"), "s", now, now);
    keys::execution("acme", "c", "p").unwrap().set(&client, &execution).await.unwrap();
    keys::auth_validation("ada").unwrap().set(&client, &json!({"userId": "ada"})).await.unwrap();
    keys::telemetry("10.0.0.1").unwrap().increment(&client, 1).await.unwrap();
    keys::telemetry_in_window("10.0.0.1", 2967).unwrap().increment(&client, 1).await.unwrap();
    let wrong = check(&client, keys::DECLARATIONS, &["copilot:auth:"]).await;
    assert!(wrong > 40, "{wrong}");
}

#[tokio::test]
async fn the_schema_of_phoenix_takes_what_is_written() {
    use phoenix::*;
    let client = Client::memory();
    let own = str::to_owned;
    let metadata = ResponseMetadata { model: own("gpt-5"), tokens: 9, provider: own("openai") };
    let answer = Response {
        response: own("An answer."),
        timestamp: own("2026-11-28T10:00:00Z"),
        ttl: 3600,
        metadata,
    };
    response(InputHash::of("gpt-5", "a")).unwrap().set(&client, &answer).await.unwrap();
    session("c").unwrap().set(&client, &Session::new("c", "2026-11-28T10:00:00Z")).await.unwrap();
    let breaker = Breaker { failures: 1, open_for: Duration::from_secs(30) };
    record_failure(&client, "planner", breaker).await.unwrap();
    for id in ["1", "2"] {
        let (task_id, correlation_id) = (own(id), own("c"));
        let task = Task {
            task_id,
            correlation_id,
            agent: own("planner"),
            priority: 1,
            created_at: own("2026-11-28T10:00:00Z"),
            payload: json!({"do": "this"}),
        };
        enqueue_task(&client, &task).await.unwrap();
    }
    assert_eq!(task_queue(&client).unwrap().pull(1).await.unwrap().len(), 1);
    lock("l").unwrap().set(&client, "worker").await.unwrap();
    let wrong = check(&client, DECLARATIONS, &[]).await;
    assert!(wrong > 20, "{wrong}");
}

#[tokio::test]
async fn the_schema_of_the_cache_service_takes_what_is_written() {
    let client = Client::memory();
    let service = CacheService::new(Cache::new(client.clone()));
    service.users::<Value>().set("123", &json!({"name": "Ada"})).await.unwrap();
    service.sessions::<Value>().set("token", "123", &json!({}), None).await.unwrap();
    let conversations = service.conversations::<Value>();
    let long = json!("what is said again and again ".repeat(200));
    conversations.set("123", "c1", &long, ConversationStatus::Completed).await.unwrap();
    let load = || async { Ok::<_, edgecask::BoxError>(json!(["c1"])) };
    conversations.list_or_load("123", "page-1", load).await.unwrap();
    service.ai().set_transcription("f00d", &json!({"text": "ä"})).await.unwrap();
    service.ai().set_analysis("mood", &json!({"mood": "good"})).await.unwrap();
    let wrong = check(&client, cache_service::keys::DECLARATIONS, &[]).await;
    assert_eq!(wrong, 7);

    // The check reads the same keys without a fault.
    let check = SchemaCheck::new(cache_service::keys::DECLARATIONS).unwrap();
    let report = check.except(edgecask::Keyspace::literal("edgecask")).run(&client).await.unwrap();
    assert_eq!((report.fault_count(), report.patterns.len()), (0, 6), "{report}");
}
