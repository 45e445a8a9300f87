//! The command `edgecask-conformance` against real servers.

use std::process::{Command, Output};

use edgecask_server::{Fault, FaultPlan, Server, ServerOptions};
use serde_json::{Value, json};

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_edgecask-conformance")).args(args).output().unwrap()
}

/// Runs it beside a server in this process.
async fn beside(options: ServerOptions, args: &'static [&str]) -> (Option<i32>, String, String) {
    let server = Server::start(options.token("token")).await.unwrap();
    let url = server.url();
    let output =
        tokio::task::spawn_blocking(move || run(&[&[url.as_str(), "token"], args].concat()));
    let output = output.await.unwrap();
    server.stop().await;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_server_passes_every_case() {
    let (status, out, err) = beside(ServerOptions::memory(), &[]).await;
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("| resp2 | yes |\n"), "{out}");
    let all = edgecask_behaviour::CASES.len();
    assert!(out.contains(&format!("| all | {all} | {all} |")), "{out}");

    let (status, out, _) =
        beside(ServerOptions::memory(), &["--json", "--filter", "lists::"]).await;
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &report["passed"]), (Some(0), &json!(4)));
    assert_eq!(report["features"]["subscriptions"], true);
    assert_eq!(report["cases"][0]["name"], "lists::both_ends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_server_is_told_by_the_exit_status() {
    let faulty = ServerOptions::memory().faults(FaultPlan::seeded(1).rate(Fault::BadGateway, 0.3));
    let (status, out, _) = beside(faulty, &["--filter", "strings::"]).await;
    assert!(matches!(status, Some(1 | 2)), "{out}");
    let nobody = run(&["http://127.0.0.1:1", "token"]);
    assert_eq!(nobody.status.code(), Some(2));
    let other_host = run(&["http://203.0.113.1", "token"]);
    assert_eq!(other_host.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&other_host.stderr).contains("--allow-http"));
}

#[test]
fn a_name_that_no_case_has_is_an_error() {
    let none = run(&["http://127.0.0.1:1", "token", "--filter", "string::"]);
    assert_eq!(none.status.code(), Some(2));
    let text = String::from_utf8_lossy(&none.stderr);
    assert!(text.contains("\"string::\"") && text.contains("strings, "), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn url_and_token_come_from_the_environment() {
    let server = Server::start(ServerOptions::memory().token("token")).await.unwrap();
    let url = server.url();
    let output = tokio::task::spawn_blocking(move || {
        let with = |args: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_edgecask-conformance"));
            command.envs([
                ("UPSTASH_REDIS_REST_URL", url.as_str()),
                ("UPSTASH_REDIS_REST_TOKEN", "token"),
            ]);
            command.args(args).output().unwrap()
        };
        let help = String::from_utf8(with(&["--help"]).stdout).unwrap();
        assert!(help.contains(&url) && !help.contains("REST_TOKEN=token"), "{help}");
        with(&["--filter", "lists::"])
    });
    assert_eq!(output.await.unwrap().status.code(), Some(0));
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_told_by_the_exit_status() {
    let server = Server::start(ServerOptions::memory().token("token")).await.unwrap();
    let url = server.url();
    let refused = tokio::task::spawn_blocking(move || run(&[&url, "another"])).await.unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(!String::from_utf8_lossy(&refused.stderr).contains("another"));
    server.stop().await;
}
