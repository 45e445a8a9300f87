use std::collections::BTreeMap;

use edgecask::keyspace::{KeyTtl, RedisType};
use edgecask::prelude::*;
use edgecask::systems::council::{self, HealthStatus, ProviderHealth, RequestStatus, Session};
use edgecask::{ErrorKind, Key};
use serde_json::json;

use super::{everywhere, seconds_left, send};

const DAY: i64 = 86_400;

/// The fields of a hash, as another program sees them.
async fn fields(client: &Client, key: &Key) -> BTreeMap<String, String> {
    client.hgetall(key).await.unwrap().into_iter().collect()
}

fn map<const N: usize>(fields: [(&str, &str); N]) -> BTreeMap<String, String> {
    fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

#[tokio::test]
async fn a_session_is_shared_with_the_typescript_service() {
    everywhere(async |client| {
        let session = council::session("s1").unwrap();
        assert_eq!(session.key().as_str(), "session:s1");
        assert_eq!(session.get(&client).await.unwrap(), None);
        let written = [
            ("userId", "u1"),
            ("history", r#"[{"role":"user","text":"ä"}]"#),
            ("lastActivityAt", "2026-11-28T10:00:00.000Z"),
            ("contextWindowUsed", "1200"),
        ];
        client.hset("session:s1", written).await.unwrap();
        send(&client, "EXPIRE session:s1 100").await;
        let mut found = session.get(&client).await.unwrap().unwrap();
        let expected = Session {
            user_id: "u1".to_owned(),
            history: vec![json!({"role": "user", "text": "ä"})],
            last_activity_at: "2026-11-28T10:00:00.000Z".to_owned(),
            context_window_used: 1200,
        };
        assert_eq!(found, expected);
        // The read was activity.
        assert!(seconds_left(&client, session.key()).await > 29 * DAY);

        send(&client, "EXPIRE session:s1 100").await;
        found.context_window_used = 0;
        session.set(&client, &found).await.unwrap();
        let mut expected = map(written);
        expected.insert("contextWindowUsed".to_owned(), "0".to_owned());
        assert_eq!(fields(&client, session.key()).await, expected);
        assert!(seconds_left(&client, session.key()).await > 29 * DAY);

        assert_eq!(session.increment(&client, "contextWindowUsed", 7).await.unwrap(), 7);
        session.set_field(&client, "history", &[json!(1)]).await.unwrap();
        let found = session.get(&client).await.unwrap().unwrap();
        assert_eq!((found.context_window_used, found.history), (7, vec![json!(1)]));
        assert!(session.delete(&client).await.unwrap());
        assert!(!session.delete(&client).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_configuration_is_json_that_stays() {
    everywhere(async |client| {
        for (config, key) in [
            (council::council_config(), "config:council"),
            (council::deliberation_config(), "config:deliberation"),
            (council::synthesis_config(), "config:synthesis"),
            (council::performance_config(), "config:performance"),
        ] {
            let config = config.unwrap();
            assert_eq!(config.key().as_str(), key);
            assert_eq!(config.get(&client).await.unwrap(), None);
            client.set(key, r#"{"models":["a","b"],"rounds":2}"#).await.unwrap();
            let found = config.get(&client).await.unwrap().unwrap();
            assert_eq!(found, json!({"models": ["a", "b"], "rounds": 2}));
            client.execute::<bool>(Command::new("EXPIRE").arg(key).arg(100)).await.unwrap();
            config.set(&client, &json!({"rounds": 3})).await.unwrap();
            assert_eq!(client.get::<String>(key).await.unwrap().unwrap(), r#"{"rounds":3}"#);
            assert_eq!(seconds_left(&client, config.key()).await, -1);
            assert!(config.delete(&client).await.unwrap());

            client.set(key, "{secret").await.unwrap();
            let error = config.get(&client).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Codec);
            assert!(!error.to_string().contains("secret") && error.to_string().contains(key));
        }
    })
    .await;
}

#[tokio::test]
async fn the_health_of_a_provider_is_known_for_five_minutes() {
    everywhere(async |client| {
        let health = council::provider_health("openai").unwrap();
        let mut healthy = ProviderHealth {
            status: HealthStatus::Degraded,
            success_rate: 0.99,
            avg_latency: 250.0,
            last_failure: Some("2026-11-28T10:00:00.000Z".to_owned()),
        };
        health.set(&client, &healthy).await.unwrap();
        healthy.status = HealthStatus::Healthy;
        healthy.last_failure = None;
        health.set(&client, &healthy).await.unwrap();
        // The failure of the record before is gone.
        let expected = map([("status", "healthy"), ("successRate", "0.99"), ("avgLatency", "250")]);
        assert_eq!(health.key().as_str(), "provider:health:openai");
        assert_eq!(fields(&client, health.key()).await, expected);
        assert!((290..=300).contains(&seconds_left(&client, health.key()).await));

        // A read is no news of the provider.
        send(&client, "EXPIRE provider:health:openai 100").await;
        assert_eq!(health.get(&client).await.unwrap(), Some(healthy));
        assert!(seconds_left(&client, health.key()).await <= 100);

        client.hset("provider:health:openai", [("status", "a secret")]).await.unwrap();
        let error = health.get(&client).await.unwrap_err();
        let expected = "the content of 'provider:health:openai' is not the declared record: the field 'status': \
            expected one of healthy, degraded, disabled";
        assert_eq!((error.kind(), error.message()), (ErrorKind::Codec, expected));
    })
    .await;
}

#[tokio::test]
async fn the_status_of_a_request_is_updated_field_by_field() {
    everywhere(async |client| {
        let status = council::request_status("r:1").unwrap();
        assert_eq!(status.key().as_str(), "request:status:r%3A1");
        status.set_field(&client, "status", "running").await.unwrap();
        status.set_field(&client, "progress", &12.5).await.unwrap();
        assert_eq!(
            fields(&client, status.key()).await,
            map([("status", "running"), ("progress", "12.5")])
        );
        assert!((3590..=3600).contains(&seconds_left(&client, status.key()).await));
        let found = status.get(&client).await.unwrap();
        assert_eq!(found, Some(RequestStatus { status: "running".to_owned(), progress: 12.5 }));

        let error = status.set_field(&client, "progres", &13).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("status, progress"), "{error}");
        let error = status.set_field(&client, "status", &None::<String>).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Codec);
        send(&client, "SET request:status:r2 text").await;
        let other = council::request_status("r2").unwrap();
        let error = other.get(&client).await.unwrap_err();
        assert_eq!(error.code(), Some("WRONGTYPE"));
        let error = other.increment(&client, "progress", 1).await.unwrap_err();
        assert_eq!(error.code(), Some("WRONGTYPE"));
    })
    .await;
}

#[test]
fn the_declarations_say_what_the_document_says() {
    let declared = |pattern: &str| {
        let mut all = council::DECLARATIONS.iter();
        let found = all.find(|declaration| declaration.pattern == pattern).unwrap();
        (found.redis_type, found.ttl)
    };
    let seconds = std::time::Duration::from_secs;
    assert_eq!(council::DECLARATIONS.len(), 7);
    let month = KeyTtl::OnActivity(seconds(2_592_000));
    assert_eq!(declared("session:{session_id}"), (RedisType::Hash, month));
    assert_eq!(declared("config:council"), (RedisType::String, KeyTtl::Forever));
    let minutes = KeyTtl::OnWrite(seconds(300));
    assert_eq!(declared("provider:health:{provider_id}"), (RedisType::Hash, minutes));
    let hour = KeyTtl::OnWrite(seconds(3600));
    assert_eq!(declared("request:status:{request_id}"), (RedisType::Hash, hour));
    let page = edgecask::keyspace::reference(council::DECLARATIONS);
    let row = "| `request:status:{request_id}` | hash | 1 hour | `RequestStatus` | council | The status of a request. |";
    assert!(page.contains(row), "{page}");
}
