//! The automation platform: a session, a workflow, what the user is told, and what is published when.
//!
//! ```sh
//! cargo run --example automation --features automation
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example automation --features automation,tcp
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use edgecask::command::sorted_sets::ZRange;
use edgecask::config::Config;
use edgecask::systems::automation::{
    self, Notification, ScheduledPost, UserSession, WorkflowProgress, WorkflowStep,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = Config::from_env()?.client()?;
    let (user, workflow) = ("user_789", "workflow_123");

    let session = UserSession {
        user_id: user.to_owned(),
        username: "john.doe".to_owned(),
        permissions: vec!["read:workflows".to_owned()],
        ..UserSession::default()
    };
    automation::start_session(&client, "abc123def456", &session).await?;
    let (session_id, found) =
        automation::find_session(&client, user).await?.ok_or("the user has a session")?;
    println!("{} is logged in by {session_id}", found.username);

    let now = edgecask::platform::unix_millis() / 1000;
    let requests = automation::count_request(&client, user, now).await?;
    println!("request {} of this minute", requests.in_minute);

    let steps = ["step_1", "step_2"].map(|id| WorkflowStep {
        step_id: id.to_owned(),
        kind: "publish_content".to_owned(),
        provider: "facebook".to_owned(),
    });
    let running = WorkflowProgress {
        status: "running".to_owned(),
        total_steps: 2,
        ..WorkflowProgress::default()
    };
    automation::start_workflow(&client, user, workflow, &running, &steps).await?;
    let progress = automation::workflow_progress(workflow)?;
    while let Some(step) = automation::workflow_steps(workflow)?.pop_back(&client).await? {
        let done = progress.increment(&client, "completed_steps", 1).await?;
        automation::performance("workflow_durations")?.push_front(&client, [1520]).await?;
        println!("{} is step {done} of {}", step.step_id, steps.len());
    }
    let ended = progress.get(&client).await?.ok_or("the workflow has a progress")?;
    let ended = WorkflowProgress { status: "completed".to_owned(), ..ended };
    automation::finish_workflow(&client, user, workflow, &ended).await?;
    let durations = automation::percentiles(&client, "workflow_durations", [50.0, 99.0]).await?;
    println!("median and 99th percentile: {durations:?} ms");

    let told = Notification {
        id: "notif_001".to_owned(),
        title: "Content Campaign Complete".to_owned(),
        ..Notification::default()
    };
    println!("{} unread", automation::notify(&client, user, &told).await?);
    for notification in automation::notifications(user)?.range(&client, 0, 9).await? {
        println!("- {}", notification.title);
    }
    automation::mark_read(&client, user).await?;

    let post = ScheduledPost { post_id: "post_001".to_owned(), ..ScheduledPost::default() };
    automation::scheduled_posts()?.add(&client, [(&post, now as f64)]).await?;
    let due = ZRange::score(..=now as f64).limit(0, 100);
    for (post, _) in automation::scheduled_posts()?.range(&client, &due).await? {
        // Of several workers, one is told that the post was there.
        if automation::scheduled_posts()?.remove(&client, [&post]).await? == 1 {
            println!("{} is published", post.post_id);
        }
    }
    automation::end_session(&client, &session_id, user).await?;
    Ok(())
}
