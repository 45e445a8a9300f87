//! What a server says of a command is shown without the command's arguments, whatever the transport.

use std::time::Duration;

use edgecask::cache::{Cache, EntryOptions, Ttl};
use edgecask::config::Config;
use edgecask::layer::{AutoPipeline, CircuitBreaker, Deadline, Observe, Retry};
use edgecask::prelude::*;
use edgecask::store::{LlmPolicy, Store, StoreConfig, create_llm_policy_store};
use edgecask::transport::rest::{Encoding, RestOptions, RestTransport};
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{BoxError, Client, Error, ErrorKind, Key};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::degradation::Log;

const SECRET: &str = "hunter2secret";
/// Secrets whose words are too short to be told from those of a message.
const SHORT_WORDS: &str = "p(w)1;z2";
const SHORT_LETTERS: &str = "q7,x8,y9";

fn shown(error: &Error) -> String {
    let mut shown = format!("{error} {error:?} {:?}", error.code());
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        shown.push_str(&format!(" {cause} {cause:?}"));
        source = cause.source();
    }
    shown
}

/// Commands whose errors repeat what they were given, by Redis or by a script.
fn talkative() -> Vec<Command> {
    let words = [
        "ACL SETUSER bob <hunter2secret",
        "ACL SETUSER bob %hunter2secret",
        "ACL hunter2secret",
        "CONFIG SET hunter2secret 1",
        "CONFIG SET maxmemory hunter2secret",
        "EXPIRE k 1 hunter2secret",
        "FUNCTION LOAD hunter2secret",
        "FUNCTION LOAD #!hunter2secret",
        "CLIENT KILL hunter2secret 1",
        "OBJECT hunter2secret k",
        "EVAL hunter2secret 0",
        "XADD s hunter2secret f v",
        "SET k v hunter2secret",
    ];
    let mut commands: Vec<Command> = words
        .iter()
        .map(|text| {
            let mut words = text.split(' ');
            Command::new(words.next().unwrap().to_owned()).args_from(words)
        })
        .collect();
    let scripts = [
        "return redis.error_reply(ARGV[1])",
        "return redis.error_reply('ERR it was ' .. ARGV[1] .. '!')",
        "return redis.error_reply('ERR ' .. string.upper(ARGV[1]))",
        "error(ARGV[1])",
        "return redis.call('SET', KEYS[1], 'v', ARGV[1])",
    ];
    for script in scripts {
        commands.push(Command::new("EVAL").arg(script).arg(1).arg("k").arg(SECRET));
    }
    for (secret, script) in [SHORT_WORDS, SHORT_LETTERS].into_iter().zip([scripts[1], scripts[3]]) {
        commands.push(Command::new("EVAL").arg(script).arg(1).arg("k").arg(secret));
        commands.push(Command::new("EXPIRE").arg("k").arg(1).arg(secret));
        commands.push(Command::new("CONFIG").arg("SET").arg(secret).arg(1));
    }
    let load =
        "#!lua name=l\nredis.register_function('f', function() hunter2secret hunter2secret end)";
    commands.push(Command::new("FUNCTION").arg("LOAD").arg(load));
    commands
}

#[tokio::test]
async fn no_transport_repeats_an_argument() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let rest = |encoding| {
        let options = RestOptions::new(server.url(), server.token()).encoding(encoding);
        Client::new(RestTransport::new(options).unwrap())
    };
    let clients = [redis.client(), rest(Encoding::Resp2), rest(Encoding::Base64), Client::memory()];
    for client in clients {
        let mut errors = 0;
        for command in talkative() {
            let alone = client.send(&command).await.err();
            let batch = [Command::new("PING"), command.clone()];
            let in_batch = client.send_pipeline(&batch).await;
            let in_batch = in_batch.map_or_else(Some, |mut items| items.pop()?.err());
            let as_unit = client.send_transaction(&batch).await;
            let as_unit = as_unit.map_or_else(Some, |mut items| items.pop()?.err());
            for error in [alone, in_batch, as_unit].into_iter().flatten() {
                errors += 1;
                let shown = shown(&error).to_lowercase();
                for secret in [SECRET, SHORT_WORDS, SHORT_LETTERS] {
                    assert!(!shown.contains(secret), "{command:?}: {shown}");
                }
            }
        }
        assert!(errors > 20, "{errors}");
    }
    // What Redis says of itself stays.
    let client = rest(Encoding::Base64);
    client.set("k", "a value").await.unwrap();
    let error = client.execute::<()>(Command::new("LPUSH").arg("k").arg("wrong kind")).await;
    let expected = "WRONGTYPE Operation against a key holding the wrong kind of value";
    assert_eq!(error.unwrap_err().message(), expected);
    server.stop().await;
}

