//! The automation platform: workflows that create, publish and measure content.
//!
//! Its sessions, counters, workflows, notifications, publishing, statistics, health, federation, caches and locks, with the
//! keys and fields that its services use. Points in time are text in the form of RFC 3339. Scores of sorted sets are
//! seconds since the Unix epoch. The values of a status or a priority are the platform's own.
//!
//! The platform's document asks for an expiry on every key, but gives none for some. Here those keys expire too, unless
//! that would lose work or settings:
//!
//! | key | here |
//! |---|---|
//! | `workflow:progress:…`, `workflow:steps:…`, `user:active_workflows:…` | 7 days after the last write |
//! | `notifications:system` | 7 days after the last write, 100 items |
//! | `notifications:{user}`, `workflow:notifications:…` | as in the document, 1000 items |
//! | `user:subscriptions:…`, `push_tokens:…` | 90 days after the last use |
//! | `perf:…` | 1 day after the last write, 1000 items as in the document |
//! | `scheduled:posts`, `publish:…`, `approval:queue`, `client:requests:…` | none: it would lose work |
//! | `rate_limits:…`, `config:system` | none: they are settings |
//!
//! The counters of errors and of resources expire after a time from their creation. In the document each increment renews
//! the time, so that a busy counter would never start again at 0.
//!
//! The keys of locks, such as [`publish_lock`], make the locks themselves: see
//! [`Text::lock`](crate::keyspace::types::Text::lock).
//!
//! ```
//! use edgecask::Client;
//! use edgecask::systems::automation::{self, Notification, WorkflowProgress, WorkflowStep};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let client = Client::memory();
//! let steps = ["draft", "publish"].map(|id| WorkflowStep {
//!     step_id: id.to_owned(),
//!     kind: "content".to_owned(),
//!     provider: "internal".to_owned(),
//! });
//! let progress = WorkflowProgress { status: "running".to_owned(), total_steps: 2, ..Default::default() };
//! automation::start_workflow(&client, "ada", "w-1", &progress, &steps).await?;
//! assert!(automation::active_workflows("ada")?.contains(&client, "w-1").await?);
//!
//! // A worker takes the first step.
//! let step = automation::workflow_steps("w-1")?.pop_back(&client).await?;
//! assert_eq!(step.map(|step| step.step_id).as_deref(), Some("draft"));
//!
//! let done = Notification { id: "n-1".to_owned(), title: "Done".to_owned(), ..Default::default() };
//! assert_eq!(automation::notify(&client, "ada", &done).await?, 1);
//! # Ok::<(), edgecask::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod calendar;
mod events;
mod keys;
mod notifications;
mod percentiles;
mod rate_limits;
mod records;
mod sessions;
mod workflows;

pub use calendar::{Day, Hour, Minute};
pub use events::{
    announce, announcements_topic, channel_topic, deliver, follow, inbox_topic, tell_workflow,
};
pub use keys::*;
pub use notifications::{mark_read, notify};
pub use percentiles::percentiles;
pub use rate_limits::{Requests, count_request, rate_limiter};
pub use records::{
    Announcement, ApiSession, Approval, CampaignStats, ClientRequest, ClientStatus, LlmResponse,
    McpCapabilities, Notification, PlatformPerformance, ProviderSelection, PublishJob,
    PublishRetry, PublishStatus, RateLimits, RealtimeMetrics, ScheduledPost, ServiceHealth,
    SystemConfig, SystemMetrics, UserSession, WorkflowNotification, WorkflowProgress, WorkflowStep,
};
pub use sessions::{end_session, find_session, start_session};
pub use workflows::{finish_workflow, start_workflow};
