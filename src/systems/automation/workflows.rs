use super::keys::{active_workflows, workflow_progress, workflow_steps};
use super::records::{WorkflowProgress, WorkflowStep};
use crate::{Client, Result};

/// Stores a workflow's progress and its steps, which are taken in this order, and adds it to the user's active workflows.
/// One transaction.
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

/// Stores a workflow's last progress, deletes its remaining steps, and removes it from the user's active workflows; returns
/// whether it was active. One transaction.
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