/// Answers every request with this.
async fn answering(answer: &'static str) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = vec![0; 64 * 1024];
            let _ = socket.read(&mut request).await.unwrap();
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    let options = RestOptions::new(url, "s3cret-token").encoding(Encoding::Base64);
    Client::new(RestTransport::new(options).unwrap()).layer(Deadline::default())
}

#[tokio::test]
async fn an_error_repeats_neither_token_nor_arguments_nor_values() {
    for (answer, kind) in [
        (
            "HTTP/1.1 400 B\r\n\r\n{\"error\":\"ERR bad token s3cret-token for hunter2secret\"}",
            ErrorKind::Server,
        ),
        (
            "HTTP/1.1 401 U\r\n\r\n{\"error\":\"WRONGPASS s3cret-token hunter2secret\"}",
            ErrorKind::Unauthorized,
        ),
        (
            "HTTP/1.1 429 T\r\n\r\n{\"error\":\"ERR s3cret-token hunter2secret\"}",
            ErrorKind::Throttled,
        ),
        ("HTTP/1.1 500 I\r\n\r\n{\"error\":\"ERR s3cret-token hunter2secret\"}", ErrorKind::Server),
        (
            "HTTP/1.1 404 N\r\n\r\nCannot POST /SET/k/hunter2secret?_token=s3cret-token",
            ErrorKind::Http,
        ),
        ("HTTP/1.1 200 K\r\n\r\nnot JSON: [\"SET\",\"k\",\"hunter2secret\"]", ErrorKind::Protocol),
        ("HTTP/1.1 200 K\r\n\r\n{\"result\":\"hunter2secret\"}", ErrorKind::Protocol),
        ("HTTP/1.1 200 K\r\n\r\n$3\r\nhunter2secret\r\n", ErrorKind::Protocol),
    ] {
        let error = answering(answer).await.set("k", SECRET).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let shown = shown(&error);
        assert!(!shown.contains("s3cret") && !shown.contains(SECRET), "{answer}: {shown}");
    }
}

#[tokio::test]
async fn no_log_line_and_no_debug_output_holds_a_token() {
    const TOKEN: &str = "s3cret-token";
    let log = Log::default();
    let _guard = log.start_at(tracing::Level::TRACE);
    let redis = RedisServer::with(["--requirepass", TOKEN]);
    let server = Server::start(ServerOptions::memory().token(TOKEN)).await.unwrap();
    let address = format!("127.0.0.1:{}", redis.port());
    let by_password = format!("redis://:{TOKEN}@{address}");

    let rest_options = RestOptions::new(server.url(), TOKEN);
    let tcp_options = TcpOptions::new(by_password.as_str());
    let builder = Client::builder().url(server.url()).token(TOKEN);
    let mut shown = format!("{rest_options:?} {tcp_options:?} {builder:?}");
    let rest = RestTransport::new(rest_options).unwrap();
    let tcp = TcpTransport::new(tcp_options).unwrap();
    shown.push_str(&format!("{rest:?} {tcp:?}"));
    let url = server.url();
    let config = Config::from_variables(|name| match name {
        "UPSTASH_REDIS_REST_URL" => Some(url.clone()),
        "UPSTASH_REDIS_REST_TOKEN" => Some(TOKEN.to_owned()),
        _ => None,
    });
    let config = config.unwrap();
    shown.push_str(&format!("{config:?}"));
    let layered = |client: Client| {
        let retry = Retry::new().base(std::time::Duration::from_millis(1));
        let client = client.layer(CircuitBreaker::new()).layer(AutoPipeline::new()).layer(retry);
        client.layer(Observe::new().metrics())
    };
    let clients = [
        layered(Client::new(rest)),
        layered(Client::new(tcp)),
        builder.build().unwrap(),
        Client::open(&by_password).unwrap(),
        config.client().unwrap(),
    ];
    for client in &clients {
        shown.push_str(&format!("{client:?}"));
        client.set("k", SECRET).await.unwrap();
        client.incr("k").await.unwrap_err();
        client.get::<String>("k").await.unwrap();
        let pipeline = client.pipeline();
        shown.push_str(&format!("{:?}", (pipeline.incr("k"), pipeline.get::<String>("k"))));
        pipeline.exec().await.unwrap();
        let transaction = client.transaction();
        drop(transaction.append("k", SECRET));
        transaction.exec().await.unwrap();
        let mut heard = client.subscribe(["c"]).await.unwrap();
        client.publish("c", SECRET).await.unwrap();
        heard.message().await.unwrap();
    }
    // What fails is logged as well.
    let port = server.url().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    server.stop().await;
    drop(redis);
    for client in &clients {
        shown.push_str(&format!("{:?}", client.get::<String>("k").await.unwrap_err()));
    }
    let other = ServerOptions::memory().token("another").port(port);
    let server = Server::start(other).await.unwrap();
    shown.push_str(&format!("{:?}", clients[0].get::<String>("k").await.unwrap_err()));
    server.stop().await;

    let logged = log.text();
    assert!(logged.contains("edgecask"), "nothing was logged: {logged}");
    for text in [shown, logged] {
        assert!(!text.contains("s3cret"), "{text}");
        assert!(!text.contains(SECRET), "{text}");
    }
}

