//! The client of PostgREST.

mod client;
mod scripted;
mod store;
