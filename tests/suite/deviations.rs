//! The client beside servers that differ from the API's documentation.
//!
//! With two cases, the whole suite of behaviour runs beside every set of deviations; with one, the strings alone beside some.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use edgecask::layer::CircuitBreaker;
use edgecask::platform::BoxFuture;
use edgecask::prelude::*;
use edgecask::transport::rest::{Encoding, Feature, RestOptions, RestTransport};
use edgecask::transport::{Results, Transport};
use edgecask::{Client, Command, Error, ErrorKind, Outcome, Script, Value};
use edgecask_behaviour::Report;
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::Deviation::*;
use edgecask_tests::{Deviant, Deviation, RedisServer, Tap, Tapped, Trip, cases};
use futures_util::future::join_all;

/// A client of the embedded engine behind a front with these deviations.
struct Beside {
    server: Server,
    front: Deviant,
}

impl Beside {
    async fn new(deviations: &[Deviation]) -> Self {
        Self::over(ServerOptions::memory(), deviations).await
    }

    async fn over(options: ServerOptions, deviations: &[Deviation]) -> Self {
        let options = options.token("token").read_only_token("reader");
        let server = Server::start(options).await.unwrap();
        let front = Deviant::start(server.url(), deviations).await;
        Self { server, front }
    }

    fn client(&self) -> Client {
        Client::rest(self.front.url(), "token").unwrap()
    }

    fn asking_for(&self, encoding: Encoding) -> Client {
        let options = RestOptions::new(self.front.url(), "token").encoding(encoding);
        Client::rest_with(options).unwrap()
    }

    async fn stop(self) {
        self.server.stop().await;
    }
}

/// Runs the suite of behaviour beside these deviations.
async fn behaviour(options: ServerOptions, deviations: &[Deviation], filter: &str) -> Report {
    let beside = Beside::over(options, deviations).await;
    let connect = || Client::rest(beside.front.url(), "token");
    let report = Report::of(connect, filter, Duration::from_secs(30)).await.unwrap();
    beside.stop().await;
    report
}

#[tokio::test]
async fn every_behaviour_is_right_beside_all_deviations_that_the_official_sdk_survives() {
    let redis = RedisServer::start();
    let everywhere = [
        NoPermissionAsForbidden,
        KeyLockingRefused,
        CommandErrorsAsServerErrors,
        LengthRequired,
        UserAgentRequired,
        ContentTypeChecked,
        BasePathWithoutSlash,
        ByteOrderMark,
        LargeIntegersAsStrings,
        NoConfirmation,
    ];
    // These exclude each other.
    for (format, filter) in [
        (&[PipelineAsArray][..], ""),
        (&[ResponseFormatIgnored, Base64Unpadded], ""),
        (&[ResponseFormatNotAcceptable, Base64Unpadded], "strings::"),
        (&[ResponseFormatRefusedAsText], "strings::"),
        (&[ResponseFormatRefusedAsSuccess], "strings::"),
    ] {
        let all = [&everywhere, format].concat();
        let filter = if cases(1) > 1 { "" } else { filter };
        let report = behaviour(ServerOptions::redis(redis.url()), &all, filter).await;
        assert!(report.is_success(), "{format:?}: {report}");
    }
    // Events of several lines, and slashes in channels, are lost by nature.
    let all = [&everywhere[..], &[EventsEndInOneLineFeed, PathsNotDecoded]].concat();
    for filter in ["pubsub::listening_to_patterns", "pubsub::watching_commands"] {
        let report = behaviour(ServerOptions::redis(redis.url()), &all, filter).await;
        assert!(report.is_success(), "{report}");
    }
}

