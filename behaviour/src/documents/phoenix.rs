use edgecask::Client;
use edgecask::prelude::*;
use edgecask::systems::phoenix::*;
use serde_json::json;

use super::page::Page;

pub(super) const PAGE: Page = Page::new(include_str!("phoenix.redis"));
const NOW: &str = "2026-01-15T10:00:00Z";

/// Uses each key of the document: what is written there, and what is read.
macro_rules! document {
    ($use:ident, $client:ident) => {{
        let answer = Response {
            response: "A place for what is needed again.".to_owned(),
            timestamp: NOW.to_owned(),
            ttl: 3600,
            metadata: ResponseMetadata {
                model: "gpt-5".to_owned(),
                tokens: 9,
                provider: "openai".to_owned(),
            },
        };
        let hash = InputHash::of("gpt-5", "What is a cache?");
        $use!($client, response(hash), set(&answer), get(), Some(answer));
        let begun = Session::new("c-1", NOW);
        $use!($client, session("c-1"), set(&begun), get(), Some(begun));
        let failed = Session {
            last_accessed: "2026-01-15T10:01:00Z".to_owned(),
            plan_id: Some("p-1".to_owned()),
            task_id: Some("t-1".to_owned()),
            state: SessionState::Failed,
            ..Session::new("c-2", NOW)
        };
        $use!($client, session("c-2"), set(&failed), get(), Some(failed));
        let healthy = AgentHealth {
            agent_id: "planner".to_owned(),
            health: "Healthy".to_owned(),
            consecutive_failures: 0,
            last_failure_at: None,
            last_success_at: None,
            circuit_open_until: None,
            updated_at: NOW.to_owned(),
        };
        $use!($client, agent_health("planner"), set(&healthy), get(), Some(healthy));
        let broken = AgentHealth {
            agent_id: "writer".to_owned(),
            health: "Unhealthy".to_owned(),
            consecutive_failures: 3,
            last_failure_at: Some("2026-01-15T10:02:00Z".to_owned()),
            last_success_at: Some(NOW.to_owned()),
            circuit_open_until: Some("2026-01-15T10:02:30Z".to_owned()),
            updated_at: "2026-01-15T10:02:00Z".to_owned(),
        };
        $use!($client, agent_health("writer"), set(&broken), get(), Some(broken));
        let queued = queued();
        let newest_first = [queued[1].clone(), queued[0].clone()];
        $use!($client, tasks(), push_front(&queued), range(0, -1), newest_first);
        $use!(
            $client,
            lock("deploy"),
            set_if_absent("worker-1"),
            get(),
            Some("worker-1".to_owned())
        );
    }};
}

fn queued() -> [Task; 2] {
    [
        Task {
            task_id: "t-1".to_owned(),
            correlation_id: "c-1".to_owned(),
            agent: "planner".to_owned(),
            priority: 5,
            created_at: NOW.to_owned(),
            payload: json!({"action": "plan"}),
        },
        Task {
            task_id: "t-2".to_owned(),
            correlation_id: "c-1".to_owned(),
            agent: "writer".to_owned(),
            priority: 1,
            created_at: "2026-01-15T10:00:01Z".to_owned(),
            payload: json!({"action": "write"}),
        },
    ]
}

pub(super) async fn run(client: &Client) {
    PAGE.store(client).await;
    document!(read, client);
    // The tasks that LPUSH has queued are taken in their order, and one that the API has queued by RPOP.
    for expected in queued() {
        let taken = task_queue(client).unwrap().pull(1).await.unwrap().remove(0);
        assert_eq!(taken.payload(), &expected);
        taken.ack().await.unwrap();
    }
    enqueue_task(client, &queued()[0]).await.unwrap();
    let popped: Vec<u8> = client.rpop("phoenix:tasks:queue").await.unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<Task>(&popped).unwrap(), queued()[0]);
    // The state changes in the string, whose other bytes stay.
    let complete = |session: &mut Session| session.state = SessionState::Completed;
    session("c-1").unwrap().update(client, complete).await.unwrap().unwrap();
    let text: String = client.get("phoenix:session:c-1").await.unwrap().unwrap();
    let expected = concat!(
        r#"{"correlation_id":"c-1","created_at":"2026-01-15T10:00:00Z","#,
        r#""last_accessed":"2026-01-15T10:00:00Z","state":"Completed"}"#
    );
    assert_eq!(text, expected);

    client.flushdb().await.unwrap();
    document!(write, client);
    PAGE.is_stored(client).await;
}
