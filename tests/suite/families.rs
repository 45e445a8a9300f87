//! The families of commands that the embedded engine does not run, on real servers, by TCP and by REST.

use std::collections::BTreeMap;
use std::time::Duration;

use edgecask::command::bitmaps::{BitField, BitOffset, BitOp, BitRange, IntType, Overflow};
use edgecask::command::geo::{GeoPoint, GeoSearch, GeoUnit};
use edgecask::command::hashes::{FieldExpiry, HSetExOptions};
use edgecask::command::json::{JsonFormat, SetIf};
use edgecask::command::keys::{ExpireIf, ExpireTime, Lifetime, RestoreOptions, SortOptions};
use edgecask::command::lists::End;
use edgecask::command::streams::{DeletePolicy, Trim, XAddOptions, XClaimOptions, XReadOptions};
use edgecask::command::strings::{Expiry, GetEx};
use edgecask::prelude::*;
use edgecask::{Json, Value};
use edgecask_server::{Server, ServerOptions};
use edgecask_tests::{RedisServer, until};
use serde_json::json;

/// Runs a test by TCP in both protocols, and by REST.
async fn everywhere(redis: &RedisServer, test: impl AsyncFn(Client)) {
    use edgecask::transport::tcp::{TcpOptions, TcpTransport};
    let server = Server::start(ServerOptions::redis(redis.url())).await.unwrap();
    let resp3 = TcpTransport::new(TcpOptions::new(redis.url()).resp3(true)).unwrap();
    let rest = Client::rest(&server.url(), server.token()).unwrap();
    for client in [redis.client(), Client::new(resp3), rest] {
        client.flushall().await.unwrap();
        test(client).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn streams() {
    let redis = RedisServer::start();
    everywhere(&redis, async |client| {
        let first = client.xadd("s", [("a", "1"), ("b", "2")]).await.unwrap();
        let trimmed =
            XAddOptions::new().id("9999999999999-1").trim(Trim::max_len(1000).approximately());
        let second = client.xadd_with("s", &trimmed, [("a", "3")]).await.unwrap();
        assert_eq!(second.as_deref(), Some("9999999999999-1"));
        let absent =
            client.xadd_with("absent", &XAddOptions::new().no_mkstream(), [("a", "b")]).await;
        assert_eq!(absent.unwrap(), None);
        assert_eq!(client.xlen("s").await.unwrap(), 2);
        let entries = client.xrange::<u64>("s", "-", "+", None).await.unwrap();
        assert_eq!((entries[0].id.as_str(), entries[0].get("b")), (first.as_str(), Some(&2)));
        let last = client.xrevrange::<u64>("s", "+", "-", Some(1)).await.unwrap();
        assert_eq!(last[0].fields, [("a".to_owned(), 3)]);

        let options = XReadOptions::new().count(1);
        let read = client.xread::<String>(&options, [("s", "0"), ("absent", "0")]).await.unwrap();
        assert_eq!(
            (read.len(), read[0].0.as_str(), read[0].1[0].id.as_str()),
            (1, "s", first.as_str())
        );
        assert!(client.xread::<String>(&options, [("s", "$")]).await.unwrap().is_empty());

        client.xgroup_create("s", "g", "0", false).await.unwrap();
        assert_eq!(
            client.xgroup_create("s", "g", "0", false).await.unwrap_err().code(),
            Some("BUSYGROUP")
        );
        assert!(client.xgroup_createconsumer("s", "g", "idle").await.unwrap());
        let all = XReadOptions::new();
        let got = client.xreadgroup::<String>("g", "one", &all, [("s", ">")]).await.unwrap();
        assert_eq!(got[0].1.len(), 2);
        assert!(
            client.xreadgroup::<String>("g", "one", &all, [("s", ">")]).await.unwrap().is_empty()
        );
        let summary = client.xpending("s", "g").await.unwrap();
        assert_eq!((summary.count, summary.consumers), (2, vec![("one".to_owned(), 2)]));
        let pending = client.xpending_range("s", "g", "-", "+", 10, Some("one")).await.unwrap();
        assert_eq!((pending[0].id.as_str(), pending[0].deliveries), (first.as_str(), 1));

        let claimed = client
            .xclaim::<String>(
                "s",
                "g",
                "two",
                Duration::ZERO,
                [&first],
                XClaimOptions::new().retry_count(7),
            )
            .await
            .unwrap();
        assert_eq!(claimed[0].get("a").map(String::as_str), Some("1"));
        let ids = client
            .xclaim_justid("s", "g", "two", Duration::ZERO, [&first], XClaimOptions::new())
            .await;
        assert_eq!(ids.unwrap(), [first.as_str()]);
        let auto = client
            .xautoclaim::<String>("s", "g", "three", Duration::ZERO, "0", Some(1))
            .await
            .unwrap();
        assert_eq!(
            (auto.claimed[0].id.as_str(), auto.cursor.as_str()),
            (first.as_str(), "9999999999999-1")
        );
        let auto =
            client.xautoclaim_justid("s", "g", "three", Duration::ZERO, "0", None).await.unwrap();
        assert_eq!((auto.claimed.len(), auto.cursor.as_str()), (2, "0-0"));

        assert_eq!(client.xack("s", "g", [&first]).await.unwrap(), 1);
        assert_eq!(client.xgroup_delconsumer("s", "g", "three").await.unwrap(), 1);
        client.xgroup_setid("s", "g", "$").await.unwrap();
        assert_eq!(client.xpending("s", "g").await.unwrap().count, 0);
        let info = client.xinfo_stream("s").await.unwrap();
        assert_eq!(info["length"], Value::Integer(2));
        assert_eq!(client.xinfo_groups("s").await.unwrap().len(), 1);
        assert!(!client.xinfo_consumers("s", "g").await.unwrap().is_empty());
        assert!(client.xgroup_destroy("s", "g").await.unwrap());
        assert_eq!(client.xdel("s", [&first]).await.unwrap(), 1);
        assert_eq!(client.xtrim("s", &Trim::min_id("9999999999999-2")).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn places() {
    let redis = RedisServer::start();
    everywhere(&redis, async |client| {
        let [north, south] =
            [GeoPoint::new(13.361_389, 38.115_556), GeoPoint::new(15.087_269, 37.502_669)];
        assert_eq!(client.geoadd("g", [(north, "Palermo"), (south, "Catania")]).await.unwrap(), 2);
        let apart = client.geodist("g", "Palermo", "Catania", GeoUnit::Kilometres).await.unwrap();
        assert!((apart.unwrap() - 166.2742).abs() < 0.001);
        assert_eq!(client.geodist("g", "Palermo", "absent", GeoUnit::Feet).await.unwrap(), None);
        assert_eq!(
            client.geohash("g", ["Palermo", "absent"]).await.unwrap(),
            [Some("sqc8b49rny0".to_owned()), None]
        );
        let places = client.geopos("g", ["Palermo", "absent"]).await.unwrap();
        assert!(
            (places[0].unwrap().longitude - north.longitude).abs() < 0.0001 && places[1].is_none()
        );
        let center = GeoPoint::new(15.0, 37.0);
        let search = GeoSearch::around(center).radius(200.0, GeoUnit::Kilometres).asc();
        assert_eq!(client.geosearch::<String>("g", &search).await.unwrap(), ["Catania", "Palermo"]);
        let nearest =
            client.geosearch_with::<String>("g", &search.clone().nearest(1)).await.unwrap();
        assert_eq!((nearest.len(), nearest[0].member.as_str()), (1, "Catania"));
        assert!((nearest[0].distance - 56.4413).abs() < 0.001);
        let by_box =
            GeoSearch::around_member("Palermo").rectangle(10.0, 10.0, GeoUnit::Miles).desc().any(5);
        assert_eq!(client.geosearch::<String>("g", &by_box).await.unwrap(), ["Palermo"]);
        assert_eq!(client.geosearchstore("near", "g", &search, true).await.unwrap(), 2);
        for found in [
            client.georadius::<String>("g", center, 100.0, GeoUnit::Kilometres).await,
            client.georadius_ro("g", center, 100.0, GeoUnit::Kilometres).await,
            client.georadiusbymember("g", "Catania", 100.0, GeoUnit::Kilometres).await,
            client.georadiusbymember_ro("g", "Catania", 100.0, GeoUnit::Kilometres).await,
        ] {
            assert_eq!(found.unwrap(), ["Catania"]);
        }
    })
    .await;
}

#[tokio::test]
async fn bits_and_counts() {
    let redis = RedisServer::start();
    everywhere(&redis, async |client| {
        assert!(!client.setbit("b", 7, true).await.unwrap());
        assert!(client.getbit("b", 7).await.unwrap());
        client.set("a", "foobar").await.unwrap();
        assert_eq!(client.bitcount("a").await.unwrap(), 26);
        assert_eq!(client.bitcount_range("a", BitRange::Bytes(1, 1)).await.unwrap(), 6);
        assert_eq!(client.bitcount_range("a", BitRange::Bits(5, 30)).await.unwrap(), 17);
        assert_eq!(client.bitpos("a", true).await.unwrap(), 1);
        assert_eq!(client.bitpos_range("a", false, BitRange::Bytes(0, 0)).await.unwrap(), 0);
        assert_eq!(client.bitop(BitOp::And, "d", ["a", "b"]).await.unwrap(), 6);
        assert_eq!(client.bitop(BitOp::Not, "d", ["a"]).await.unwrap(), 6);
        let (kind, at) = (IntType::Unsigned(8), BitOffset::Index(2));
        let steps = BitField::new()
            .set(kind, at, 250)
            .overflow(Overflow::Fail)
            .incrby(kind, at, 10)
            .get(kind, at);
        assert_eq!(client.bitfield("f", &steps).await.unwrap(), [Some(0), None, Some(250)]);
        let read = BitField::new().get(IntType::Signed(4), BitOffset::Bit(16));
        assert_eq!(client.bitfield_ro("f", &read).await.unwrap(), [Some(-1)]);

        assert!(client.pfadd("h", ["a", "b", "a"]).await.unwrap());
        assert!(!client.pfadd("h", ["a"]).await.unwrap());
        client.pfadd("i", ["c"]).await.unwrap();
        assert_eq!(client.pfcount(["h", "i"]).await.unwrap(), 3);
        client.pfmerge("all", ["h", "i"]).await.unwrap();
        assert_eq!(client.pfcount(["all"]).await.unwrap(), 3);
    })
    .await;
}

#[tokio::test]
async fn keys_lists_and_the_server() {
    let redis = RedisServer::start();
    everywhere(&redis, async |client| {
        client.rpush("l", ["2", "10", "1"]).await.unwrap();
        let sorted = client.sort::<u64>("l", &SortOptions::new().desc().limit(0, 2)).await;
        assert_eq!(sorted.unwrap(), [10, 2]);
        assert_eq!(
            client.sort_ro::<String>("l", &SortOptions::new().alpha()).await.unwrap(),
            ["1", "10", "2"]
        );
        assert_eq!(
            client
                .sort_store("l", &SortOptions::new().by("nosort").get("#"), "sorted")
                .await
                .unwrap(),
            3
        );

        let dump = client.dump("l").await.unwrap().unwrap();
        assert_eq!(client.dump("absent").await.unwrap(), None);
        let restored =
            client.restore("copy", &dump, RestoreOptions::new().ttl(Duration::from_secs(60))).await;
        restored.unwrap();
        assert!(matches!(client.ttl("copy").await.unwrap(), Lifetime::Expires(left) if left.as_secs() > 58));
        let again = client.restore("copy", &dump, RestoreOptions::new()).await;
        assert_eq!(again.unwrap_err().code(), Some("BUSYKEY"));
        client.restore("copy", &dump, RestoreOptions::new().replace()).await.unwrap();
        assert_eq!(client.lrange::<String>("copy", 0, -1).await.unwrap(), ["2", "10", "1"]);

        assert!(client.object_encoding("l").await.unwrap().is_some());
        assert_eq!(client.object_refcount("l").await.unwrap(), Some(1));
        let idle = client.object_idletime("l").await.unwrap().unwrap();
        assert!(idle < Duration::from_secs(60));
        assert!(client.object_freq("l").await.is_err());
        assert!(client.memory_usage("l").await.unwrap().unwrap() > 0);
        client.set("x", "ohmytext").await.unwrap();
        client.set("y", "mynewtext").await.unwrap();
        assert_eq!(client.lcs::<String>("x", "y").await.unwrap(), "mytext");

        client.zadd("z", [(1.0, "a"), (2.0, "b"), (3.0, "c")]).await.unwrap();
        assert_eq!(client.zrangebyscore::<String>("z", 2.0..).await.unwrap(), ["b", "c"]);
        assert_eq!(client.zrevrangebyscore::<String>("z", ..=2.0).await.unwrap(), ["b", "a"]);
        assert_eq!(client.zrevrange::<String>("z", 0, 0).await.unwrap(), ["c"]);
        client.zadd("same", [(0.0, "a"), (0.0, "b")]).await.unwrap();
        assert_eq!(client.zrangebylex::<String, &str>("same", "b"..).await.unwrap(), ["b"]);
        assert_eq!(client.zrevrangebylex::<String, &str>("same", ..).await.unwrap(), ["b", "a"]);

        assert_eq!(client.acl_whoami().await.unwrap(), "default");
        client.acl_setuser("ada", ["on", ">secret", "~ada:*", "+get"]).await.unwrap();
        assert!(client.acl_users().await.unwrap().contains(&"ada".to_owned()));
        assert!(client.acl_getuser("ada").await.unwrap().unwrap().contains_key("flags"));
        assert_eq!(client.acl_getuser("bob").await.unwrap(), None);
        assert_eq!(client.acl_list().await.unwrap().len(), 2);
        assert!(client.acl_cat().await.unwrap().contains(&"read".to_owned()));
        assert_eq!(client.acl_genpass().await.unwrap().len(), 64);
        assert_eq!(client.acl_deluser(["ada", "bob"]).await.unwrap(), 1);
        client.config_set("maxmemory-samples", "6").await.unwrap();
        let settings = client.config_get("maxmemory-samples").await.unwrap();
        assert_eq!(settings, BTreeMap::from([("maxmemory-samples".to_owned(), "6".to_owned())]));
        client.config_resetstat().await.unwrap();
        assert!(client.command_count().await.unwrap() > 100);
        assert!(client.command_info(["get", "nosuch"]).await.unwrap()[1].is_none());
        assert!(client.info("server").await.unwrap().contains("redis_version"));
    })
    .await;
}

#[tokio::test]
async fn functions() {
    let redis = RedisServer::start();
    everywhere(&redis, async |client| {
        let code = "#!lua name=mylib\nredis.register_function{function_name='twice', callback=function(keys, args) \
                    return args[1] * 2 end, flags={'no-writes'}}";
        assert_eq!(client.function_load(code, false).await.unwrap(), "mylib");
        assert!(client.function_load(code, false).await.is_err());
        client.function_load(code, true).await.unwrap();
        assert_eq!(client.fcall::<i64>("twice", [""; 0], [21]).await.unwrap(), 42);
        assert_eq!(client.fcall_ro::<i64>("twice", ["k"], [21]).await.unwrap(), 42);
        let libraries = client.function_list("my*", true).await.unwrap();
        assert_eq!(libraries[0]["library_name"], Value::bulk("mylib"));
        assert!(client.function_stats().await.unwrap().contains_key("engines"));
        assert_eq!(client.function_kill().await.unwrap_err().code(), Some("NOTBUSY"));
        assert_eq!(client.script_kill().await.unwrap_err().code(), Some("NOTBUSY"));
        let dump = client.function_dump().await.unwrap();
        client.function_delete("mylib").await.unwrap();
        client.function_restore(&dump).await.unwrap();
        assert_eq!(client.function_list("*", false).await.unwrap().len(), 1);
        client.function_flush().await.unwrap();
        assert!(client.function_list("*", false).await.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn commands_that_wait_have_a_connection_of_their_own() {
    let redis = RedisServer::start();
    let client = redis.client();
    let waiting = tokio::spawn(client.blpop::<String>(["a", "b"], None));
    let until = async |count: u64| {
        let blocked = format!("blocked_clients:{count}\r\n");
        until(async || client.info("clients").await.unwrap().contains(&blocked)).await;
    };
    until(1).await;
    client.rpush("b", ["x"]).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Some(("b".to_owned(), "x".to_owned())));

    let dropped = tokio::spawn(client.brpop::<String>(["a"], None));
    until(1).await;
    dropped.abort();
    until(0).await;
    client.rpush("a", ["1"]).await.unwrap();
    assert_eq!(client.llen("a").await.unwrap(), 1, "nobody took it");

    assert_eq!(client.brpop::<String>(["absent"], Duration::ZERO).await.unwrap(), None);
    assert_eq!(
        client
            .blmove::<u16>("a", "c", End::Left, End::Right, Duration::from_secs(1))
            .await
            .unwrap(),
        Some(1)
    );
    client.zadd("z", [(1.5, "m")]).await.unwrap();
    let popped = client.bzpopmin::<String>(["z"], Duration::from_secs(1)).await.unwrap();
    assert_eq!(popped, Some(("z".to_owned(), "m".to_owned(), 1.5)));
    assert_eq!(client.bzpopmax::<String>(["z"], Duration::from_millis(10)).await.unwrap(), None);
    let options = XReadOptions::new().block(Duration::from_millis(10));
    assert!(client.xread::<String>(&options, [("s", "$")]).await.unwrap().is_empty());

    let pipeline = client.pipeline();
    drop(pipeline.blpop::<String>(["a"], None));
    assert_eq!(pipeline.exec().await.unwrap_err().kind(), edgecask::ErrorKind::Unsupported);
}

#[tokio::test]
async fn fields_that_expire() {
    let Some(redis) = RedisServer::redis8() else { return };
    everywhere(&redis, async |client| {
        client.hset("h", [("a", "1"), ("b", "2"), ("c", "3")]).await.unwrap();
        let set = client.hexpire("h", Duration::from_secs(100), ExpireIf::Always, ["a", "absent"]).await.unwrap();
        assert_eq!(set, [FieldExpiry::Changed, FieldExpiry::Missing]);
        let not = client.hexpire("h", Duration::from_millis(100_500), ExpireIf::Persistent, ["a"]).await.unwrap();
        assert_eq!(not, [FieldExpiry::NotChanged]);
        let ttl = client.httl("h", ["a", "b", "absent"]).await.unwrap();
        assert!(matches!(ttl[0], Lifetime::Expires(left) if left.as_secs() > 90));
        assert_eq!(ttl[1..], [Lifetime::Persistent, Lifetime::Missing]);
        assert!(matches!(client.hpttl("h", ["a"]).await.unwrap()[0], Lifetime::Expires(left) if left.as_secs() > 90));
        assert!(matches!(client.hexpiretime("h", ["a"]).await.unwrap()[0], ExpireTime::At(_)));
        assert!(matches!(client.hpexpiretime("h", ["a"]).await.unwrap()[0], ExpireTime::At(_)));
        let gone = client.hexpireat("h", 1, ExpireIf::Always, ["c"]).await.unwrap();
        assert_eq!(gone, [FieldExpiry::Deleted]);
        let later =
            client.hpexpireat("h", 4_000_000_000_000, ExpireIf::Later, ["a"]).await.unwrap();
        assert_eq!(later, [FieldExpiry::Changed]);
        let persisted = client.hpersist("h", ["a", "b", "c"]).await.unwrap();
        assert_eq!(
            persisted,
            [FieldExpiry::Changed, FieldExpiry::Persistent, FieldExpiry::Missing]
        );

        let options = HSetExOptions::new().expiry(Expiry::Ex(Duration::from_secs(50))).fnx();
        assert!(client.hsetex("h", options, [("d", "4")]).await.unwrap());
        assert!(!client.hsetex("h", options, [("d", "5")]).await.unwrap());
        assert!(
            client.hsetex("h", HSetExOptions::new().keep_ttl().fxx(), [("d", "5")]).await.unwrap()
        );
        let read = client.hgetex::<u64>("h", GetEx::Persist, ["d", "absent"]).await.unwrap();
        assert_eq!(read, [Some(5), None]);
        assert_eq!(client.httl("h", ["d"]).await.unwrap(), [Lifetime::Persistent]);
        assert_eq!(client.hgetdel::<u64>("h", ["d", "absent"]).await.unwrap(), [Some(5), None]);
        assert_eq!(client.hrandfields_withvalues::<u64>("h", 10).await.unwrap().0.len(), 2);
    })
    .await;
}

#[tokio::test]
async fn documents() {
    let Some(redis) = RedisServer::redis8() else { return };
    everywhere(&redis, document_commands).await;
}

#[tokio::test]
async fn documents_in_the_embedded_engine() {
    document_commands(Client::memory()).await;
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    document_commands(Client::rest(&server.url(), server.token()).unwrap()).await;
    server.stop().await;
}

async fn document_commands(client: Client) {
    let document = json!({"n": 1, "a": [1, 2], "s": "x", "t": true, "o": {"k": null}});
    client.json_set("j", "$", &document).await.unwrap();
    assert!(!client.json_set_if("j", "$", json!(1), SetIf::Absent).await.unwrap());
    assert!(client.json_set_if("j", "$.new", json!(1), SetIf::Absent).await.unwrap());
    let one: Option<Json<Vec<u64>>> = client.json_get("j", ["$.n"]).await.unwrap();
    assert_eq!(one, Some(Json(vec![1])));
    assert_eq!(client.json_get::<String>("absent", ["$"]).await.unwrap(), None);
    let format = JsonFormat::new().indent(" ").newline("\n").space(" ");
    let text: Option<String> = client.json_get_formatted("j", &format, ["$.o"]).await.unwrap();
    assert!(text.unwrap().contains('\n'));
    assert_eq!(client.json_arrappend("j", "$.a", [json!(3), json!("x")]).await.unwrap(), [Some(4)]);
    assert_eq!(client.json_arrindex("j", "$.a", json!(3)).await.unwrap(), [Some(2)]);
    assert_eq!(client.json_arrindex_range("j", "$.a", json!(3), 0, 2).await.unwrap(), [Some(-1)]);
    assert_eq!(client.json_arrinsert("j", "$.a", 0, [json!(0)]).await.unwrap(), [Some(5)]);
    assert_eq!(client.json_arrlen("j", "$.*").await.unwrap().iter().flatten().count(), 1);
    let popped: Vec<Option<Json<String>>> = client.json_arrpop("j", "$.a", -1).await.unwrap();
    assert_eq!(popped, [Some(Json("x".to_owned()))]);
    assert_eq!(client.json_arrtrim("j", "$.a", 0, 1).await.unwrap(), [Some(2)]);
    let sum = client.json_numincrby::<f64>("j", "$.n", 1.5).await.unwrap();
    assert_eq!(sum, [Some(2.5)]);
    let product = client.json_nummultby::<f64>("j", "$.*", 2).await.unwrap();
    assert!(product.contains(&Some(5.0)) && product.contains(&None));
    assert_eq!(client.json_strappend("j", "$.s", json!("yz")).await.unwrap(), [Some(3)]);
    assert_eq!(client.json_strlen("j", "$.s").await.unwrap(), [Some(3)]);
    assert_eq!(client.json_toggle("j", "$.t").await.unwrap(), [Some(false)]);
    assert_eq!(client.json_type("j", "$.s").await.unwrap(), [Some("string".to_owned())]);
    assert_eq!(client.json_objkeys("j", "$.o").await.unwrap(), [Some(vec!["k".to_owned()])]);
    assert_eq!(client.json_objlen("j", "$.o").await.unwrap(), [Some(1)]);
    assert!(matches!(client.json_resp("j", "$.o").await.unwrap(), Value::Array(_)));
    assert!(client.json_debug_memory("j", "$").await.unwrap()[0].unwrap() > 0);
    client.json_merge("j", "$", json!({"s": null, "m": 1})).await.unwrap();
    client.json_mset([("j", "$.m", json!(2)), ("k", "$", json!({"m": 3}))]).await.unwrap();
    let many: Vec<Option<Json<Vec<u64>>>> =
        client.json_mget(["j", "k", "absent"], "$.m").await.unwrap();
    assert_eq!(many, [Some(Json(vec![2])), Some(Json(vec![3])), None]);
    assert_eq!(client.json_clear("j", "$.a").await.unwrap(), 1);
    assert_eq!(client.json_del("j", "$.a").await.unwrap(), 1);
    assert_eq!(client.json_forget("j", "$").await.unwrap(), 1);
}

#[tokio::test]
async fn entries_deleted_with_their_references() {
    // Servers of the tests are older than these commands: what matters is that their words arrive in place.
    let redis = RedisServer::start();
    let client = redis.client();
    for result in [
        client.xdelex("s", DeletePolicy::Acked, ["1-1"]).await,
        client.xackdel("s", "g", DeletePolicy::DelRef, ["1-1"]).await,
    ] {
        assert!(result.unwrap_err().message().contains("unknown command"));
    }
}
