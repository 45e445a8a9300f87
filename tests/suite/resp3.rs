//! The types of RESP3, as a real server sends each of them.

use std::collections::{BTreeMap, BTreeSet};

use edgecask::prelude::*;
use edgecask::transport::Transport;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{FromValue, Value};
use edgecask_tests::RedisServer;

/// What `DEBUG PROTOCOL double` answers.
#[allow(clippy::approx_constant)]
const DOUBLE: f64 = 3.141;

fn protocol(name: &str) -> Command {
    cmd("DEBUG").arg("PROTOCOL").arg(name)
}

#[tokio::test]
async fn replies_keep_their_types_and_read_as_in_resp2() {
    let redis = RedisServer::with(["--enable-debug-command", "yes"]);
    // Transports, since a client does not send DEBUG.
    let [resp2, resp3] = [false, true]
        .map(|resp3| TcpTransport::new(TcpOptions::new(redis.url()).resp3(resp3)).unwrap());

    let numbers = || [0, 1, 2].map(Value::Integer).to_vec();
    let pairs = numbers().into_iter().zip([false, true, false].map(Value::Boolean)).collect();
    let big = "1234567999999999999999999999999999999";
    let text = "This is a verbatim\nstring";
    let expected = [
        ("null", Value::Nil),
        ("double", Value::Double(DOUBLE)),
        ("true", Value::Boolean(true)),
        ("false", Value::Boolean(false)),
        ("array", Value::Array(numbers())),
        ("set", Value::Set(numbers())),
        ("map", Value::Map(pairs)),
        ("bignum", Value::BigNumber(big.into())),
        ("verbatim", Value::Verbatim { format: *b"txt", text: text.into() }),
        ("attrib", Value::bulk("Some real reply following the attribute")),
        ("integer", Value::Integer(12345)),
        ("string", Value::bulk("Hello World")),
    ];
    for (name, value) in expected {
        assert_eq!(resp3.send(&protocol(name)).await.unwrap(), value, "{name}");
        // What RESP2 sends is `into_resp2` of it, but for the names that the protocol gives to nothing.
        assert_eq!(resp2.send(&protocol(name)).await.unwrap(), value.into_resp2(), "{name}");
    }

    async fn same<T: FromValue + PartialEq + std::fmt::Debug>(
        transports: [&TcpTransport; 2],
        name: &str,
        expected: T,
    ) {
        for transport in transports {
            let reply = transport.send(&protocol(name)).await.unwrap();
            assert_eq!(T::from_value(reply).unwrap(), expected, "{name}");
        }
    }
    let both = [&resp2, &resp3];
    same(both, "double", DOUBLE).await;
    same(both, "double", DOUBLE as f32).await;
    same(both, "double", "3.141".to_owned()).await;
    same(both, "true", true).await;
    same(both, "false", 0_u8).await;
    same(both, "set", BTreeSet::from([0_u8, 1, 2])).await;
    same(both, "map", BTreeMap::from([(0, false), (1, true), (2, false)])).await;
    same(both, "map", vec![(0, 0), (1, 1), (2, 0)]).await;
    same(both, "bignum", 1_234_567_999_999_999_999_999_999_999_999_999_999_u128).await;
    same(both, "verbatim", text.to_owned()).await;
    for transport in both {
        for name in ["bignum", "double"] {
            assert!(i64::from_value(transport.send(&protocol(name)).await.unwrap()).is_err());
        }
    }
}

/// Commands whose replies RESP3 gives other types.
#[tokio::test]
async fn typed_commands_read_both_protocols() {
    let redis = RedisServer::start();
    let transport = TcpTransport::new(TcpOptions::new(redis.url()).resp3(true)).unwrap();
    for client in [redis.client(), Client::new(transport)] {
        client.flushall().await.unwrap();
        client.zadd("z", [(1.5, "a"), (f64::INFINITY, "b")]).await.unwrap();
        assert_eq!(client.zscore("z", "a").await.unwrap(), Some(1.5));
        assert_eq!(client.zmscore("z", ["b", "x"]).await.unwrap(), [Some(f64::INFINITY), None]);
        assert_eq!(client.zincrby("z", 0.25, "a").await.unwrap(), 1.75);
        assert_eq!(client.zpopmin::<String>("z", 1).await.unwrap(), [("a".to_owned(), 1.75)]);
        client.hset("h", [("f", "v")]).await.unwrap();
        let fields: BTreeMap<String, String> =
            client.hgetall("h").await.unwrap().into_iter().collect();
        assert_eq!(fields, BTreeMap::from([("f".to_owned(), "v".to_owned())]));
        client.sadd("s", ["m"]).await.unwrap();
        let members: Vec<String> =
            client.smembers::<String>("s").await.unwrap().into_iter().collect();
        assert_eq!(members, ["m"]);
        let settings = client.config_get("maxmemory").await.unwrap();
        assert_eq!(settings["maxmemory"], "0");
        let info: String = client.execute(cmd("INFO").arg("server")).await.unwrap();
        assert!(info.starts_with("# Server"));
        let clients: String = client.execute(cmd("CLIENT").arg("LIST")).await.unwrap();
        assert!(clients.contains("cmd=client"));
    }
}
