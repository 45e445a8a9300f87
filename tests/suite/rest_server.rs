//! The local server by plain HTTP: what the REST API's documentation says, line by line.

use edgecask::{Client, Command, ErrorKind, FromValue};
use edgecask_server::{Dialect, Limits, Server, ServerOptions};
use edgecask_tests::RedisServer;
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
    for path in ["/pipeline", "/multi-exec"] {
        assert_eq!(rest.post(path, "[]").await, (200, json!([])));
    }
    for body in ["[[]]", "{}", "", r#"["GET","k"]"#] {
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
    let request = rest.request("POST", "/").bearer_auth("token").body(r#"["GET","k"]"#);
    assert_eq!(answer(request.header("Upstash-Encoding", "BASE64")).await, result("T0s="));
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
async fn an_answer_has_a_sync_token_that_changes_with_each_write() {
    let redis = RedisServer::start();
    for options in [ServerOptions::memory(), ServerOptions::redis(redis.url())] {
        let server = Server::start(options.token("token")).await.unwrap();
        let rest = Rest { server, http: reqwest::Client::new() };
        let token = async |path: &str, body: &'static str| {
            let request = rest.request("POST", path).bearer_auth("token").body(body);
            let answer = request.send().await.unwrap();
            answer.headers()["upstash-sync-token"].to_str().unwrap().to_owned()
        };
        let mut last = token("/", r#"["GET","k"]"#).await;
        for (path, body) in [
            ("/", r#"["SET","k","v"]"#),
            ("/set/k/v", ""),
            ("/pipeline", r#"[["GET","k"],["SET","k","w"]]"#),
            ("/multi-exec", r#"[["SET","k","w"]]"#),
        ] {
            let next = token(path, body).await;
            assert_ne!(next, last, "{path}");
            assert_eq!(token("/", r#"["GET","k"]"#).await, next, "a read changes nothing");
            last = next;
        }
        rest.server.stop().await;
    }
}

#[tokio::test]
async fn errors_come_word_for_word_and_those_in_arrays_as_items() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url()).token("token")).await.unwrap();
    let rest = Rest { server, http: reqwest::Client::new() };
    let source = "return {1, redis.error_reply('no path here'), {redis.error_reply('ERR no')}}";
    let items = json!([1, "no path here", ["ERR no"]]);
    let batch = json!([["EVAL", source, 0]]);
    assert_eq!(rest.post("/", batch[0].to_string()).await, result(items.clone()));
    for path in ["/pipeline", "/multi-exec"] {
        let (status, body) = rest.post(path, batch.to_string()).await;
        assert_eq!((status, body), (200, json!([{ "result": items }])));
    }
    let request = rest.request("POST", "/").bearer_auth("token").body(batch[0].to_string());
    let answer = request.header("Upstash-Response-Format", "resp2").send().await.unwrap();
    assert_eq!(answer.bytes().await.unwrap(), "*3\r\n:1\r\n-no path here\r\n*1\r\n-ERR no\r\n");

    let script = json!(["EVAL", "return redis.error_reply('no path here')", 0]);
    assert_eq!(rest.post("/", script.to_string()).await, (400, json!({"error": "no path here"})));

    // The client keeps the items too, and tells them from texts.
    let eval = Command::new("EVAL").arg(source).arg(0);
    let rest_client = Client::rest(&rest.server.url(), "token").unwrap();
    for client in [redis.client(), rest_client] {
        let reply = client.send(&eval.clone()).await.unwrap();
        let edgecask::Value::Array(items) = &reply else { panic!("{reply:?}") };
        assert_eq!(items[0], edgecask::Value::Integer(1));
        assert!(
            matches!(&items[1], edgecask::Value::Error(text) | edgecask::Value::Bulk(text) if text == "no path here")
        );
    }
    let reply = redis.client().send(&eval).await.unwrap();
    let error = Vec::<edgecask::Value>::from_value(reply).unwrap();
    let error = i64::from_value(error[1].clone()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    rest.server.stop().await;
}

#[tokio::test]
async fn the_dialect_decides_where_upstash_and_redis_differ() {
    let redis = RedisServer::start();
    for dialect in [Dialect::Upstash, Dialect::Redis] {
        for options in [ServerOptions::memory(), ServerOptions::redis(redis.url())] {
            let options = options.token("token").dialect(dialect);
            let server = Server::start(options).await.unwrap();
            let rest = Rest { server, http: reqwest::Client::new() };
            let send = |command: Value| rest.post("/", command.to_string());
            assert_eq!(send(json!(["FLUSHALL"])).await, result("OK"));
            assert_eq!(send(json!(["SET", "k", "v"])).await, result("OK"));
            for score in 0..5 {
                assert_eq!(send(json!(["ZADD", "z", score, score])).await, result(1));
            }
            let page = json!(["ZRANGE", "z", 0, -1, "LIMIT", 1, 2]);
            assert_eq!(send(json!(["XADD", "log", "1-0", "f", "v"])).await, result("1-0"));
            for group in ["g", "h"] {
                let create = json!(["XGROUP", "CREATE", "log", group, "0"]);
                assert_eq!(send(create).await, result("OK"));
            }
            let consumers = json!(["XINFO", "CONSUMERS", "log", "g"]);
            let read = |group: &str| {
                json!(["XREADGROUP", "GROUP", group, "c", "NOACK", "STREAMS", "log", ">"])
            };
            let entries = json!([["log", [["1-0", ["f", "v"]]]]]);
            assert_eq!(send(read("g")).await, result(entries.clone()));
            let known = send(consumers).await.1["result"].as_array().unwrap().len();
            assert_eq!(known, usize::from(dialect == Dialect::Redis));
            let scan = json!(["SCAN", 0, "MATCH", "k", "WITHTYPE"]);
            let batch = json!([["COPY", "k", "k"], ["UNLINK"], ["GET", "k"], page]).to_string();
            if dialect == Dialect::Redis {
                for command in [json!(["COPY", "k", "k"]), json!(["UNLINK"]), scan, page] {
                    assert_eq!(send(command.clone()).await.0, 400, "{command}");
                }
                rest.server.stop().await;
                continue;
            }
            let expected =
                json!([{"result": 0}, {"result": 0}, {"result": "v"}, {"result": ["1", "2"]}]);
            for path in ["/pipeline", "/multi-exec"] {
                assert_eq!(rest.post(path, batch.clone()).await, (200, expected.clone()));
            }
            assert_eq!(send(scan).await, result(json!(["0", ["k", "string"]])));
            let page = json!(["ZRANGE", "z", 1, 4, "REV", "WITHSCORES", "LIMIT", 1, 2]);
            assert_eq!(send(page).await, result(json!(["2", "2", "1", "1"])));
            for (offset, count, rest) in [(3, -1, json!(["3", "4"])), (-1, 2, json!([]))] {
                let page = json!(["ZRANGE", "z", 0, -1, "LIMIT", offset, count]);
                assert_eq!(send(page).await, result(rest));
            }
            // Who is a consumer already stays one.
            let create = json!(["XGROUP", "CREATECONSUMER", "log", "h", "c"]);
            assert_eq!(send(create).await, result(1));
            let (status, replies) =
                rest.post("/multi-exec", json!([read("h"), read("h")]).to_string()).await;
            assert_eq!((status, replies), (200, json!([{"result": entries}, {"result": null}])));
            let consumers = send(json!(["XINFO", "CONSUMERS", "log", "h"])).await.1;
            assert_eq!(consumers["result"][0][1], "c");
            let (status, error) = send(read("nosuch")).await;
            let error = error["error"].as_str().unwrap();
            assert!(status == 400 && error.starts_with("NOGROUP"), "{error}");
            let none = json!(["SCAN", 0, "WITHTYPE", "MATCH", "absent"]);
            assert_eq!(send(none).await, result(json!(["0", []])));
            for id in 1..=10 {
                let added = send(json!(["XADD", "s", format!("{id}-0"), "f", "v"])).await;
                assert_eq!(added, result(format!("{id}-0")));
            }
            let trim = json!(["XTRIM", "s", "MAXLEN", "~", 4, "LIMIT", 100]);
            assert_eq!(send(trim).await, result(6));
            rest.server.stop().await;
        }
    }
}

#[tokio::test]
async fn a_script_that_does_not_compile_is_not_loaded() {
    let Some(redis) = RedisServer::redis8() else { return };
    for first in ["", "#!lua\n", "#!lua flags=allow-key-locking\n"] {
        let mut errors = Vec::new();
        for options in [ServerOptions::memory(), ServerOptions::redis(redis.url())] {
            let server = Server::start(options.token("token")).await.unwrap();
            let rest = Rest { server, http: reqwest::Client::new() };
            let send = |command: Value| rest.post("/", command.to_string());
            let source = format!("{first}return redis.call('GET' KEYS[1])");
            let (status, error) = send(json!(["SCRIPT", "LOAD", source])).await;
            assert_eq!(status, 400, "{error}");
            let batch = json!([["SCRIPT", "LOAD", source], ["PING"]]).to_string();
            assert_eq!(
                rest.post("/pipeline", batch).await,
                (200, json!([error, {"result": "PONG"}]))
            );
            assert_eq!(send(json!(["EVAL", source, 1, "k"])).await, (400, error.clone()));
            let library = json!(["FUNCTION", "LOAD", format!("#!lua name=x\n{source}")]);
            let (status, refused) = send(library).await;
            assert_eq!(status, 400, "{refused}");
            let good = format!("{first}return 'good'");
            let sha = send(json!(["SCRIPT", "LOAD", good])).await.1["result"].clone();
            let known = send(json!(["SCRIPT", "EXISTS", sha, "0".repeat(40)])).await;
            assert_eq!(known, result(json!([1, 0])));
            assert_eq!(send(json!(["EVALSHA", sha, 0])).await, result("good"));
            errors.push((error, refused));
            rest.server.stop().await;
        }
        assert!(errors[0].0["error"].as_str().unwrap().starts_with("ERR Error compiling script"));
        assert_eq!(errors[0], errors[1], "the engine has Redis's words");
    }
}

#[tokio::test]
async fn functions_may_have_upstashs_flag() {
    let redis = RedisServer::start();
    for options in [ServerOptions::memory(), ServerOptions::redis(redis.url())] {
        let server = Server::start(options.token("token")).await.unwrap();
        let rest = Rest { server, http: reqwest::Client::new() };
        let send = |command: Value| rest.post("/", command.to_string());
        let library = "#!lua name=x\nredis.register_function{ function_name='count', flags={ 'allow-key-locking' }, \
                       callback=function(keys) return redis.call('INCR', keys[1]) end }";
        assert_eq!(send(json!(["FUNCTION", "LOAD", library])).await, result("x"));
        assert_eq!(send(json!(["FCALL", "count", 1, "k"])).await, result(1));
        rest.server.stop().await;
    }
}

#[tokio::test]
async fn a_read_that_would_wait_is_refused() {
    let redis = RedisServer::start();
    for options in [ServerOptions::memory(), ServerOptions::redis(redis.url())] {
        let server = Server::start(options.token("token")).await.unwrap();
        let rest = Rest { server, http: reqwest::Client::new() };
        let send = |command: Value| rest.post("/", command.to_string());
        assert_eq!(send(json!(["XADD", "s", "1-1", "f", "v"])).await, result("1-1"));
        assert_eq!(send(json!(["XGROUP", "CREATE", "s", "g", "$"])).await, result("OK"));
        for waiting in [
            json!(["XREAD", "BLOCK", 0, "STREAMS", "s", "$"]),
            json!(["xread", "count", 1, "block", 1000, "streams", "s", "1-1"]),
            json!(["XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "STREAMS", "s", ">"]),
            json!(["XREADGROUP", "GROUP", "g", "c", "BLOCK", 0, "NOACK", "STREAMS", "s", ">"]),
        ] {
            let (status, error) = send(waiting.clone()).await;
            let text = error["error"].as_str().unwrap();
            assert!(status == 400 && text.contains("poll with"), "{waiting}: {text}");
            let batch = json!([["SET", "k", "v"], waiting]).to_string();
            let (status, replies) = rest.post("/pipeline", batch.clone()).await;
            assert_eq!((status, &replies[1]), (200, &error));
            assert_eq!(rest.post("/multi-exec", batch).await.0, 400);
        }
        // A stream may have the option's name.
        let named = json!(["XREAD", "STREAMS", "BLOCK", "s", 0, 0]);
        assert_eq!(send(named).await, result(json!([["s", [["1-1", ["f", "v"]]]]])));
        rest.server.stop().await;
    }
}

#[tokio::test]
async fn a_subscription_needs_no_accept_header() {
    let rest = Rest::start().await;
    let request = rest.request("POST", "/subscribe/c").bearer_auth("token");
    let mut events = request.send().await.unwrap();
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    assert_eq!(events.chunk().await.unwrap().unwrap(), "data: subscribe,c,1\n\n");
    drop(events);
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

#[tokio::test]
async fn replies_come_as_resp2_if_asked_for() {
    let rest = Rest::start().await;
    let resp2 = |path: &'static str, body: &'static str| {
        let request = rest.request("POST", path).bearer_auth("token").body(body);
        let request = request.header("Upstash-Response-Format", "resp2");
        async move {
            let response = request.send().await.unwrap();
            let status = response.status().as_u16();
            let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
            (status, kind, response.bytes().await.unwrap())
        }
    };
    let bytes = "application/octet-stream".to_owned();
    let set = resp2("/", r#"["SET","k","ü"]"#).await;
    assert_eq!(set, (200, bytes.clone(), "+OK\r\n".into()));
    let error = resp2("/", r#"["INCR","k"]"#).await;
    assert_eq!((error.0, &error.1), (400, &bytes));
    assert_eq!(error.2, "-ERR value is not an integer or out of range\r\n");
    let (_, _, body) =
        resp2("/pipeline", r#"[["MGET","k","x"],["INCR","k"],["STRLEN","k"]]"#).await;
    let expected = "*2\r\n$2\r\nü\r\n$-1\r\n-ERR value is not an integer or out of range\r\n:2\r\n";
    assert_eq!(body, expected);
    assert_eq!(resp2("/multi-exec", r#"[["GET","k"]]"#).await.0, 400);
    let both = rest.request("POST", "/").bearer_auth("token").body(r#"["PING"]"#);
    let both = both.header("Upstash-Response-Format", "resp2").header("Upstash-Encoding", "base64");
    assert_eq!(answer(both).await.0, 400);
    rest.server.stop().await;
}

#[tokio::test]
async fn plans_limit_sizes_and_commands() {
    let limits = Limits::new().key_bytes(10).record_bytes(20).request_bytes(200).daily_commands(4);
    let options = ServerOptions::memory().token("token").limits(limits);
    let server = Server::start(options).await.unwrap();
    let rest = Rest { server, http: reqwest::Client::new() };
    let refused = |text: &str| (400, json!({ "error": text }));
    assert_eq!(
        rest.post("/", r#"["GET","01234567890"]"#).await,
        refused("ERR max key size exceeded. Limit: 10 bytes, Actual: 11 bytes")
    );
    let record = format!(r#"["SET","k","{}"]"#, "x".repeat(21));
    assert_eq!(rest.post("/", record).await, refused("ERR max single record size exceeded"));
    let request = format!(r#"["ECHO","{}"]"#, "x".repeat(200));
    assert_eq!(rest.post("/", request).await, refused("ERR max request size exceeded"));

    // Each command of a batch counts; a transaction that is not whole is not begun.
    assert_eq!(rest.post("/pipeline", r#"[["INCR","n"],["INCR","n"],["INCR","n"]]"#).await.0, 200);
    let over = "ERR max daily request limit exceeded";
    let batch = r#"[["INCR","n"],["INCR","n"]]"#;
    let (status, body) = rest.post("/pipeline", batch).await;
    assert_eq!((status, body), (200, json!([{"result": 4}, {"error": over}])));
    assert_eq!(rest.post("/multi-exec", batch).await, refused(over));
    assert_eq!(rest.post("/", r#"["GET","n"]"#).await, refused(over));
    rest.server.stop().await;
}

#[tokio::test]
async fn users_of_redis_get_tokens_of_their_own() {
    let redis = RedisServer::start();
    let setup =
        Command::new("ACL").args_from(["SETUSER", "ada", "on", ">secret", "~ada:*", "+@all"]);
    redis.client().send(&setup).await.unwrap();
    let server = Server::start(ServerOptions::redis(redis.url()).token("token")).await.unwrap();
    let rest = Rest { server, http: reqwest::Client::new() };
    let (status, body) = rest.post("/", r#"["ACL","RESTTOKEN","ada","wrong"]"#).await;
    assert_eq!(status, 400);
    assert_eq!(body["error"], "ERR Wrong password or user \"ada\" does not exist");
    let (_, body) = rest.post("/", r#"["ACL","RESTTOKEN","ada","secret"]"#).await;
    let token = body["result"].as_str().unwrap();
    let ada = |path: &str| answer(rest.request("GET", path).bearer_auth(token));
    assert_eq!(ada("/set/ada:k/v").await, result("OK"));
    let (status, body) = ada("/set/bob:k/v").await;
    assert!(status == 400 && body["error"].as_str().unwrap().starts_with("NOPERM"), "{body}");
    assert_eq!(ada("/acl/whoami").await, result("ada"));
    assert_eq!(rest.get("/acl/whoami").await, result("default"));
    rest.server.stop().await;
}

#[tokio::test]
async fn users_of_redis_see_no_more_by_rest_than_by_tcp() {
    let redis = RedisServer::start();
    for user in [
        ["SETUSER", "ada", "on", ">secret", "~*", "+@all", "-@admin", "-@dangerous", "+acl|whoami"],
        ["SETUSER", "bob", "on", ">secret", "~*", "+@all", "+@all", "+@all", "+@all"],
    ] {
        redis.client().send(&Command::new("ACL").args_from(user)).await.unwrap();
    }
    let server = Server::start(ServerOptions::redis(redis.url()).token("token")).await.unwrap();
    let rest = Rest { server, http: reqwest::Client::new() };
    let ask = |token: &str, user: &str| {
        let request = rest.request("GET", &format!("/acl/resttoken/{user}/secret"));
        answer(request.bearer_auth(token.to_owned()))
    };
    let (_, body) = ask("token", "ada").await;
    let ada = body["result"].as_str().unwrap().to_owned();
    let (_, body) = ask("token", "bob").await;
    let bob = body["result"].as_str().unwrap().to_owned();
    assert_eq!(ask("token", "bob").await, result(bob.as_str()), "it is the same one");
    let (status, body) = ask(&ada, "bob").await;
    assert!(status == 400 && body["error"].as_str().unwrap().starts_with("NOPERM"), "{body}");
    assert_eq!(ask(&bob, "ada").await, result(ada.as_str()));
    for (token, status) in [(ada.as_str(), 400), (&bob, 200), ("token", 200)] {
        let request = rest.request("GET", "/monitor").bearer_auth(token);
        let answer = request.header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
    }
    rest.server.stop().await;
}

#[tokio::test]
async fn a_refused_command_is_its_own_item() {
    let redis = RedisServer::start();
    for options in [ServerOptions::memory(), ServerOptions::redis(redis.url())] {
        let options = options.token("token").read_only_token("reader");
        let server = Server::start(options).await.unwrap();
        let rest = Rest { server, http: reqwest::Client::new() };
        assert_eq!(rest.get("/set/k/v").await, result("OK"));
        let batch =
            json!([["GET", "k"], ["SET", "k", "w"], ["EVAL_RO", "return 1", 0], ["GET", "k"]]);
        let send = |path: &str, token: &str, batch: &Value| {
            answer(rest.request("POST", path).bearer_auth(token.to_owned()).body(batch.to_string()))
        };
        let (status, body) = send("/pipeline", "reader", &batch).await;
        assert_eq!(
            (status, &body[0]["result"], &body[3]["result"]),
            (200, &json!("v"), &json!("v"))
        );
        for item in [1, 2] {
            assert!(body[item]["error"].as_str().unwrap().starts_with("NOPERM"), "{body}");
        }
        let (status, body) = send("/multi-exec", "reader", &batch).await;
        assert!(status == 400 && body["error"].as_str().unwrap().starts_with("NOPERM"), "{body}");
        // So is what the REST API does not serve.
        let batch = json!([["GET", "k"], ["BLPOP", "nokey", 0], ["SUBSCRIBE", "c"], ["GET", "k"]]);
        let (status, body) = send("/pipeline", "token", &batch).await;
        assert_eq!(
            (status, &body[0]["result"], &body[3]["result"]),
            (200, &json!("v"), &json!("v"))
        );
        assert!(body[1]["error"].is_string() && body[2]["error"].is_string(), "{body}");
        assert_eq!(send("/multi-exec", "token", &batch).await.0, 400);
        for name in ["eval_ro", "evalsha_ro"] {
            let script = json!([name, "return redis.call('KEYS', '*')", 0]);
            let (status, body) = send("/", "reader", &script).await;
            assert!(
                status == 400 && body["error"].as_str().unwrap().starts_with("NOPERM"),
                "{body}"
            );
        }
        rest.server.stop().await;
    }
}

#[tokio::test]
async fn scripts_with_the_flag_of_upstash_run_on_redis() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url()).token("token")).await.unwrap();
    let rest = Rest { server, http: reqwest::Client::new() };
    let source = "#!lua flags=allow-key-locking\nreturn redis.call('INCR', KEYS[1])";
    let sha = edgecask::Script::new(source).sha().to_owned();
    let send = |command: Value| rest.post("/", command.to_string());
    assert_eq!(send(json!(["EVALSHA", sha, 1, "n"])).await.0, 400, "it is not known yet");
    assert_eq!(send(json!(["EVAL", source, 1, "n"])).await, result(1));
    assert_eq!(send(json!(["EVALSHA", sha, 1, "n"])).await, result(2));
    assert_eq!(send(json!(["SCRIPT", "FLUSH"])).await, result("OK"));
    assert_eq!(send(json!(["SCRIPT", "LOAD", source])).await, result(sha.as_str()));
    assert_eq!(send(json!(["SCRIPT", "EXISTS", sha])).await, result(json!([1])));
    let batch = json!([["EVALSHA", sha, 1, "n"], ["SCRIPT", "LOAD", source]]).to_string();
    let expected = json!([{"result": 3}, {"result": sha}]);
    assert_eq!(rest.post("/pipeline", batch.clone()).await, (200, expected));
    assert_eq!(rest.post("/multi-exec", batch).await.1[0]["result"], 4);
    rest.server.stop().await;
}

#[tokio::test]
async fn a_transaction_never_shares_its_connection() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url()).token("token")).await.unwrap();
    let rest = Rest { server, http: reqwest::Client::new() };
    let mixed = (0..200).map(|number| {
        let rest = &rest;
        async move {
            if number % 2 == 0 {
                let body = r#"[["INCR","a"],["INCR","b"]]"#;
                let (status, body) = rest.post("/multi-exec", body).await;
                assert_eq!(status, 200);
                assert_eq!(body[0], body[1], "nothing came in between");
            } else {
                let (status, body) = rest.post("/", r#"["MGET","a","b"]"#).await;
                assert_eq!(status, 200);
                assert_eq!(body["result"][0], body["result"][1], "no half of a transaction shows");
            }
        }
    });
    futures_util::future::join_all(mixed).await;
    rest.server.stop().await;
}