#[tokio::test]
async fn a_server_fails_by_what_it_lacks_alone() {
    let redis = RedisServer::start();
    let wrong = async |filter| {
        let options = ServerOptions::redis(redis.url());
        let report = behaviour(options, &[JsonOnly, NoTransactions], filter).await;
        report.failures().map(|case| case.name).collect::<Vec<_>>()
    };
    let path_form = ["binary::bytes_survive", "binary::bytes_in_batches", "binary::odd_keys"];
    let events = [
        "pubsub::publishing_and_listening",
        "pubsub::listening_to_patterns",
        "pubsub::watching_commands",
    ];
    assert_eq!(wrong("pubsub::").await, events);
    assert_eq!(wrong("binary::").await, path_form);
    assert_eq!(wrong("cache").await, [""; 0]);
    assert_eq!(wrong("stores::").await, [""; 0]);
}

#[tokio::test]
async fn a_server_that_knows_no_encoding_corrupts_nothing() {
    let beside = Beside::new(&[EncodingsIgnored]).await;
    for client in [beside.client(), beside.asking_for(Encoding::Plain)] {
        // These texts are base64 too.
        for text in ["abcd", "abcdefgh", "1234", "not base64"] {
            client.set("k", text).await.unwrap();
            assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some(text));
            client.hset("h", [("f", text)]).await.unwrap();
            let previous: Option<String> = client.getset("k", text).await.unwrap();
            assert_eq!(previous.as_deref(), Some(text));
            let results = client.send_transaction(&[Command::new("GET").arg("k")]).await.unwrap();
            assert_eq!(results[0].clone().unwrap(), Value::bulk(text));
            let fields: Vec<String> = client.hkeys("h").await.unwrap();
            assert_eq!(fields, ["f"]);
        }
    }
    // The first command may be a write with a reply.
    for text in ["abcd", "4242"] {
        beside.client().set("k", text).await.unwrap();
        let previous: Option<String> = beside.client().getset("k", text).await.unwrap();
        assert_eq!(previous.as_deref(), Some(text));
        let client = beside.client();
        let results = client.send_transaction(&[Command::new("GET").arg("k")]).await.unwrap();
        assert_eq!(results[0].clone().unwrap(), Value::bulk(text));
    }
    beside.stop().await;
}

#[tokio::test]
async fn a_pipeline_as_one_array_is_read_whatever_its_length() {
    let beside = Beside::new(&[PipelineAsArray]).await;
    let client = beside.client();
    client.rpush("l", ["a", "b"]).await.unwrap();
    client.rpush("one", ["a"]).await.unwrap();
    let range = |key: &str| Command::new("LRANGE").arg(key).arg(0).arg(-1);
    for _ in 0..2 {
        let list = |items: &[&'static str]| {
            Value::Array(items.iter().map(|item| Value::bulk(*item)).collect())
        };
        let replies = client.send_pipeline(&[Command::new("GET").arg("x")]).await.unwrap();
        assert!(replies[0].clone().unwrap().is_nil());
        for (key, items) in [("one", &["a"][..]), ("l", &["a", "b"])] {
            let replies = client.send_pipeline(&[range(key)]).await.unwrap();
            assert_eq!(replies[0].clone().unwrap(), list(items));
        }
        let replies = client.send_pipeline(&[range("l"), range("one")]).await.unwrap();
        assert_eq!(replies[0].clone().unwrap(), list(&["a", "b"]));
        assert_eq!(replies[1].clone().unwrap(), list(&["a"]));
    }
    beside.stop().await;
}

#[tokio::test]
async fn scripts_run_without_the_flag_whatever_words_refuse_it() {
    let redis = RedisServer::start();
    for deviations in [&[KeyLockingRefused][..], &[KeyLockingRefused, CommandErrorsAsServerErrors]]
    {
        let beside = Beside::over(ServerOptions::redis(redis.url()), deviations).await;
        let client = beside.client();
        let script = Script::new("return KEYS[1]").key_locking();
        for _ in 0..3 {
            let reply: String = client.run_script(&script, ["k"], [""; 0]).await.unwrap();
            assert_eq!(reply, "k");
        }
        let before = beside.front.requests();
        let _: String = client.run_script(&script, ["k"], [""; 0]).await.unwrap();
        assert_eq!(beside.front.requests() - before, 1, "it is remembered");
        beside.stop().await;
    }
}

