use std::time::Duration;

use edgecask::prelude::*;
use edgecask::systems::phoenix::{
    self, AgentHealth, Breaker, CacheError, InputHash, Response, ResponseMetadata, Session,
    SessionState, Task, enqueue_task, record_failure, record_success,
};
use edgecask::{ErrorKind, KeyPart};
use futures_util::future::try_join_all;

use super::{everywhere, seconds_left, send};

const NOW: &str = "2026-11-28T10:00:00Z";

#[tokio::test]
async fn an_answer_of_a_model_is_shared_for_an_hour() {
    everywhere(async |client| {
        let cached = phoenix::response(InputHash::of("m", "input")).unwrap();
        let text = concat!(
            r#"{"response":"ä","timestamp":"2026-11-28T10:00:00Z","ttl":3600,"#,
            r#""metadata":{"model":"m","tokens":7,"provider":"p"}}"#
        );
        client.set(cached.key(), text).await.unwrap();
        let expected = Response {
            response: "ä".to_owned(),
            timestamp: NOW.to_owned(),
            ttl: 3600,
            metadata: ResponseMetadata {
                model: "m".to_owned(),
                tokens: 7,
                provider: "p".to_owned(),
            },
        };
        assert_eq!(cached.get(&client).await.unwrap().as_ref(), Some(&expected));
        cached.set(&client, &expected).await.unwrap();
        assert_eq!(client.get::<String>(cached.key()).await.unwrap().unwrap(), text);
        assert!((3590..=3600).contains(&seconds_left(&client, cached.key()).await));
    })
    .await;
}

#[test]
fn the_hash_tells_model_and_input_apart() {
    let text = |model, input| {
        let mut text = String::new();
        InputHash::of(model, input).write_part(&mut text).unwrap();
        text
    };
    assert_eq!(text("a", "b").len(), 64);
    assert_eq!(text("a", "b"), text("a", "b"));
    assert_ne!(text("a", "bc"), text("ab", "c"));
    assert_ne!(text("a", "b"), text("c", "b"));
}

#[tokio::test]
async fn the_state_of_a_session_changes_while_others_change_it() {
    everywhere(async |client| {
        let session = phoenix::session("c1").unwrap();
        assert_eq!(session.key().as_str(), "phoenix:session:c1");
        assert_eq!(session.update(&client, |_| ()).await.unwrap(), None);
        assert_eq!(client.exists([session.key()]).await.unwrap(), 0);
        // As the service creates it.
        let created = concat!(
            r#"{"correlation_id":"c1","created_at":"2026-11-28T10:00:00Z","#,
            r#""last_accessed":"2026-11-28T10:00:00Z","state":"Active"}"#
        );
        client.set(session.key(), created).await.unwrap();
        let found = session.get(&client).await.unwrap();
        assert_eq!(found, Some(Session::new("c1", NOW)));

        session.set(&client, &Session::new("c1", NOW)).await.unwrap();
        assert!((7190..=7200).contains(&seconds_left(&client, session.key()).await));
        send(&client, "EXPIRE phoenix:session:c1 100").await;
        let steps = (0..8).map(|_| {
            session.update(&client, |session| {
                let steps = session.task_id.take().map_or(0, |steps| steps.parse().unwrap());
                session.task_id = Some((steps + 1_u32).to_string());
            })
        });
        try_join_all(steps).await.unwrap();
        let complete = |session: &mut Session| session.state = SessionState::Completed;
        let session_now = session.update(&client, complete).await.unwrap().unwrap();
        assert_eq!(session_now.task_id.as_deref(), Some("8"));
        assert_eq!(session.get(&client).await.unwrap(), Some(session_now));
        // A change is no new session.
        assert!((90..=100).contains(&seconds_left(&client, session.key()).await));

        client.set(session.key(), "no session").await.unwrap();
        let error = session.update(&client, complete).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Codec);
        assert_eq!(client.get::<String>(session.key()).await.unwrap().unwrap(), "no session");
    })
    .await;
}

#[tokio::test]
async fn the_health_of_an_agent_stays() {
    everywhere(async |client| {
        let health = phoenix::agent_health("a1").unwrap();
        // As the service writes it.
        let written = r#"{"agent_id":"a1","health":"Healthy","updated_at":"2026-11-28T10:00:00Z"}"#;
        client.set("phoenix:health:a1", written).await.unwrap();
        let failed = |health: &mut AgentHealth| {
            health.consecutive_failures += 1;
            health.circuit_open_until = Some(NOW.to_owned());
        };
        health.update(&client, failed).await.unwrap();
        let found = health.get(&client).await.unwrap().unwrap();
        assert_eq!((found.consecutive_failures, found.health.as_str()), (1, "Healthy"));
        assert_eq!(found.circuit_open_until.as_deref(), Some(NOW));
        assert_eq!(seconds_left(&client, health.key()).await, -1);
    })
    .await;
}

