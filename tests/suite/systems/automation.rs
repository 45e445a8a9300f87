//! The commands of the platform's document, in `automation.redis`: what they store is read, and what is written is what they
//! store.

use std::collections::BTreeMap;

use edgecask::prelude::*;
use edgecask::systems::automation::*;
use edgecask::{ErrorKind, KeyPart};
use serde_json::json;

use super::{everywhere, seconds_left};

/// 2024-01-15, 14:22:07 UTC.
const NOW: u64 = 1_705_328_527;

fn own(text: &str) -> String {
    text.to_owned()
}

async fn send_document(client: &Client) {
    for line in include_str!("automation.redis").lines() {
        let words = shlex::split(line).unwrap();
        let Some((name, args)) = words.split_first() else { continue };
        let command = Command::new(name.clone()).args_from(args);
        client.send(&command).await.unwrap();
    }
}

/// What a key holds, as other programs see it: its type, and its parts in order.
async fn dump(client: &Client) -> BTreeMap<String, (String, Vec<String>)> {
    let keys: Vec<String> = client.keys("*").await.unwrap();
    let mut all = BTreeMap::new();
    for key in keys {
        let kind: String = client.execute(Command::new("TYPE").arg(&key)).await.unwrap();
        let mut parts: Vec<String> = match kind.as_str() {
            "string" => vec![client.get(&key).await.unwrap().unwrap()],
            "list" => client.lrange(&key, 0, -1).await.unwrap(),
            "set" => client.smembers(&key).await.unwrap(),
            "zset" => {
                let range = Command::new("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES");
                client.execute(range).await.unwrap()
            }
            _ => {
                let fields: Vec<(String, String)> =
                    client.hgetall(&key).await.unwrap().into_iter().collect();
                fields
                    .into_iter()
                    .map(|(name, text)| format!("{name}={}", canonical(&text)))
                    .collect()
            }
        };
        if ["set", "hash"].contains(&kind.as_str()) {
            parts.sort();
        }
        all.insert(key, (kind, parts));
    }
    all
}

/// A number without the zeros at its end, JSON without spaces.
fn canonical(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Number(number)) => number.as_f64().unwrap().to_string(),
        Ok(json @ serde_json::Value::Array(_)) => json.to_string(),
        _ => text.to_owned(),
    }
}

fn session() -> UserSession {
    UserSession {
        user_id: own("user_789"),
        username: own("john.doe"),
        email: own("john@example.com"),
        subscription_tier: own("pro"),
        created_at: own("2024-01-15T10:30:00Z"),
        last_accessed: own("2024-01-15T14:22:00Z"),
        ip_address: own("192.168.1.100"),
        permissions: ["read:workflows", "write:content", "admin:campaigns"].map(own).into(),
    }
}

fn progress() -> WorkflowProgress {
    WorkflowProgress {
        status: own("running"),
        progress_percentage: 65.0,
        current_step: own("content_generation"),
        completed_steps: 3,
        total_steps: 5,
        estimated_completion: Some(own("2024-01-15T15:30:00Z")),
        cost_so_far: 12.5,
        last_updated: own("2024-01-15T14:22:00Z"),
    }
}

fn step(step_id: &str, kind: &str, provider: &str) -> WorkflowStep {
    WorkflowStep { step_id: own(step_id), kind: own(kind), provider: own(provider) }
}

fn notification() -> Notification {
    Notification {
        id: own("notif_001"),
        kind: own("workflow_completed"),
        title: own("Content Campaign Complete"),
        message: own("Your social media campaign has been successfully published"),
        priority: own("medium"),
        workflow_id: Some(own("workflow_123")),
        timestamp: own("2024-01-15T14:25:00Z"),
    }
}

fn post(id: &str, content: &str, platform: &str, time: &str) -> ScheduledPost {
    ScheduledPost {
        post_id: own(id),
        content_id: own(content),
        platform: own(platform),
        scheduled_time: own(time),
    }
}