#[tokio::test]
async fn the_error_of_a_script_is_not_taken_for_a_refusal_of_the_flag() {
    let redis = RedisServer::start();
    let beside = Beside::over(ServerOptions::redis(redis.url()), &[KeyLockingRefused]).await;
    let client = beside.client();
    let wrong = Script::new("return redis.call('INCR', KEYS[1]) .. nosuch").key_locking();
    let error = client.run_script::<i64>(&wrong, ["counter"], [""; 0]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(client.get::<u64>("counter").await.unwrap(), Some(1), "it ran once");
    beside.stop().await;
}

/// A gateway that passes scripts on, and answers that the server cannot be reached.
#[derive(Debug, Clone, Default)]
struct BadGateway(Arc<AtomicBool>);

impl Tap for BadGateway {
    fn carry<'a>(&'a self, trip: Trip<'a>) -> BoxFuture<'a, edgecask::Result<Results>> {
        Box::pin(async move {
            let results = trip.go().await;
            let is_script = trip.commands.iter().any(|command| command.name().starts_with("EVAL"));
            if is_script && self.0.load(Ordering::Relaxed) {
                let error = Error::new(ErrorKind::Http, "HTTP 502").with_status(502);
                return Err(error.with_outcome(Outcome::Unknown));
            }
            results
        })
    }
}

#[tokio::test]
async fn errors_of_a_gateway_are_not_taken_for_a_refusal_of_the_flag() {
    let redis = RedisServer::start();
    let beside = Beside::over(ServerOptions::redis(redis.url()), &[]).await;
    let gateway = BadGateway::default();
    let client = beside.client().layer(Tapped(gateway.clone()));
    let script = Script::new("return redis.call('INCR', KEYS[1])").key_locking();
    // The server knows the script by its sha.
    let _: i64 = beside.client().run_script(&script, ["other"], [""; 0]).await.unwrap();
    gateway.0.store(true, Ordering::Relaxed);
    let error = client.run_script::<i64>(&script, ["counter"], [""; 0]).await.unwrap_err();
    assert_eq!((error.status(), error.outcome()), (Some(502), Outcome::Unknown));
    assert_eq!(client.get::<u64>("counter").await.unwrap(), Some(1), "it ran once");
    beside.stop().await;
}

#[tokio::test]
async fn a_refused_format_is_given_up_once() {
    for deviation in [
        ResponseFormatIgnored,
        ResponseFormatNotAcceptable,
        ResponseFormatRefusedAsText,
        ResponseFormatRefusedAsSuccess,
    ] {
        let beside = Beside::new(&[deviation]).await;
        let client = beside.client();
        client.set("k", "v").await.unwrap();
        let reads = join_all((0..50).map(|_| client.get::<String>("k"))).await;
        for read in reads {
            assert_eq!(read.unwrap().as_deref(), Some("v"), "{deviation:?}");
        }
        assert_eq!(beside.front.asked_for_resp2(), 1, "{deviation:?}");
        let before = beside.front.requests();
        client.get::<String>("k").await.unwrap();
        assert_eq!(beside.front.requests() - before, 1, "{deviation:?}");
        let values: (Option<String>, Option<String>) =
            client.pipelined(|p| (p.get("k"), p.get("absent"))).await.unwrap();
        assert_eq!(values, (Some("v".to_owned()), None), "{deviation:?}");
        let asked = beside.front.asked_for_resp2();
        assert!(asked <= 2, "{deviation:?}: single commands and pipelines once each");
        client.get::<String>("k").await.unwrap();
        assert_eq!(beside.front.asked_for_resp2(), asked, "{deviation:?}");
        beside.stop().await;
    }
}

#[tokio::test]
async fn front_ends_that_check_headers_are_content() {
    let deviations = [
        LengthRequired,
        UserAgentRequired,
        ContentTypeChecked,
        BasePathWithoutSlash,
        ByteOrderMark,
    ];
    let beside = Beside::new(&deviations).await;
    let client = beside.client();
    client.set("k", vec![0xff, 0]).await.unwrap();
    assert_eq!(client.get::<Vec<u8>>("k").await.unwrap(), Some(vec![0xff, 0]));
    client.set(vec![0xff], "v").await.unwrap();
    assert_eq!(client.get::<String>(vec![0xff]).await.unwrap().as_deref(), Some("v"));
    let results = client.send_transaction(&[Command::new("GET").arg("k")]).await.unwrap();
    assert_eq!(results[0].clone().unwrap(), Value::bulk(vec![0xff, 0]));
    drop(client.subscribe(["c"]).await.unwrap());
    beside.stop().await;
}

#[tokio::test]
async fn what_a_server_writes_in_its_own_way_is_read() {
    let deviations = [ResponseFormatIgnored, Base64Unpadded, ByteOrderMark, LargeIntegersAsStrings];
    let beside = Beside::new(&deviations).await;
    let client = beside.client();
    client.set("k", vec![0xff]).await.unwrap();
    assert_eq!(client.get::<Vec<u8>>("k").await.unwrap(), Some(vec![0xff]));
    assert_eq!(client.incrby("n", i64::MAX).await.unwrap(), i64::MAX);
    beside.stop().await;
}

#[tokio::test]
async fn errors_of_commands_are_told_whatever_their_status() {
    let beside = Beside::new(&[NoPermissionAsForbidden]).await;
    let reader = Client::rest(beside.front.url(), "reader").unwrap();
    let error = reader.set("k", "v").await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("NOPERM")));
    beside.stop().await;

    let beside = Beside::new(&[CommandErrorsAsServerErrors]).await;
    let client = beside.client();
    client.set("k", "v").await.unwrap();
    let error = client.lpush("k", ["v"]).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("WRONGTYPE")));
    beside.stop().await;
}

