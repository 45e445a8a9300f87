//! HTTP responses through the cache.

mod app;
mod bodies;
mod cdn;
mod collapsing;
mod conditions;
mod conformance;
mod copies;
mod failing;
mod histories;
mod near;
mod origin;
mod processes;
mod storage;
mod stored;
mod writes;
mod wrong_answers;

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