fn job(id: &str, content: &str, priority: &str) -> PublishJob {
    PublishJob { post_id: own(id), content_id: own(content), priority: own(priority) }
}

/// Runs `$use!(key, write, read)` with each key of the document: what is written there, and what is read.
macro_rules! document {
    ($use:ident, $client:ident) => {{
        $use!(user_session("abc123def456"), set(&session()), get(), Some(session()));
        $use!(session_of("user_789"), set("abc123def456"), get(), Some(own("abc123def456")));
        let api = ApiSession {
            user_id: own("user_789"),
            key_name: own("Production API Key"),
            permissions: ["read:workflows", "write:automation"].map(own).into(),
            rate_limit_per_minute: 1000,
            last_used: own("2024-01-15T14:22:00Z"),
        };
        $use!(api_session("key_prefix12345"), set(&api), get(), Some(api));
        $use!(requests_in_minute("user_789", Minute::of(NOW)), increment(1), get(), 1);
        $use!(requests_in_hour("user_789", Hour::of(NOW)), increment(1), get(), 1);
        $use!(requests_on_day("user_789", Day::of(NOW)), increment(1), get(), 1);
        $use!(all_requests_in_minute(Minute::of(NOW)), increment(1), get(), 1);
        $use!(provider_requests_in_minute("openai", Minute::of(NOW)), increment(1), get(), 1);
        let limits = RateLimits { per_minute: 60, per_hour: 1000, per_day: 10000, burst_limit: 100 };
        $use!(rate_limits("user_789"), set(&limits), get(), Some(limits));

        $use!(workflow_progress("workflow_123"), set(&progress()), get(), Some(progress()));
        let steps = [step("step_4", "publish_content", "facebook"), step("step_5", "analytics_setup", "internal")];
        let newest_first = [steps[1].clone(), steps[0].clone()];
        $use!(workflow_steps("workflow_123"), push_front(&steps), range(0, -1), newest_first);
        let active = ["workflow_123", "workflow_456"];
        $use!(active_workflows("user_789"), add(active), contains("workflow_456"), true);
        let completed = WorkflowNotification {
            kind: own("step_completed"),
            step: Some(own("content_generation")),
            timestamp: own("2024-01-15T14:20:00Z"),
        };
        $use!(workflow_notifications("workflow_123"), push_front([&completed]), range(0, -1), [completed]);

        let topics = ["workflow:workflow_123", "campaign:campaign_abc", "system:maintenance"];
        $use!(subscriptions("user_789"), add(topics), contains("system:maintenance"), true);
        $use!(notifications("user_789"), push_front([notification()]), range(0, 9), [notification()]);
        $use!(unread("user_789"), increment(1), get(), 1);
        let announcement = Announcement {
            kind: own("maintenance"),
            title: own("Scheduled Maintenance"),
            message: own("Platform maintenance scheduled for tonight 2-4 AM EST"),
            priority: own("high"),
            scheduled_for: Some(own("2024-01-16T07:00:00Z")),
        };
        $use!(announcements(), push_front([&announcement]), range(0, 9), [announcement]);
        let tokens = ["fcm_token_android_abc123", "apns_token_ios_def456"];
        $use!(push_tokens("user_789"), add(tokens), contains(tokens[1]), true);

        let posts = [
            (post("post_001", "content_123", "facebook", "2024-01-15T16:00:00Z"), 1705329600.0),
            (post("post_002", "content_124", "instagram", "2024-01-15T17:00:00Z"), 1705333200.0),
        ];
        let due = edgecask::command::sorted_sets::ZRange::score(..=1705329600.0);
        $use!(scheduled_posts(), add(posts.clone()), range(&due), [posts[0].clone()]);
        for (platform, job) in [
            ("facebook", job("post_001", "content_123", "high")),
            ("instagram", job("post_002", "content_124", "medium")),
            ("twitter", job("post_003", "content_125", "high")),
        ] {
            $use!(publish_queue(platform), push_front([&job]), range(-1, -1), [job]);
        }
        let retry = PublishRetry {
            post_id: own("post_004"),
            retry_count: 1,
            max_retries: 3,
            next_retry: own("2024-01-15T16:05:00Z"),
        };
        $use!(publish_retries(), add([(&retry, 1705329900.0)]), score(&retry), Some(1705329900.0));
        let approval = Approval {
            content_id: own("content_126"),
            submitted_by: own("user_789"),
            submitted_at: own("2024-01-15T14:30:00Z"),
            priority: own("high"),
        };
        $use!(approval_queue(), push_front([&approval]), range(-1, -1), [approval]);
        let published = PublishStatus {
            status: own("completed"),
            platform_post_id: Some(own("fb_post_789456")),
            published_at: Some(own("2024-01-15T16:00:15Z")),
            platform_url: Some(own("https://facebook.com/posts/789456")),
        };
        $use!(publish_status("post_001"), set(&published), get(), Some(published));

        let stats = CampaignStats {
            impressions: 15420,
            clicks: 892,
            conversions: 43,
            cost: 156.75,
            engagement_rate: 5.78,
            last_updated: own("2024-01-15T14:25:00Z"),
        };
        $use!(campaign_stats("campaign_abc"), set(&stats), get(), Some(stats));
        let metrics = RealtimeMetrics {
            active_workflows: 3,
            pending_posts: 12,
            monthly_cost: 245.67,
            success_rate: 94.2,
        };
        $use!(realtime_metrics("user_789"), set(&metrics), get(), Some(metrics));
        let facebook =
            PlatformPerformance { avg_engagement: 4.2, success_rate: 98.5, avg_cost_per_post: 2.15 };
        $use!(platform_performance("facebook"), set(&facebook), get(), Some(facebook));
        let tags = [("#coffee", 156.0), ("#sustainable", 142.0), ("#newproduct", 98.0)];
        let highest = edgecask::command::sorted_sets::ZRange::rank(0, 0).rev();
        $use!(trending_hashtags(), add(tags), range(&highest), [(own("#coffee"), 156.0)]);

        let gateway = ServiceHealth {
            status: own("healthy"),
            last_check: own("2024-01-15T14:22:00Z"),
            response_time_ms: Some(45.0),
            error_rate: Some(0.02),
            ..ServiceHealth::default()
        };
        $use!(service_health("api_gateway"), set(&gateway), get(), Some(gateway));
        let parser = ServiceHealth {
            status: own("healthy"),
            last_check: own("2024-01-15T14:22:00Z"),
            queue_size: Some(3),
            avg_processing_time_ms: Some(1250.0),
            ..ServiceHealth::default()
        };
        $use!(service_health("intent_parser"), set(&parser), get(), Some(parser));
        let system = SystemMetrics {
            cpu_usage_percent: 23.5,
            memory_usage_percent: 67.2,
            active_connections: 142,
            queue_depth: 8,
            cache_hit_rate: 94.7,
        };
        $use!(system_metrics(), set(&system), get(), Some(system));
        $use!(errors("api_gateway", "429_rate_limit"), increment(1), get(), 1);
        $use!(errors("workflow_orchestrator", "temporal_timeout"), increment(1), get(), 1);
        $use!(performance("api_response_times"), push_front([45]), range(0, -1), [45.0]);
        $use!(performance("workflow_durations"), push_front([15420]), range(0, -1), [15420.0]);

        let status = ClientStatus {
            health: own("healthy"),
            last_ping: own("2024-01-15T14:20:00Z"),
            active_connections: 5,
            response_time_ms: 180.0,
            success_rate: 99.1,
        };
        $use!(client_status("client_123"), set(&status), get(), Some(status));
        let capabilities = McpCapabilities {
            tools: ["create_blog", "create_social_post", "generate_image"].map(own).into(),
            cost_per_request: 0.05,
            avg_response_time_ms: 2400.0,
        };
        $use!(mcp_capabilities("content_server"), set(&capabilities), get(), Some(capabilities));
        let request = ClientRequest {
            request_id: own("req_001"),
            workflow_id: own("workflow_456"),
            kind: own("content_generation"),
            priority: own("high"),
        };
        $use!(client_requests("client_123"), push_front([&request]), range(-1, -1), [request]);
        let selection = ProviderSelection {
            best_provider: own("openai_gpt4"),
            cost_score: 8.5,
            performance_score: 9.2,
            availability_score: 9.8,
        };
        $use!(provider_selection("content_generation"), set(&selection), get(), Some(selection));

        let response = LlmResponse {
            model: own("gpt-4"),
            response: own("Generated content here..."),
            tokens_used: 450,
            cost: 0.018,
        };
        $use!(llm_response("abc123def456"), set(&response), get(), Some(response));
        let workflows = json!({"workflows": [
            {"id": "workflow_123", "status": "running"}, {"id": "workflow_456", "status": "completed"},
        ]});
        $use!(query_result("user_workflows", "user_789"), set(&workflows), get(), Some(workflows));
        let campaign = json!({"campaign": {"id": "campaign_abc", "name": "Coffee Launch", "status": "active"}});
        $use!(api_response("GET", "/campaigns/campaign_abc"), set(&campaign), get(), Some(campaign));
        let config = SystemConfig {
            max_concurrent_workflows: 1000,
            default_timeout_seconds: 3600,
            maintenance_mode: false,
        };
        $use!(system_config(), set(&config), get(), Some(config));

        $use!(publish_lock("facebook", "user_789"), set_if_absent("worker_node_2"), get(), Some(own("worker_node_2")));
        $use!(billing_lock("user_789"), set_if_absent("billing_service_1"), get(), Some(own("billing_service_1")));
        $use!(campaign_lock("campaign_abc"), set_if_absent("orchestrator_3"), get(), Some(own("orchestrator_3")));
        $use!(workflow_lock("workflow_123"), set_if_absent("worker_1"), get(), Some(own("worker_1")));
        $use!(workflow_step_counter("workflow_123"), increment(1), get(), 1);
        $use!(llm_tokens_used(), increment(1), get(), 1);
        $use!(storage_used(), increment(1), get(), 1);
    }};
}

