//! The JSON decoder against what a real Redis returns: the same reply by REST and by TCP.

use edgecask::prelude::*;
use edgecask::transport::rest::{Encoding, RestOptions, RestTransport};
use edgecask::{Client, Value};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, runner, seed};
use proptest::prelude::*;
use proptest::test_runner::Config;

/// A reply to be built by a script.
#[derive(Debug, Clone)]
enum Reply {
    Nil,
    Ok,
    Integer(i64),
    Text(Vec<u8>),
    List(Vec<Reply>),
}

fn reply() -> impl Strategy<Value = Reply> {
    // Numbers of a script are floats; larger integers have a test of their own.
    const EXACT: i64 = 1 << 53;
    let text = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        any::<String>().prop_map(String::into_bytes),
        Just(b"OK".to_vec()),
        Just(b"null".to_vec()),
        Just(b"\"\\u0000".to_vec()),
    ];
    let leaf = prop_oneof![
        Just(Reply::Nil),
        Just(Reply::Ok),
        (-EXACT..=EXACT).prop_map(Reply::Integer),
        text.prop_map(Reply::Text),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| prop::collection::vec(inner, 0..8).prop_map(Reply::List))
}

/// The script that returns the reply, whose texts are its arguments.
fn script(reply: &Reply, args: &mut Vec<Vec<u8>>) -> String {
    match reply {
        Reply::Nil => "false".to_owned(),
        Reply::Ok => "redis.status_reply('OK')".to_owned(),
        Reply::Integer(number) => number.to_string(),
        Reply::Text(text) => {
            // As text, so that a batch may carry it: what is hexadecimal here is bytes there.
            args.push(
                text.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes(),
            );
            format!("unhex(ARGV[{}])", args.len())
        }
        Reply::List(items) => {
            let items: Vec<String> = items.iter().map(|item| script(item, args)).collect();
            format!("{{{}}}", items.join(","))
        }
    }
}

fn command(reply: &Reply) -> Command {
    let mut args = Vec::new();
    let body = script(reply, &mut args);
    let unhex = "local function unhex(h) return (h:gsub('..', function(c) return string.char(tonumber(c, 16)) end)) end";
    Command::new("EVAL").arg(format!("{unhex}\nreturn {body}")).arg(0).args_from(args)
}

/// What plain JSON makes of a reply: what is not UTF-8 is replaced, and a status is a string.
fn lossy(value: Value) -> Value {
    match value {
        Value::Simple(bytes) | Value::Bulk(bytes) => {
            Value::bulk(String::from_utf8_lossy(&bytes).into_owned())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(lossy).collect()),
        other => other,
    }
}

#[test]
fn a_reply_by_rest_is_the_reply_by_tcp() {
    let redis = RedisServer::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::start(ServerOptions::redis(redis.url()))).unwrap();
    let (tcp, rest) = (redis.client(), Client::rest(&server.url(), server.token()).unwrap());
    let options = RestOptions::new(server.url(), server.token()).encoding(Encoding::Plain);
    let plain = Client::new(RestTransport::new(options).unwrap());

    let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let result = runner(config, seed()).run(&prop::collection::vec(reply(), 1..4), |replies| {
        runtime.block_on(async {
            let commands: Vec<Command> = replies.iter().map(command).collect();
            let batch = rest.send_pipeline(&commands).await.unwrap();
            for (command, in_batch) in commands.iter().zip(batch) {
                let expected = tcp.send(command).await.unwrap();
                prop_assert_eq!(&rest.send(command).await.unwrap(), &expected);
                prop_assert_eq!(&in_batch.unwrap(), &expected);
                prop_assert_eq!(plain.send(command).await.unwrap(), lossy(expected));
            }
            Ok(())
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    runtime.block_on(server.stop());
}

#[tokio::test]
async fn integers_are_exact_to_the_last_digit() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let client = Client::rest(&server.url(), server.token()).unwrap();
    for number in [i64::MAX, i64::MIN, (1 << 53) + 1, -(1 << 53) - 1, 0] {
        client.del(["n"]).await.unwrap();
        assert_eq!(client.incrby("n", number).await.unwrap(), number);
        assert_eq!(client.get::<i64>("n").await.unwrap(), Some(number));
    }
    client.set("n", u64::MAX).await.unwrap();
    assert_eq!(client.get::<u64>("n").await.unwrap(), Some(u64::MAX));
    server.stop().await;
}

#[tokio::test]
async fn what_was_stored_comes_back_as_it_was() {
    let redis = RedisServer::start();
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let rest = |encoding| {
        let options = RestOptions::new(server.url(), server.token()).encoding(encoding);
        Client::new(RestTransport::new(options).unwrap())
    };
    let encodings = [Encoding::Auto, Encoding::Resp2, Encoding::Base64, Encoding::Plain];
    let clients = encodings.map(rest).into_iter().chain([redis.client(), Client::memory()]);
    for client in clients {
        for text in ["null", "undefined", "", "42", "1e3", "007", "-0", "true", "[1]", "{\"a\":1}"]
        {
            client.set("k", text).await.unwrap();
            let get = [Command::new("GET").arg("k")];
            let alone = client.send(&get[0]).await.unwrap();
            let in_batch = client.send_pipeline(&get).await.unwrap().remove(0).unwrap();
            for reply in [alone, in_batch] {
                assert_eq!(reply, Value::bulk(text), "{client:?}");
            }
            let read = client.get::<String>("k").await.unwrap();
            assert_eq!(read.as_deref(), Some(text), "{client:?}");
        }
        client.del(["k"]).await.unwrap();
        assert_eq!(client.get::<String>("k").await.unwrap(), None);
    }
    server.stop().await;
}
