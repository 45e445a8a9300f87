use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use edgecask::prelude::*;
use edgecask::{ErrorKind, Pairs};

use crate::Scope;

pub(crate) async fn a_type_reads_the_same_whatever_the_protocol(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("z"));
    client.zadd(&key, [(0.1, "a"), (3.0, "b")]).await.unwrap();
    let score = |member: &'static str| cmd("ZSCORE").arg(&key).arg(member);
    assert_eq!(client.execute::<f32>(score("a")).await.unwrap(), 0.1);
    assert_eq!(client.execute::<u8>(score("b")).await.unwrap(), 3);
    assert_eq!(client.execute::<String>(score("b")).await.unwrap(), "3");
    assert_eq!(client.execute::<Option<f64>>(score("absent")).await.unwrap(), None);
    let error = client.execute::<i64>(score("a")).await.unwrap_err();
    assert_eq!((error.kind(), error.command()), (ErrorKind::Type, Some(&*format!("ZSCORE {key}"))));
    let scores = || cmd("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES");
    let expected = [("a".to_owned(), 0.1), ("b".to_owned(), 3.0)];
    assert_eq!(client.execute::<Vec<(String, f64)>>(scores()).await.unwrap(), expected);
    assert_eq!(client.execute::<Pairs<String, f64>>(scores()).await.unwrap().0, expected);
    assert_eq!(
        client.execute::<HashMap<String, f64>>(scores()).await.unwrap(),
        HashMap::from(expected)
    );

    let key = scope.key("h");
    client.hset(&key, [("f", "1")]).await.unwrap();
    let all = || cmd("HGETALL").arg(&key);
    assert_eq!(
        client.execute::<BTreeMap<char, u8>>(all()).await.unwrap(),
        BTreeMap::from([('f', 1)])
    );
    assert_eq!(client.execute::<Vec<(char, bool)>>(all()).await.unwrap(), [('f', true)]);
    assert_eq!(client.execute::<Vec<String>>(all()).await.unwrap(), ["f", "1"]);

    let key = scope.key("s");
    client.sadd(&key, ["1", "2"]).await.unwrap();
    let members = || cmd("SMEMBERS").arg(&key);
    assert_eq!(client.execute::<BTreeSet<u8>>(members()).await.unwrap(), BTreeSet::from([1, 2]));
    assert_eq!(client.execute::<VecDeque<i8>>(members()).await.unwrap().len(), 2);
    let mut both = client.execute::<[u64; 2]>(members()).await.unwrap();
    both.sort_unstable();
    assert_eq!(both, [1, 2]);
    assert!(client.execute::<[u64; 3]>(members()).await.is_err());
    let is_member = cmd("SISMEMBER").arg(&key).arg(1);
    assert!(client.execute::<bool>(is_member).await.unwrap());
}

pub(crate) async fn arguments_of_every_type_come_back(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    macro_rules! comes_back {
        ($($value:expr => $kind:ty),+ $(,)?) => {$(
            let value: $kind = $value;
            client.set(&key, &value).await.unwrap();
            assert_eq!(client.get::<$kind>(&key).required().await.unwrap(), value);
        )+};
    }
    comes_back! {
        i8::MIN => i8,
        i128::MIN => i128,
        u128::MAX => u128,
        u64::MAX => u64,
        0.1 => f32,
        f64::MIN_POSITIVE => f64,
        f64::INFINITY => f64,
        true => bool,
        false => bool,
        'ß' => char,
        "text".into() => Arc<str>,
        "text".into() => Box<str>,
        b"\0text".to_vec() => Vec<u8>,
    }
    client.set(&key, 255_u16).await.unwrap();
    assert_eq!(client.get::<u8>(&key).await.unwrap(), Some(u8::MAX));
    client.set(&key, 256).await.unwrap();
    assert!(client.get::<u8>(&key).await.is_err());
}

pub(crate) async fn a_value_may_be_required(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    let error = client.get::<String>(&key).required().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.command(), Some(format!("GET {key}").as_str()));
    client.set(&key, "null").await.unwrap();
    assert_eq!(client.get::<String>(&key).required().await.unwrap(), "null");
    // Any other error stays what it is.
    let error = client.hget::<String>(&key, "f").required().await.unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    assert_eq!(client.get::<i64>(&key).required().await.unwrap_err().kind(), ErrorKind::Type);
}