/// The keys that expire here and not in the document: all that its own rule asks for.
fn expires_here_alone(key: &str) -> bool {
    let prefixes = [
        "workflow:progress:",
        "workflow:steps:",
        "user:active_workflows:",
        "user:subscriptions:",
        "push_tokens:",
        "notifications:system",
        "perf:",
        "service:health:intent_parser",
    ];
    prefixes.iter().any(|prefix| key.starts_with(prefix))
}

#[tokio::test]
async fn what_the_document_stores_is_read_and_what_is_written_is_the_same() {
    everywhere(async |client| {
        send_document(&client).await;
        let stored = dump(&client).await;
        let mut times = BTreeMap::new();
        for key in stored.keys() {
            let key = edgecask::Key::verbatim(key.clone()).unwrap();
            times.insert(key.to_string(), seconds_left(&client, &key).await);
        }

        macro_rules! read {
            ($key:expr, $write:ident($($written:expr),*), $read:ident($($arg:expr),*), $expected:expr) => {{
                let key = $key.unwrap();
                let _ = ($(&$written,)*);
                let found = key.$read(&client $(, $arg)*).await.unwrap();
                assert_eq!(found, $expected, "{}", key.key());
            }};
        }
        document!(read, client);

        client.flushdb().await.unwrap();
        macro_rules! write {
            ($key:expr, $write:ident($($written:expr),*), $read:ident($($arg:expr),*), $expected:expr) => {{
                let key = $key.unwrap();
                let _ = key.$write(&client $(, $written)*).await.unwrap();
                let _ = ($(&$arg,)* &$expected);
            }};
        }
        document!(write, client);
        let written = dump(&client).await;
        for (key, stored) in &stored {
            assert_eq!(written.get(key), Some(stored), "{key}");
        }
        // Every key of the document is declared.
        assert_eq!(written.len(), stored.len());
        let mut others = Vec::new();
        for (key, time) in times {
            let key = edgecask::Key::verbatim(key).unwrap();
            let here = seconds_left(&client, &key).await;
            let same = (time == -1) == (here == -1) && (time - here).abs() <= 20;
            if same == expires_here_alone(key.as_str()) {
                others.push((key.to_string(), time, here));
            }
        }
        assert_eq!(others, [], "the seconds left after the document, and here");
    })
    .await;
}

