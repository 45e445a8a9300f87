//! The records that the keys hold.

mod analytics;
mod caches;
mod federation;
mod health;
mod notifications;
mod publishing;
mod rate_limits;
mod sessions;
mod workflows;

pub use analytics::{CampaignStats, PlatformPerformance, RealtimeMetrics};
pub use caches::{LlmResponse, SystemConfig};
pub use federation::{ClientRequest, ClientStatus, McpCapabilities, ProviderSelection};
pub use health::{ServiceHealth, SystemMetrics};
pub use notifications::{Announcement, Notification};
pub use publishing::{Approval, PublishJob, PublishRetry, PublishStatus, ScheduledPost};
pub use rate_limits::RateLimits;
pub use sessions::{ApiSession, UserSession};
pub use workflows::{WorkflowNotification, WorkflowProgress, WorkflowStep};