#[tokio::test]
async fn what_a_server_lacks_is_named() {
    let beside = Beside::new(&[JsonOnly]).await;
    let client = beside.client();
    let error = client.set("k", vec![0xff]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("in the path"), "{error}");
    let error = client.subscribe(["c"]).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("no subscriptions"), "{error}");
    beside.stop().await;
}

#[tokio::test]
async fn base64_alone_is_an_error_where_it_is_ignored() {
    let beside = Beside::new(&[EncodingsIgnored]).await;
    let client = beside.asking_for(Encoding::Base64);
    client.set("k", "abcd").await.unwrap();
    let error = client.get::<String>("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("Encoding::Auto"), "{error}");
    assert_eq!(client.incr("n").await.unwrap(), 1, "numbers are not encoded");
    beside.stop().await;
}

#[tokio::test]
async fn what_a_server_lacks_is_found_out_once_or_declared() {
    let redis = RedisServer::start();
    let lacking = [JsonOnly, NoTransactions];
    let beside = Beside::over(ServerOptions::redis(redis.url()), &lacking).await;
    let transport = RestTransport::new(RestOptions::new(beside.front.url(), "token")).unwrap();
    let client = Client::new(transport.clone());
    assert!(client.capabilities().subscriptions, "nothing is known yet");
    for _ in 0..2 {
        assert!(client.subscribe(["c"]).await.is_err());
        assert!(client.set("k", vec![0xff]).await.is_err());
        assert!(client.monitor().await.is_err());
    }
    assert_eq!(beside.front.requests(), 3, "each is asked for once");
    let capabilities = client.capabilities();
    assert!(!capabilities.subscriptions && capabilities.lua && capabilities.key_locking);

    // All of it at once.
    let transport = RestTransport::new(RestOptions::new(beside.front.url(), "token")).unwrap();
    transport.find_features().await.unwrap();
    for feature in Feature::ALL {
        let lacks = [
            Feature::PathCommands,
            Feature::Subscriptions,
            Feature::Monitor,
            Feature::Transactions,
        ];
        assert_eq!(transport.has(feature), Some(!lacks.contains(&feature)), "{feature}");
    }

    // Nothing is sent for what is declared.
    let before = beside.front.requests();
    let options = RestOptions::new(beside.front.url(), "token");
    let options = Feature::ALL.into_iter().fold(options, |options, it| options.feature(it, false));
    let transport = RestTransport::new(options).unwrap();
    let capabilities = transport.capabilities();
    assert!(!capabilities.subscriptions && !capabilities.lua && !capabilities.key_locking);
    let client = Client::new(transport);
    let script: edgecask::Result<i64> = client.eval("return 1", [""; 0], [""; 0]).await;
    let unsupported = [
        script.map(|_| ()),
        client.set("k", vec![0xff]).await.map(|_| ()),
        client.subscribe(["c"]).await.map(|_| ()),
        client.send_transaction(&[Command::new("PING")]).await.map(|_| ()),
    ];
    for call in unsupported {
        assert_eq!(call.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(beside.front.requests(), before);
    client.set("k", "abcd").await.unwrap();
    assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("abcd"));
    assert_eq!(beside.front.requests() - before, 2, "no format is tried");
    beside.stop().await;
}

#[tokio::test]
async fn a_server_without_scripts_is_told_apart() {
    let options = RestOptions::new("http://127.0.0.1:1", "token").http_client(NoScripts);
    let client = Client::new(RestTransport::new(options).unwrap());
    assert!(client.capabilities().lua);
    let script = Script::new("return 1");
    for kind in [ErrorKind::Server, ErrorKind::Unsupported] {
        let error = client.run_script::<i64>(&script, [""; 0], [""; 0]).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert!(!client.capabilities().lua);
}

/// A server that knows no scripts.
#[derive(Debug)]
struct NoScripts;

impl edgecask::transport::rest::HttpClient for NoScripts {
    fn post(
        &self,
        _: edgecask::transport::rest::HttpRequest,
    ) -> edgecask::platform::BoxFuture<'_, edgecask::Result<edgecask::transport::rest::HttpResponse>>
    {
        let body = r#"{"error":"ERR unknown command 'EVALSHA'"}"#;
        let answer = edgecask::transport::rest::HttpResponse::new(400, |_| None, body);
        Box::pin(async move { Ok(answer) })
    }
}

#[tokio::test]
async fn errors_of_commands_at_500_do_not_open_the_circuit() {
    let beside = Beside::new(&[CommandErrorsAsServerErrors]).await;
    let breaker = CircuitBreaker::new().failures(2);
    let client = beside.client().layer(breaker);
    client.set("k", "v").await.unwrap();
    for _ in 0..10 {
        let error = client.lpush("k", ["v"]).await.unwrap_err();
        assert_eq!(error.code(), Some("WRONGTYPE"), "{error}");
    }
    beside.stop().await;
}

#[tokio::test]
async fn subscriptions_hear_whatever_form_events_have() {
    const CHANNEL: &str = "news:today,*@";
    for deviation in [
        &[EventsEndInOneLineFeed][..],
        &[NoConfirmation],
        &[PathsNotDecoded],
        &[EventsEndInOneLineFeed, NoConfirmation, PathsNotDecoded],
    ] {
        let beside = Beside::new(deviation).await;
        let client = beside.client();
        let mut news = client.subscribe([CHANNEL]).await.unwrap();
        for payload in ["a", "b"] {
            assert_eq!(client.publish(CHANNEL, payload).await.unwrap(), 1, "{deviation:?}");
            assert_eq!(news.message().await.unwrap().payload, payload, "{deviation:?}");
        }
        drop(news);
        beside.stop().await;
    }
    let beside = Beside::new(&[SubscriptionRefusedAsSuccess]).await;
    let error = beside.client().subscribe([CHANNEL]).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert_eq!(error.message(), "ERR subscriptions are turned off here");
    beside.stop().await;
}
