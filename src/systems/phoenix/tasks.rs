use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::keys::tasks;
use crate::queue::{Queue, QueueOptions};
use crate::{Client, Result};

/// A task for an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Task {
    /// The identifier of the task.
    pub task_id: String,
    /// The session that created it.
    pub correlation_id: String,
    /// The agent that carries it out.
    pub agent: String,
    /// Its priority. The queue does not use it.
    pub priority: u8,
    /// When it was created.
    pub created_at: String,
    /// The content of the task, in the application's own form.
    pub payload: Value,
}

/// Adds a task at the end of the list; returns how many tasks wait there. LPUSH and EXPIRE as one transaction.
///
/// # Errors
/// Those of the client.
pub async fn enqueue_task(client: &Client, task: &Task) -> Result<u64> {
    tasks()?.push_front(client, [task]).await
}

/// The queue over the list of tasks: what a pull takes from there is leased, and comes back if the worker dies. See
/// [`Queue::over`]. No command is sent.
///
/// ```
/// use edgecask::Client;
/// use edgecask::queue::Worker;
/// use edgecask::systems::phoenix::{self, Task};
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let client = Client::memory();
/// let task = Task {
///     task_id: "t-1".to_owned(),
///     correlation_id: "c-1".to_owned(),
///     agent: "planner".to_owned(),
///     priority: 5,
///     created_at: "2026-11-28T10:00:00Z".to_owned(),
///     payload: serde_json::json!({ "action": "plan" }),
/// };
/// phoenix::enqueue_task(&client, &task).await?;
/// let worker = Worker::new(phoenix::task_queue(&client)?, |task: Task, _| async move {
///     println!("{} works on {}", task.agent, task.payload["action"]);
///     Ok(())
/// });
/// assert_eq!(worker.run_due(10).await?.done, 1);
/// # Ok::<(), edgecask::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// None: the key is valid.
pub fn task_queue(client: &Client) -> Result<Queue<Task>> {
    Queue::over(client.clone(), (&tasks()?).into(), QueueOptions::new())
}