#[tokio::test]
async fn instances_share_the_circuit_of_an_agent() {
    everywhere(async |client| {
        let breaker = Breaker { failures: 3, open_for: Duration::from_secs(60) };
        assert!(!record_success(&client, "a1").await.unwrap().is_open());
        let fail = || record_failure(&client, "a1", breaker);
        let failures = try_join_all((0..3).map(|_| fail())).await.unwrap();
        assert_eq!(failures.iter().filter(|health| health.is_open()).count(), 1);
        // Another instance sees it.
        let found = phoenix::agent_health("a1").unwrap().get(&client).await.unwrap().unwrap();
        assert!(found.is_open() && found.last_success_at.is_some());
        assert_eq!(found.consecutive_failures, 3);
        let closed = record_success(&client, "a1").await.unwrap();
        assert!(!closed.is_open() && closed.consecutive_failures == 0);

        // Both create the record at once.
        let created = try_join_all((0..2).map(|_| record_failure(&client, "a2", breaker))).await;
        assert_eq!(
            created.unwrap().iter().map(|health| health.consecutive_failures).max(),
            Some(2)
        );
        for until in ["2020-01-01T00:00:00Z", "no time"] {
            let set = |health: &mut AgentHealth| health.circuit_open_until = Some(until.to_owned());
            let health = phoenix::agent_health("a2").unwrap().update(&client, set).await.unwrap();
            assert!(!health.unwrap().is_open());
        }
    })
    .await;
}

#[tokio::test]
async fn a_task_is_kept_until_it_is_acknowledged() {
    everywhere(async |client| {
        let task = |id: &str| Task {
            task_id: id.to_owned(),
            correlation_id: "c1".to_owned(),
            agent: "planner".to_owned(),
            priority: 5,
            created_at: NOW.to_owned(),
            payload: serde_json::json!({"b": 1, "a": [2]}),
        };
        let queue = phoenix::task_queue(&client).unwrap();
        assert!(queue.pull(9).await.unwrap().is_empty());
        // As the service writes it, in another order and with spaces.
        let first = r#"{ "payload": {"b":1,"a":[2]}, "task_id":"t1","correlation_id":"c1","agent":"planner","priority":5,"created_at":"2026-11-28T10:00:00Z"}"#;
        client.lpush("phoenix:tasks:queue", [first]).await.unwrap();
        assert_eq!(enqueue_task(&client, &task("t2")).await.unwrap(), 2);
        let list = phoenix::tasks().unwrap();
        assert!((86_390..=86_400).contains(&seconds_left(&client, list.key()).await));

        let taken = queue.pull(1).await.unwrap().remove(0);
        assert_eq!(taken.payload(), &task("t1"));
        // The service takes the next one.
        let popped: String = client.rpop(list.key()).await.unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Task>(&popped).unwrap(), task("t2"));

        // The worker stops; its task is the next one again.
        enqueue_task(&client, &task("t3")).await.unwrap();
        taken.release().await.unwrap();
        let again = queue.pull(1).await.unwrap().remove(0);
        assert_eq!(again.payload().task_id, "t1");
        again.ack().await.unwrap();
        assert!(taken.ack().await.is_err());

        // What is no task does not stop the queue.
        client.rpush(list.key(), ["no secret task"]).await.unwrap();
        assert!(queue.pull(1).await.unwrap().is_empty());
        let letter = queue.dead_letters(1).await.unwrap().remove(0);
        assert!(!letter.error.contains("secret"), "{}", letter.error);
        assert_eq!(queue.pull(1).await.unwrap()[0].payload().task_id, "t3");
    })
    .await;
}

#[tokio::test]
async fn errors_speak_the_terms_of_the_service() {
    let client = Client::memory();
    client.set("phoenix:session:c1", "no session").await.unwrap();
    let broken = phoenix::session("c1").unwrap().get(&client).await.unwrap_err();
    assert!(matches!(CacheError::from(broken), CacheError::Serialization(_)));
    client.rpush("phoenix:session:c2", ["x"]).await.unwrap();
    let refused = phoenix::session("c2").unwrap().get(&client).await.unwrap_err();
    let error = CacheError::from(refused);
    assert!(error.to_string().starts_with("Redis connection error: "), "{error}");
    assert_eq!(CacheError::NotFound.to_string(), "Cache key not found");
}
