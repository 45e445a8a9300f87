//! Tells what a server of the Upstash Redis REST API can and cannot do.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use edgecask::transport::rest::{Feature, RestOptions, RestTransport};
use edgecask::{Client, Error, ErrorKind};
use edgecask_behaviour::{CASES, Report};
use serde_json::json;

/// Runs Edgecask's suite of behaviour against a server of the Upstash Redis REST API, and prints what the server can do.
///
/// Every case writes keys with random names, and most of them expire within an hour. No key of others is changed.
///
/// Features are what the server has of the REST API: replies in RESP2 or base64, commands in the path, transactions, scripts, and so
/// on. A client works without most of them. Cases are what clients do, and they fail where something is missing or wrong.
///
/// The exit status is 0 if every case passes, 1 if one does not, and 2 if nothing could be told: the server cannot be reached or
/// refuses the token, or no case has the name.
#[derive(Parser)]
#[command(name = "edgecask-conformance", version)]
struct Options {
    /// The URL of the REST API
    #[arg(env = "UPSTASH_REDIS_REST_URL")]
    url: String,

    /// The token that may send every command; the variable keeps it out of the list of processes
    #[arg(env = "UPSTASH_REDIS_REST_TOKEN", hide_env_values = true)]
    token: String,

    /// Print JSON instead of tables
    #[arg(long)]
    json: bool,

    /// Run the cases whose name contains this text, such as scripting::
    #[arg(long, value_name = "TEXT", default_value = "")]
    filter: String,

    /// How long each case may take
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    limit: u64,

    /// Allow an http:// URL of another host, over which the token is sent unencrypted
    #[arg(long)]
    allow_http: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // The report tells what failed.
    std::panic::set_hook(Box::new(|_| {}));
    match run(Options::parse()).await {
        Ok((text, is_success)) => {
            // If standard output is closed, nobody reads the report.
            let _ = writeln!(std::io::stdout(), "{text}");
            if is_success { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            let is_plain = error.message().contains("allow_http");
            let hint = if is_plain { " (here: --allow-http)" } else { "" };
            let _ = writeln!(std::io::stderr(), "edgecask-conformance: {error}{hint}");
            ExitCode::from(2)
        }
    }
}

async fn run(options: Options) -> Result<(String, bool), Error> {
    if !CASES.iter().any(|case| case.name().contains(&options.filter)) {
        return Err(Error::new(ErrorKind::Config, no_case(&options.filter)));
    }
    let settings = RestOptions::new(options.url, options.token).allow_http(options.allow_http);
    let server = RestTransport::new(settings.clone())?;
    server.find_features().await?;
    let connect = || Client::rest_with(settings.clone());
    let limit = Duration::from_secs(options.limit.max(1));
    let report = Report::of(connect, &options.filter, limit).await?;
    let features = Feature::ALL.map(|feature| (feature, server.has(feature)));
    let text = if options.json {
        let mut all = report.to_json();
        let features = features.map(|(feature, has)| (feature.as_str().to_owned(), json!(has)));
        all["features"] = serde_json::Value::Object(features.into_iter().collect());
        all.to_string()
    } else {
        let rows = features.map(|(feature, has)| {
            let has = has.map_or("unknown", |has| if has { "yes" } else { "no" });
            format!("| {feature} | {has} |\n")
        });
        format!("| feature | there |\n|---|---|\n{}\n{report}", rows.concat())
    };
    Ok((text, report.is_success()))
}

fn no_case(filter: &str) -> String {
    let mut families: Vec<&str> =
        CASES.iter().filter_map(|case| case.name().split("::").next()).collect();
    families.dedup();
    format!("no case has {filter:?} in its name; the families are {}", families.join(", "))
}
