//! The client of PostgREST.

mod client;
