//! The client of PostgREST.

mod client;
mod policies;
mod recording;
mod scripted;
mod store;