#[tokio::test]
async fn what_belongs_together_changes_together() {
    everywhere(async |client| {
        start_session(&client, "s1", &session()).await.unwrap();
        assert_eq!(find_session(&client, "user_789").await.unwrap(), Some((own("s1"), session())));
        start_session(&client, "s2", &session()).await.unwrap();
        assert!(end_session(&client, "s1", "user_789").await.unwrap());
        // The newer one stays.
        assert_eq!(find_session(&client, "user_789").await.unwrap().unwrap().0, "s2");
        assert!(end_session(&client, "s2", "user_789").await.unwrap());
        assert_eq!(find_session(&client, "user_789").await.unwrap(), None);
        assert_eq!(client.dbsize().await.unwrap(), 0);

        for expected in 1..=2 {
            assert_eq!(notify(&client, "ada", &notification()).await.unwrap(), expected);
        }
        assert!(mark_read(&client, "ada").await.unwrap());
        assert_eq!(unread("ada").unwrap().get(&client).await.unwrap(), 0);
        assert_eq!(notifications("ada").unwrap().len(&client).await.unwrap(), 2);
        let refused = notify(&client, "system", &notification()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);

        let steps = ["1", "2"].map(|id| step(id, "t", "p"));
        for _ in 0..2 {
            start_workflow(&client, "ada", "w", &progress(), &steps).await.unwrap();
        }
        let next = workflow_steps("w").unwrap().pop_back(&client).await.unwrap();
        assert_eq!(next.as_ref(), Some(&steps[0]));
        assert!(finish_workflow(&client, "ada", "w", &progress()).await.unwrap());
        assert!(!finish_workflow(&client, "ada", "w", &progress()).await.unwrap());
        assert_eq!(workflow_steps("w").unwrap().len(&client).await.unwrap(), 0);

        let minute_before = count_request(&client, "ada", NOW - 60).await.unwrap();
        assert_eq!(minute_before, Requests { in_minute: 1, in_hour: 1, on_day: 1 });
        let now = count_request(&client, "ada", NOW).await.unwrap();
        assert_eq!(now, Requests { in_minute: 1, in_hour: 2, on_day: 2 });
        assert!(count_request(&client, "global", NOW).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn percentiles_are_measurements() {
    let client = Client::memory();
    assert_eq!(percentiles(&client, "m", [50.0]).await.unwrap(), None);
    performance("m").unwrap().push_front(&client, (1..=1500).rev()).await.unwrap();
    // The last thousand that were pushed are 1 to 1000.
    let found = percentiles(&client, "m", [0.0, 50.0, 95.0, 99.9, 100.0]).await.unwrap();
    assert_eq!(found, Some([1.0, 500.0, 950.0, 999.0, 1000.0]));
    for wrong in [-1.0, 100.1, f64::NAN] {
        let error = percentiles(&client, "m", [wrong]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}

#[test]
fn calendar_parts_are_digits_of_utc() {
    fn text(part: impl KeyPart) -> String {
        let mut text = String::new();
        part.write_part(&mut text).unwrap();
        text
    }
    assert_eq!(text(Minute::of(NOW)), "202401151422");
    assert_eq!(text(Hour::of(NOW)), "2024011514");
    assert_eq!(text(Day::of(NOW)), "20240115");
    assert_eq!(text(Minute::of(0)), "197001010000");
    assert_eq!(Minute::of(NOW), Minute::of(NOW + 52));
    assert_ne!(Minute::of(NOW), Minute::of(NOW + 53));
    // A leap day.
    assert_eq!(text(Day::of(1_709_208_000)), "20240229");
    assert!(Minute::of(u64::MAX).write_part(&mut String::new()).is_err());
}
