use edgecask::prelude::*;
use edgecask::systems::phoenix::{
    self, AgentHealth, InputHash, Response, ResponseMetadata, Session, SessionState,
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
