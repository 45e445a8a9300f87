use serde_json::Value;

use super::calendar::{Day, Hour, Minute};
use super::records::{
    Announcement, ApiSession, Approval, CampaignStats, ClientRequest, ClientStatus, LlmResponse,
    McpCapabilities, Notification, PlatformPerformance, ProviderSelection, PublishJob,
    PublishRetry, PublishStatus, RateLimits, RealtimeMetrics, ScheduledPost, ServiceHealth,
    SystemConfig, SystemMetrics, UserSession, WorkflowNotification, WorkflowProgress, WorkflowStep,
};

crate::keyspaces! {
    /// The keyspaces of the automation platform.
    mod declared, owner: "automation" {
        /// A user's session.
        user_session(session_id: &str) => Hash<UserSession>, "session:uuid:{session_id}", ttl: 24 hours renewed on activity;
        /// The identifier of a user's session.
        session_of(user_id: &str) => Text<String>, "user_session:{user_id}", ttl: 24 hours renewed on activity;
        /// The session of an API key, by the key's prefix.
        api_session(key_prefix: &str) => Hash<ApiSession>, "api_session:{key_prefix}", ttl: 1 hour;

        /// How many requests a user or an API key made in a minute.
        requests_in_minute(subject: &str, minute: Minute) => Counter<i64>,
            "rate_limit:{subject}:minute:{minute}" except "global", ttl: 60 seconds;
        /// How many requests a user or an API key made in an hour.
        requests_in_hour(subject: &str, hour: Hour) => Counter<i64>,
            "rate_limit:{subject}:hour:{hour}" except "global", ttl: 1 hour;
        /// How many requests a user or an API key made on a day.
        requests_on_day(subject: &str, day: Day) => Counter<i64>,
            "rate_limit:{subject}:day:{day}" except "global", ttl: 1 day;
        /// How many requests there were in a minute.
        all_requests_in_minute(minute: Minute) => Counter<i64>, "rate_limit:global:minute:{minute}", ttl: 60 seconds;
        /// How many requests were sent to a provider in a minute.
        provider_requests_in_minute(provider: &str, minute: Minute) => Counter<i64>,
            "rate_limit:provider:{provider}:minute:{minute}", ttl: 60 seconds;
        /// A user's rate limits.
        rate_limits(user_id: &str) => Hash<RateLimits>, "rate_limits:{user_id}", forever;

        /// The progress of a workflow.
        workflow_progress(workflow_id: &str) => Hash<WorkflowProgress>, "workflow:progress:{workflow_id}", ttl: 7 days;
        /// The remaining steps of a workflow. New ones are added at the front; the next one is at the back.
        workflow_steps(workflow_id: &str) => List<WorkflowStep>, "workflow:steps:{workflow_id}", ttl: 7 days;
        /// A user's active workflows.
        active_workflows(user_id: &str) => Set<String>, "user:active_workflows:{user_id}", ttl: 7 days;
        /// The events of a workflow, newest first.
        workflow_notifications(workflow_id: &str) => List<WorkflowNotification>,
            "workflow:notifications:{workflow_id}", ttl: 24 hours, keep 1000;

        /// The topics that a user subscribes to, such as `workflow:w-1`.
        subscriptions(user_id: &str) => Set<String>, "user:subscriptions:{user_id}", ttl: 90 days renewed on activity;
        /// A user's notifications, newest first.
        notifications(user_id: &str) => List<Notification>, "notifications:{user_id}" except "system", ttl: 7 days, keep 1000;
        /// How many notifications a user has not read.
        unread(user_id: &str) => Counter<i64>, "notifications:unread:{user_id}", ttl: 7 days;
        /// The notifications to all users, newest first.
        announcements() => List<Announcement>, "notifications:system", ttl: 7 days, keep 100;
        /// The push tokens of a user's devices.
        push_tokens(user_id: &str) => Set<String>, "push_tokens:{user_id}", ttl: 90 days renewed on activity;

        /// Posts by the second at which they are to be published.
        scheduled_posts() => SortedSet<ScheduledPost>, "scheduled:posts", forever;
        /// The posts to publish on a platform. New ones are added at the front; the next one is at the back.
        publish_queue(platform: &str) => List<PublishJob>, "publish:{platform}" except "retry", forever;
        /// The posts whose publication failed, by the second of the next attempt.
        publish_retries() => SortedSet<PublishRetry>, "publish:retry", forever;
        /// Content that waits for approval. New ones are added at the front; the next one is at the back.
        approval_queue() => List<Approval>, "approval:queue", forever;
        /// The publication status of a post.
        publish_status(post_id: &str) => Hash<PublishStatus>, "publish:status:{post_id}", ttl: 24 hours;

        /// The statistics of a campaign.
        campaign_stats(campaign_id: &str) => Hash<CampaignStats>, "campaign:stats:{campaign_id}", ttl: 5 minutes;
        /// The figures on a user's dashboard.
        realtime_metrics(user_id: &str) => Hash<RealtimeMetrics>, "metrics:realtime:{user_id}", ttl: 60 seconds;
        /// The performance of posts on a platform.
        platform_performance(platform: &str) => Hash<PlatformPerformance>, "platform:performance:{platform}", ttl: 5 minutes;
        /// Hashtags by how often they are used.
        trending_hashtags() => SortedSet<String>, "trending:hashtags", ttl: 1 hour;

        /// The health of a service.
        service_health(service: &str) => Hash<ServiceHealth>, "service:health:{service}", ttl: 120 seconds;
        /// The metrics of the whole system.
        system_metrics() => Hash<SystemMetrics>, "system:metrics", ttl: 120 seconds;
        /// How often a service had an error.
        errors(service: &str, error: &str) => Counter<i64>, "errors:{service}:{error}", ttl: 300 seconds from creation;
        /// The last measurements of a metric, newest first.
        performance(metric: &str) => List<f64>, "perf:{metric}", ttl: 1 day, keep 1000;

        /// The status of a federated client.
        client_status(client_id: &str) => Hash<ClientStatus>, "client:status:{client_id}", ttl: 300 seconds;
        /// The capabilities of an MCP server.
        mcp_capabilities(server: &str) => Hash<McpCapabilities>, "mcp:capabilities:{server}", ttl: 1 hour;
        /// The requests to a federated client. New ones are added at the front; the next one is at the back.
        client_requests(client_id: &str) => List<ClientRequest>, "client:requests:{client_id}", forever;
        /// The best provider for a type of task.
        provider_selection(task: &str) => Hash<ProviderSelection>, "provider:selection:{task}", ttl: 30 minutes;

        /// A response of a language model, by the SHA-256 of its input.
        llm_response(sha256: &str) => Json<LlmResponse>, "llm:cache:sha256:{sha256}", ttl: 1 hour;
        /// The result of a query of the database.
        query_result(query: &str, id: &str) => Json<Value>, "db:query:{query}:{id}", ttl: 5 minutes;
        /// A response of the API, by method and path.
        api_response(method: &str, path: &str) => Json<Value>, "api:response:{method}:{path}", ttl: 60 seconds;
        /// The settings of the system.
        system_config() => Hash<SystemConfig>, "config:system", forever;

        /// The lock for publishing for a user on a platform.
        publish_lock(platform: &str, user_id: &str) => Text<String>, "lock:publish:{platform}:{user_id}", ttl: 300 seconds;
        /// The lock for billing a user.
        billing_lock(user_id: &str) => Text<String>, "lock:billing:{user_id}", ttl: 60 seconds;
        /// The lock for changing a campaign.
        campaign_lock(campaign_id: &str) => Text<String>, "lock:campaign:{campaign_id}", ttl: 30 minutes;
        /// The lock for running a workflow.
        workflow_lock(workflow_id: &str) => Text<String>, "workflow:lock:{workflow_id}", ttl: 1 hour;
        /// How many steps a workflow has taken.
        workflow_step_counter(workflow_id: &str) => Counter<i64>, "workflow:step_counter:{workflow_id}", ttl: 1 hour;
        /// How many tokens of language models were used in the last hour.
        llm_tokens_used() => Counter<i64>, "resource:usage:llm_tokens", ttl: 1 hour from creation;
        /// How many megabytes were stored in the last day.
        storage_used() => Counter<i64>, "resource:usage:storage_mb", ttl: 1 day from creation;
    }
}

pub use declared::*;
