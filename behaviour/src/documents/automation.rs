use edgecask::Client;
use edgecask::command::sorted_sets::ZRange;
use edgecask::prelude::*;
use edgecask::systems::automation::*;
use serde_json::json;

use super::page::Page;

pub(super) const PAGE: Page = Page::new(include_str!("automation.redis"));

/// 2024-01-15, 14:22:07 UTC.
const NOW: u64 = 1_705_328_527;

/// Uses each key of the document: what is written there, and what is read.
macro_rules! document {
    ($use:ident, $client:ident) => {{
        $use!($client, user_session("abc123def456"), set(&session()), get(), Some(session()));
        $use!($client, session_of("user_789"), set("abc123def456"), get(), Some(own("abc123def456")));
        let api = ApiSession {
            user_id: own("user_789"),
            key_name: own("Production API Key"),
            permissions: ["read:workflows", "write:automation"].map(own).into(),
            rate_limit_per_minute: 1000,
            last_used: own("2024-01-15T14:22:00Z"),
        };
        $use!($client, api_session("key_prefix12345"), set(&api), get(), Some(api));
        $use!($client, requests_in_minute("user_789", Minute::of(NOW)), increment(1), get(), 1);
        $use!($client, requests_in_hour("user_789", Hour::of(NOW)), increment(1), get(), 1);
        $use!($client, requests_on_day("user_789", Day::of(NOW)), increment(1), get(), 1);
        $use!($client, all_requests_in_minute(Minute::of(NOW)), increment(1), get(), 1);
        $use!($client, provider_requests_in_minute("openai", Minute::of(NOW)), increment(1), get(), 1);
        let limits = RateLimits { per_minute: 60, per_hour: 1000, per_day: 10000, burst_limit: 100 };
        $use!($client, rate_limits("user_789"), set(&limits), get(), Some(limits));

        $use!($client, workflow_progress("workflow_123"), set(&progress()), get(), Some(progress()));
        let steps = [step("step_4", "publish_content", "facebook"), step("step_5", "analytics_setup", "internal")];
        let newest_first = [steps[1].clone(), steps[0].clone()];
        $use!($client, workflow_steps("workflow_123"), push_front(&steps), range(0, -1), newest_first);
        let active = ["workflow_123", "workflow_456"];
        $use!($client, active_workflows("user_789"), add(active), contains("workflow_456"), true);
        let completed = WorkflowNotification {
            kind: own("step_completed"),
            step: Some(own("content_generation")),
            timestamp: own("2024-01-15T14:20:00Z"),
        };
        $use!($client, workflow_notifications("workflow_123"), push_front([&completed]), range(0, -1), [completed]);

        let topics = ["workflow:workflow_123", "campaign:campaign_abc", "system:maintenance"];
        $use!($client, subscriptions("user_789"), add(topics), contains("system:maintenance"), true);
        $use!($client, notifications("user_789"), push_front([notification()]), range(0, 9), [notification()]);
        $use!($client, unread("user_789"), increment(1), get(), 1);
        let announcement = Announcement {
            kind: own("maintenance"),
            title: own("Scheduled Maintenance"),
            message: own("Platform maintenance scheduled for tonight 2-4 AM EST"),
            priority: own("high"),
            scheduled_for: Some(own("2024-01-16T07:00:00Z")),
        };
        $use!($client, announcements(), push_front([&announcement]), range(0, 9), [announcement]);
        let tokens = ["fcm_token_android_abc123", "apns_token_ios_def456"];
        $use!($client, push_tokens("user_789"), add(tokens), contains(tokens[1]), true);

        let posts = [
            (post("post_001", "content_123", "facebook", "2024-01-15T16:00:00Z"), 1705329600.0),
            (post("post_002", "content_124", "instagram", "2024-01-15T17:00:00Z"), 1705333200.0),
        ];
        let due = ZRange::score(..=1705329600.0);
        $use!($client, scheduled_posts(), add(posts.clone()), range(&due), [posts[0].clone()]);
        for (platform, job) in [
            ("facebook", job("post_001", "content_123", "high")),
            ("instagram", job("post_002", "content_124", "medium")),
            ("twitter", job("post_003", "content_125", "high")),
        ] {
            $use!($client, publish_queue(platform), push_front([&job]), range(-1, -1), [job]);
        }
        let retry = PublishRetry {
            post_id: own("post_004"),
            retry_count: 1,
            max_retries: 3,
            next_retry: own("2024-01-15T16:05:00Z"),
        };
        $use!($client, publish_retries(), add([(&retry, 1705329900.0)]), score(&retry), Some(1705329900.0));
        let approval = Approval {
            content_id: own("content_126"),
            submitted_by: own("user_789"),
            submitted_at: own("2024-01-15T14:30:00Z"),
            priority: own("high"),
        };
        $use!($client, approval_queue(), push_front([&approval]), range(-1, -1), [approval]);
        let published = PublishStatus {
            status: own("completed"),
            platform_post_id: Some(own("fb_post_789456")),
            published_at: Some(own("2024-01-15T16:00:15Z")),
            platform_url: Some(own("https://facebook.com/posts/789456")),
        };
        $use!($client, publish_status("post_001"), set(&published), get(), Some(published));

        let stats = CampaignStats {
            impressions: 15420,
            clicks: 892,
            conversions: 43,
            cost: 156.75,
            engagement_rate: 5.78,
            last_updated: own("2024-01-15T14:25:00Z"),
        };
        $use!($client, campaign_stats("campaign_abc"), set(&stats), get(), Some(stats));
        let metrics = RealtimeMetrics {
            active_workflows: 3,
            pending_posts: 12,
            monthly_cost: 245.67,
            success_rate: 94.2,
        };
        $use!($client, realtime_metrics("user_789"), set(&metrics), get(), Some(metrics));
        let facebook =
            PlatformPerformance { avg_engagement: 4.2, success_rate: 98.5, avg_cost_per_post: 2.15 };
        $use!($client, platform_performance("facebook"), set(&facebook), get(), Some(facebook));
        let tags = [("#coffee", 156.0), ("#sustainable", 142.0), ("#newproduct", 98.0)];
        let highest = ZRange::rank(0, 0).rev();
        $use!($client, trending_hashtags(), add(tags), range(&highest), [(own("#coffee"), 156.0)]);

        let gateway = ServiceHealth {
            status: own("healthy"),
            last_check: own("2024-01-15T14:22:00Z"),
            response_time_ms: Some(45.0),
            error_rate: Some(0.02),
            ..ServiceHealth::default()
        };
        $use!($client, service_health("api_gateway"), set(&gateway), get(), Some(gateway));
        let parser = ServiceHealth {
            status: own("healthy"),
            last_check: own("2024-01-15T14:22:00Z"),
            queue_size: Some(3),
            avg_processing_time_ms: Some(1250.0),
            ..ServiceHealth::default()
        };
        $use!($client, service_health("intent_parser"), set(&parser), get(), Some(parser));
        let system = SystemMetrics {
            cpu_usage_percent: 23.5,
            memory_usage_percent: 67.2,
            active_connections: 142,
            queue_depth: 8,
            cache_hit_rate: 94.7,
        };
        $use!($client, system_metrics(), set(&system), get(), Some(system));
        $use!($client, errors("api_gateway", "429_rate_limit"), increment(1), get(), 1);
        $use!($client, errors("workflow_orchestrator", "temporal_timeout"), increment(1), get(), 1);
        $use!($client, performance("api_response_times"), push_front([45]), range(0, -1), [45.0]);
        $use!($client, performance("workflow_durations"), push_front([15420]), range(0, -1), [15420.0]);

        let status = ClientStatus {
            health: own("healthy"),
            last_ping: own("2024-01-15T14:20:00Z"),
            active_connections: 5,
            response_time_ms: 180.0,
            success_rate: 99.1,
        };
        $use!($client, client_status("client_123"), set(&status), get(), Some(status));
        let capabilities = McpCapabilities {
            tools: ["create_blog", "create_social_post", "generate_image"].map(own).into(),
            cost_per_request: 0.05,
            avg_response_time_ms: 2400.0,
        };
        $use!($client, mcp_capabilities("content_server"), set(&capabilities), get(), Some(capabilities));
        let request = ClientRequest {
            request_id: own("req_001"),
            workflow_id: own("workflow_456"),
            kind: own("content_generation"),
            priority: own("high"),
        };
        $use!($client, client_requests("client_123"), push_front([&request]), range(-1, -1), [request]);
        let selection = ProviderSelection {
            best_provider: own("openai_gpt4"),
            cost_score: 8.5,
            performance_score: 9.2,
            availability_score: 9.8,
        };
        $use!($client, provider_selection("content_generation"), set(&selection), get(), Some(selection));

        let response = LlmResponse {
            model: own("gpt-4"),
            response: own("Generated content here..."),
            tokens_used: 450,
            cost: 0.018,
        };
        $use!($client, llm_response("abc123def456"), set(&response), get(), Some(response));
        let workflows = json!({"workflows": [
            {"id": "workflow_123", "status": "running"}, {"id": "workflow_456", "status": "completed"},
        ]});
        $use!($client, query_result("user_workflows", "user_789"), set(&workflows), get(), Some(workflows));
        let campaign = json!({"campaign": {"id": "campaign_abc", "name": "Coffee Launch", "status": "active"}});
        $use!($client, api_response("GET", "/campaigns/campaign_abc"), set(&campaign), get(), Some(campaign));
        let config = SystemConfig {
            max_concurrent_workflows: 1000,
            default_timeout_seconds: 3600,
            maintenance_mode: false,
        };
        $use!($client, system_config(), set(&config), get(), Some(config));

        $use!($client, publish_lock("facebook", "user_789"), set_if_absent("worker_node_2"), get(), Some(own("worker_node_2")));
        $use!($client, billing_lock("user_789"), set_if_absent("billing_service_1"), get(), Some(own("billing_service_1")));
        $use!($client, campaign_lock("campaign_abc"), set_if_absent("orchestrator_3"), get(), Some(own("orchestrator_3")));
        $use!($client, workflow_lock("workflow_123"), set_if_absent("worker_1"), get(), Some(own("worker_1")));
        $use!($client, workflow_step_counter("workflow_123"), increment(1), get(), 1);
        $use!($client, llm_tokens_used(), increment(1), get(), 1);
        $use!($client, storage_used(), increment(1), get(), 1);
    }};
}

pub(super) async fn run(client: &Client) {
    PAGE.store(client).await;
    document!(read, client);
    client.flushdb().await.unwrap();
    document!(write, client);
    PAGE.is_stored(client).await;
}

fn own(text: &str) -> String {
    text.to_owned()
}

/// The session of the document.
pub fn session() -> UserSession {
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

/// The progress of a workflow in the document.
pub fn progress() -> WorkflowProgress {
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

/// A step of a workflow.
pub fn step(step_id: &str, kind: &str, provider: &str) -> WorkflowStep {
    WorkflowStep { step_id: own(step_id), kind: own(kind), provider: own(provider) }
}

/// The notification of the document.
pub fn notification() -> Notification {
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
