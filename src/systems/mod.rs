//! Systems that share Redis with other programs: their keys, types, fields and times to live, which those programs define.
//!
//! Each system has a folder and a feature of the same name.

#[cfg(feature = "automation")]
pub mod automation;
#[cfg(feature = "cache_service")]
pub mod cache_service;
#[cfg(feature = "copilot")]
pub mod copilot;
#[cfg(feature = "council")]
pub mod council;
#[cfg(feature = "phoenix")]
pub mod phoenix;
