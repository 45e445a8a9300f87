use serde::{Deserialize, Serialize};

use super::keys::{active_workflows, workflow_progress, workflow_steps};
use crate::{Client, Result};

/// How far a workflow is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkflowProgress {
    /// Whether it runs.
    pub status: String,
    /// How much is done, from 0 to 100.
    pub progress_percentage: f64,
    /// Which step it is at.
    pub current_step: String,
    /// How many steps are done.
    pub completed_steps: u64,
    /// How many steps there are.
    pub total_steps: u64,
    /// When it is expected to end.
    pub estimated_completion: Option<String>,
    /// What it has cost.
    pub cost_so_far: f64,
    /// When this was written.
    pub last_updated: String,
}

/// A step of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowStep {
    /// Which one.
    pub step_id: String,
    /// What is to be done.
    #[serde(rename = "type")]
    pub kind: String,
    /// Who does it.
    pub provider: String,
}

/// What became known of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkflowNotification {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: String,
    /// At which step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// When.
    pub timestamp: String,
}

/// Stores a workflow's progress and its steps, which are taken in this order, and counts it among the user's active ones. One
/// transaction.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if an identifier is empty or there is no step; those of the
/// client.
pub async fn start_workflow(
    client: &Client,
    user_id: &str,
    workflow_id: &str,
    progress: &WorkflowProgress,
    steps: &[WorkflowStep],
) -> Result<()> {
    let transaction = client.transaction();
    let _ = workflow_progress(workflow_id)?.set_in(&transaction, progress)?;
    let _ = workflow_steps(workflow_id)?.delete_in(&transaction);
    let _ = workflow_steps(workflow_id)?.push_front_in(&transaction, steps)?;
    let active = active_workflows(user_id)?.add_in(&transaction, [workflow_id])?;
    transaction.exec().await?.take(active).map(drop)
}

/// Stores a workflow's last progress, drops the steps that it has left, and counts it no longer among the user's active ones;
/// tells whether it was. One transaction.
///
/// # Errors
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if an identifier is empty; those of the client.
pub async fn finish_workflow(
    client: &Client,
    user_id: &str,
    workflow_id: &str,
    progress: &WorkflowProgress,
) -> Result<bool> {
    let transaction = client.transaction();
    let _ = workflow_progress(workflow_id)?.set_in(&transaction, progress)?;
    let _ = workflow_steps(workflow_id)?.delete_in(&transaction);
    let active = active_workflows(user_id)?.remove_in(&transaction, [workflow_id])?;
    Ok(transaction.exec().await?.take(active)? == 1)
}
