//! Tests against real servers.
#![cfg_attr(test, allow(clippy::print_stderr))]

mod coherence;
mod command_table;
mod decoder;
mod degradation;
mod engine;
mod faults;
mod rest_server;
mod retry;
mod revocation;
mod scripts;
mod tcp;
mod tls;
