use serde::{Deserialize, Serialize};

/// How far a workflow is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
