//! The behaviour suite as wasm32, under Node.
#![cfg(target_arch = "wasm32")]

use edgecask::Client;
use edgecask::layer::{AutoPipeline, CircuitBreaker, Deadline, Observe, RequestBudget, Retry};
use edgecask_behaviour::{CASES, Scope};
use wasm_bindgen::JsValue;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

async fn run_all(client: Client) {
    for case in CASES {
        console_log!("{}", case.name());
        case.run(Scope::new(client.clone()).unwrap()).await;
    }
}

#[wasm_bindgen_test]
async fn the_embedded_engine() {
    run_all(Client::memory()).await;
}

#[wasm_bindgen_test]
async fn rest_through_fetch() {
    let (url, token) = (variable("EDGECASK_TEST_URL"), variable("EDGECASK_TEST_TOKEN"));
    run_all(Client::rest(&url, &token).unwrap()).await;
}

/// With every layer that changes how commands travel.
#[wasm_bindgen_test]
async fn rest_with_layers() {
    let (url, token) = (variable("EDGECASK_TEST_URL"), variable("EDGECASK_TEST_TOKEN"));
    let client = Client::rest(&url, &token)
        .unwrap()
        .layer(RequestBudget::new().requests(100_000))
        .layer(CircuitBreaker::new())
        .layer(AutoPipeline::new())
        .layer(Retry::new())
        .layer(Deadline::default())
        .layer(Observe::new());
    run_all(client).await;
}

#[wasm_bindgen_test]
fn a_port_that_fetch_refuses_is_a_mistake_in_the_configuration() {
    let error = Client::rest("http://localhost:6000", "t").unwrap_err();
    assert_eq!(error.kind(), edgecask::ErrorKind::Config);
    assert!(Client::rest("http://localhost:6001", "t").is_ok());
}

/// A variable of Node's environment.
fn variable(name: &str) -> String {
    let get = |object: &JsValue, name: &str| js_sys::Reflect::get(object, &name.into()).unwrap();
    let environment = get(&get(&js_sys::global(), "process"), "env");
    get(&environment, name).as_string().expect("cargo xtask test sets it")
}
