//! Tests against real servers.
#![cfg_attr(test, allow(clippy::print_stderr))]

mod auto_pipeline;
mod coherence;
mod command_docs;
mod command_table;
mod compare;
mod consistency;
mod decoder;
mod degradation;
mod engine;
mod families;
mod fault_plan;
mod faults;
mod formats;
mod layers;
mod rest_server;
mod retry;
mod revocation;
mod scripts;
mod stampede;
mod subscriptions;
mod tcp;
mod tls;
mod topologies;