/// The error of a user's own code, whose text nobody but the user knows.
#[derive(Debug)]
struct Foreign(&'static str);

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no rows at postgres://ada:{}@db", self.0)
    }
}

impl std::error::Error for Foreign {}

#[tokio::test]
async fn the_text_of_a_loader_or_backing_store_is_in_its_source_alone() {
    struct Broken;
    impl Store<LlmPolicy> for Broken {
        async fn get(&self, _: &String) -> Result<Option<LlmPolicy>, BoxError> {
            Err(Foreign(SECRET).into())
        }
        async fn set(&self, _: &LlmPolicy) -> Result<(), BoxError> {
            Err(Foreign(SECRET).into())
        }
        async fn delete(&self, _: &String) -> Result<bool, BoxError> {
            Err(Foreign(SECRET).into())
        }
    }
    let log = Log::default();
    let _guard = log.start_at(tracing::Level::TRACE);
    let client = Client::memory();
    let cache = Cache::new(client.clone());
    let key = Key::verbatim("k").unwrap();
    let minute = Duration::from_secs(60);
    let stale = EntryOptions::new(Duration::from_millis(1)).stale_if_error(minute);
    let failing = async || Err::<u64, _>(Foreign(SECRET));
    let many = async |_| Err::<Vec<(Key, u64)>, _>(Foreign(SECRET));
    cache.set(&key, &1, stale.clone()).await.unwrap();
    let policies =
        create_llm_policy_store(StoreConfig::new().backing(Broken).client(client)).unwrap();
    let acme = "acme".to_owned();
    let other = Key::verbatim("other").unwrap();
    let loaders = [
        cache.get_or_load(&other, Ttl::seconds(60), failing).await.unwrap_err(),
        cache
            .get_or_load_many(std::slice::from_ref(&other), Ttl::seconds(60), many)
            .await
            .unwrap_err(),
    ];
    let stores = [
        policies.get(&acme).await.unwrap_err(),
        policies.set(&LlmPolicy::new("acme")).await.unwrap_err(),
        policies.delete(&acme).await.unwrap_err(),
        Error::store(Foreign(SECRET)),
        Error::store(Foreign(SECRET)).into_discarded(),
    ];
    until(async || {
        cache.get_or_load(&key, stale.clone(), failing).await.unwrap();
        cache.stats().stale > 0
    })
    .await;
    let named = [(&loaders[..], "the loader failed"), (&stores[..4], "the backing store failed")];
    for (errors, expected) in named {
        for error in errors {
            assert_eq!((error.kind(), error.message()), (ErrorKind::Store, expected));
            let source = std::error::Error::source(error).unwrap();
            assert!(source.is::<Foreign>() && source.to_string().contains(SECRET), "{source}");
        }
    }
    for error in loaders.iter().chain(&stores) {
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains(SECRET) && !shown.contains("postgres"), "{shown}");
    }
    let logged = log.text();
    assert!(logged.contains("the loader failed"), "nothing was logged: {logged}");
    assert!(!logged.contains(SECRET) && !logged.contains("postgres"), "{logged}");
}
