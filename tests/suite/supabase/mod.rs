//! The client of PostgREST.

mod client;
mod recording;
mod scripted;
mod store;
