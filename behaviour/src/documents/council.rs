use edgecask::Client;
use edgecask::prelude::*;
use edgecask::systems::council::*;
use serde_json::json;

use super::page::Page;

pub(super) const PAGE: Page = Page::new(include_str!("council.redis"));

/// Uses each key of the document: what is written there, and what is read.
macro_rules! document {
    ($use:ident, $client:ident) => {{
        let stored = Session {
            user_id: "u-1".to_owned(),
            history: vec![json!({"role": "user", "content": "Good morning"})],
            last_activity_at: "2026-01-15T10:00:00.000Z".to_owned(),
            context_window_used: 120,
        };
        $use!($client, session("s-1"), set(&stored), get(), Some(stored));
        let council = json!({"models": ["a", "b"], "rounds": 3});
        $use!($client, council_config(), set(&council), get(), Some(council));
        let deliberation = json!({"rounds": 2});
        $use!($client, deliberation_config(), set(&deliberation), get(), Some(deliberation));
        let synthesis = json!({"model": "a"});
        $use!($client, synthesis_config(), set(&synthesis), get(), Some(synthesis));
        let performance = json!({"timeoutMs": 30000});
        $use!($client, performance_config(), set(&performance), get(), Some(performance));
        let healthy = ProviderHealth {
            status: HealthStatus::Healthy,
            success_rate: 0.99,
            avg_latency: 250.0,
            last_failure: None,
        };
        $use!($client, provider_health("openai"), set(&healthy), get(), Some(healthy));
        let degraded = ProviderHealth {
            status: HealthStatus::Degraded,
            success_rate: 0.5,
            avg_latency: 1250.5,
            last_failure: Some("2026-01-15T09:59:00.000Z".to_owned()),
        };
        $use!($client, provider_health("anthropic"), set(&degraded), get(), Some(degraded));
        let status = RequestStatus { status: "deliberating".to_owned(), progress: 40.0 };
        $use!($client, request_status("r-1"), set(&status), get(), Some(status));
    }};
}

pub(super) async fn run(client: &Client) {
    PAGE.store(client).await;
    document!(read, client);
    client.flushdb().await.unwrap();
    document!(write, client);
    PAGE.is_stored(client).await;

    // "Invalidate on update": DEL, by either side.
    PAGE.store(client).await;
    client.del(["config:council"]).await.unwrap();
    assert_eq!(council_config().unwrap().get(client).await.unwrap(), None);
    assert!(synthesis_config().unwrap().delete(client).await.unwrap());
    assert_eq!(client.exists(["config:synthesis"]).await.unwrap(), 0);
}
