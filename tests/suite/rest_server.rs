//! The local server by plain HTTP: what the REST API's documentation says, line by line.

use edgecask_server::{Server, ServerOptions};
use serde_json::{Value, json};

struct Rest {
    server: Server,
    http: reqwest::Client,
}

impl Rest {
    async fn start() -> Self {
        let options = ServerOptions::memory().token("token").read_only_token("reader");
        Self { server: Server::start(options).await.unwrap(), http: reqwest::Client::new() }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.server.url());
        self.http.request(method.parse().unwrap(), url)
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        answer(self.request("POST", path).bearer_auth("token").body(body)).await
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request("GET", path).bearer_auth("token")).await
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    assert_eq!(response.headers()["content-type"], "application/json");
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default())
}

fn result(value: impl Into<Value>) -> (u16, Value) {
    (200, json!({"result": value.into()}))
}

#[tokio::test]
async fn commands_come_as_json_or_as_a_path() {
    let rest = Rest::start().await;
    assert_eq!(rest.post("/", r#"["SET","k","v","EX",100]"#).await, result("OK"));
    assert_eq!(rest.get("/get/k").await, result("v"));
    assert_eq!(rest.get("/set/a%2Fb/x%20y/EX/100").await, result("OK"));
    assert_eq!(rest.get("/mget/a%2Fb/absent").await, result(json!(["x y", null])));
    assert_eq!(rest.post("/set/body?EX=100&NX", "\u{1f980} value").await, result("OK"));
    assert_eq!(rest.post("/", r#"["GET","body"]"#).await, result("\u{1f980} value"));
    assert_eq!(rest.get("/ttl/body").await, result(100));
    assert_eq!(
        answer(rest.request("PUT", "/echo").bearer_auth("token").body("x")).await,
        result("x")
    );
    let head = rest.request("HEAD", "/get/k").bearer_auth("token").send().await.unwrap();
    assert_eq!(head.status(), 200);
    assert!(head.bytes().await.unwrap().is_empty());
    rest.server.stop().await;
}

#[tokio::test]
async fn tokens_decide_who_may_do_what() {
    let rest = Rest::start().await;
    let refused = (401, json!({"error": "WRONGPASS invalid or missing auth token"}));
    assert_eq!(answer(rest.request("GET", "/get/k")).await, refused);
    assert_eq!(answer(rest.request("GET", "/get/k").bearer_auth("wrong")).await, refused);
    assert_eq!(answer(rest.request("GET", "/get/k").basic_auth("x", Some("token"))).await, refused);
    assert_eq!(answer(rest.request("GET", "/get/k?_token=token")).await, result(Value::Null));
    let reader = |path: &str| answer(rest.request("GET", path).bearer_auth("reader"));
    assert_eq!(reader("/get/k").await, result(Value::Null));
    for path in ["/set/k/v", "/keys/*", "/scan/0"] {
        let (status, body) = reader(path).await;
        assert_eq!(status, 400);
        assert!(body["error"].as_str().unwrap().starts_with("NOPERM this user has no permissions"));
    }
    assert_eq!(answer(rest.request("DELETE", "/get/k").bearer_auth("token")).await.0, 405);
    rest.server.stop().await;
}

#[tokio::test]
async fn batches_answer_item_by_item() {
    let rest = Rest::start().await;
    let commands = r#"[["SET","k","v"],["INCR","k"],["GET","k"]]"#;
    let expected = json!([
        {"result": "OK"}, {"error": "ERR value is not an integer or out of range"}, {"result": "v"}
    ]);
    for path in ["/pipeline", "/multi-exec"] {
        assert_eq!(rest.post(path, commands).await, (200, expected.clone()));
    }
    let (status, body) = rest.post("/multi-exec", r#"[["SET","k","w"],["NOSUCHCOMMAND"]]"#).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"], "ERR unknown command 'NOSUCHCOMMAND'");
    assert_eq!(rest.get("/get/k").await, result("v"));
    for body in ["[]", "{}", "", r#"["GET","k"]"#] {
        let (status, answer) = rest.post("/pipeline", body).await;
        assert!(status == 400 && answer["error"].is_string(), "{body}");
    }
    rest.server.stop().await;
}

#[tokio::test]
async fn strings_come_in_base64_if_asked_for() {
    let rest = Rest::start().await;
    let base64 = |body: &'static str| {
        let request = rest.request("POST", "/").bearer_auth("token").body(body);
        answer(request.header("Upstash-Encoding", "base64"))
    };
    assert_eq!(base64(r#"["SET","k","OK"]"#).await, result("OK"));
    assert_eq!(base64(r#"["GET","k"]"#).await, result("T0s="));
    assert_eq!(base64(r#"["MGET","k","x"]"#).await, result(json!(["T0s=", null])));
    let (status, body) = base64(r#"["INCR","k"]"#).await;
    assert_eq!(
        (status, body),
        (400, json!({"error": "ERR value is not an integer or out of range"}))
    );
    let format = rest.request("POST", "/").bearer_auth("token").body(r#"["PING"]"#);
    assert_eq!(answer(format.header("Upstash-Response-Format", "xml")).await.0, 400);
    rest.server.stop().await;
}

#[tokio::test]
async fn what_is_not_supported_is_refused_by_name() {
    let rest = Rest::start().await;
    for path in ["/multi", "/watch/k", "/blpop/k/0", "/nosuchcommand"] {
        let (status, body) = rest.get(path).await;
        assert!(
            status == 400 && body["error"].as_str().unwrap().starts_with("ERR"),
            "{path}: {body}"
        );
    }
    let long = format!(r#"["SET","k","{}"]"#, "x".repeat(11 * 1024 * 1024));
    assert_eq!(
        rest.post("/", long).await,
        (400, json!({"error": "ERR max request size exceeded"}))
    );
    rest.server.stop().await;
}
