use serde::{Deserialize, Serialize};

/// The progress of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkflowProgress {
    /// The status, such as `running`.
    pub status: String,
    /// The progress, from 0 to 100.
    pub progress_percentage: f64,
    /// The current step.
    pub current_step: String,
    /// The number of completed steps.
    pub completed_steps: u64,
    /// The number of all steps.
    pub total_steps: u64,
    /// When the workflow is expected to complete.
    pub estimated_completion: Option<String>,
    /// The cost so far.
    pub cost_so_far: f64,
    /// When the progress was written.
    pub last_updated: String,
}

/// A step of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkflowStep {
    /// The identifier of the step.
    pub step_id: String,
    /// The type of the step.
    #[serde(rename = "type")]
    pub kind: String,
    /// The provider that carries it out.
    pub provider: String,
}

/// An event of a workflow.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WorkflowNotification {
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// The step that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// When it happened.
    pub timestamp: String,
}
