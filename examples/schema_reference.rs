//! The reference of declared keys, in the form that the first argument names: `markdown`, `json` (JSON Schema) or `typescript`. The
//! second one names a system.
//!
//! ```sh
//! cargo run --example schema_reference --features automation,cache_service,copilot,council,phoenix,schema -- typescript council
//! ```
#![allow(clippy::print_stdout)]

use std::error::Error;

use edgecask::keyspace::{Declaration, json_schema, reference, typescript};
use edgecask::systems::{automation, cache_service, copilot, council, phoenix};

fn declarations(system: &str) -> Option<&'static [Declaration]> {
    Some(match system {
        "automation" => automation::DECLARATIONS,
        "cache_service" => cache_service::keys::DECLARATIONS,
        "copilot" => copilot::keys::DECLARATIONS,
        "council" => council::DECLARATIONS,
        "phoenix" => phoenix::DECLARATIONS,
        _ => return None,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let form = arguments.next().unwrap_or_else(|| "markdown".to_owned());
    let system = arguments.next().unwrap_or_else(|| "council".to_owned());
    let declarations = declarations(&system).ok_or("there is no such system")?;
    match form.as_str() {
        "markdown" => print!("{}", reference(declarations)),
        "json" => println!("{:#}", json_schema(declarations)),
        "typescript" => print!("{}", typescript(declarations)),
        _ => return Err("the forms are markdown, json and typescript".into()),
    }
    Ok(())
}
