//! A CDN in front is told how long it may keep a response, by which tags to purge it, and when.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use edgecask::cache::{Cache, CacheOptions, Purge};
use edgecask::http_cache::{Cdn, HttpCacheOptions};
use edgecask::platform::BoxFuture;
use edgecask::{Client, Error, ErrorKind, Result};
use edgecask_tests::RedisServer;

use super::MINUTE;
use super::origin::{Answer, Origin, options, response};

/// A CDN that remembers what it was told to purge.
#[derive(Debug, Clone, Default)]
struct Network {
    purged: Arc<Mutex<Vec<String>>>,
    away: Arc<AtomicBool>,
}

impl Purge for Network {
    fn purge<'a>(&'a self, tags: &'a [String]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            if self.away.load(Ordering::SeqCst) {
                return Err(Error::new(ErrorKind::Http, "the CDN is away"));
            }
            let mut purged = self.purged.lock().unwrap();
            purged.extend(tags.iter().map(|tag| Cdn::tag(tag)));
            Ok(())
        })
    }
}

fn with_cdn(cdn: Cdn) -> HttpCacheOptions {
    let tags = |_: &_| vec!["profiles".to_owned(), "user:ä b".to_owned()];
    // The clock stands still, so that no answer grows older.
    let now = MINUTE * 30_000_000;
    options().ttl(MINUTE).tags(tags).cdn(cdn).clock(move || now)
}

#[tokio::test]
async fn what_is_stored_tells_the_cdn_its_time_and_its_tags() {
    for (cdn, name, tags) in [
        (Cdn::cache_tag(MINUTE), "cache-tag", "http:example.org:/,profiles,user:%C3%A4%20b"),
        (
            Cdn::surrogate_key(MINUTE),
            "surrogate-key",
            "http:example.org:/ profiles user:%C3%A4%20b",
        ),
    ] {
        let origin = Origin::with(with_cdn(cdn), |_, _| response(200, &[], "body"));
        for hit in [false, true] {
            let answer = origin.get(&[]).await;
            assert_eq!(answer.hit(), hit);
            assert_eq!(answer.header(name), tags);
            assert_eq!(answer.header("cdn-cache-control"), "max-age=60");
            let changed = origin.get(&[("if-none-match", &answer.header("etag"))]).await;
            assert_eq!((changed.status.as_u16(), changed.header(name)), (304, tags.to_owned()));
        }
    }
}

#[tokio::test]
async fn what_is_not_for_everybody_is_not_for_the_cdn() {
    let by_user = with_cdn(Cdn::cache_tag(MINUTE))
        .user(|request| Some(request.headers.get("x-user-id")?.to_str().ok()?.to_owned()));
    let origin = Origin::with(by_user, |_, _| response(200, &[], "body"));
    let answer = origin.get(&[("x-user-id", "ada")]).await;
    assert_eq!(answer.header("cdn-cache-control"), "no-store");
    assert_eq!(answer.header("cache-tag"), "");

    for (vary, control) in
        [("accept-language", "no-store"), ("Accept-Encoding", "max-age=60"), ("*", "")]
    {
        let says = move |_: &_, _| response(200, &[("vary", vary)], "body");
        let origin = Origin::with(with_cdn(Cdn::cache_tag(MINUTE)), says);
        assert_eq!(origin.get(&[]).await.header("cdn-cache-control"), control, "{vary}");
    }
    for (name, value) in [("cdn-cache-control", "max-age=5"), ("cache-control", "no-store")] {
        let says = move |_: &_, _| response(200, &[(name, value)], "body");
        let origin = Origin::with(with_cdn(Cdn::cache_tag(MINUTE)), says);
        let answer = origin.get(&[]).await;
        assert_eq!(answer.header(name), value);
        assert_eq!(answer.header("cache-tag"), "");
    }
}

#[tokio::test]
async fn what_is_for_one_client_is_not_for_the_cdn() {
    for cdn in [Cdn::cache_tag(MINUTE), Cdn::surrogate_key(MINUTE)] {
        let origin = Origin::with(with_cdn(cdn), |head, _| {
            match head.headers.get("if-none-match").is_some_and(|tag| tag == "\"v1\"") {
                true => response(304, &[("etag", "\"v1\""), ("set-cookie", "session=1")], ""),
                false => response(200, &[("etag", "\"v1\"")], "body"),
            }
        });
        let of_cdn = |answer: &Answer| {
            let tags = answer.header("cache-tag") + &answer.header("surrogate-key");
            (answer.header("cdn-cache-control"), tags.is_empty())
        };
        for_all(&of_cdn(&origin.get(&[]).await));
        // A cookie came with the 304.
        let reload = ("cache-control", "no-cache");
        for (headers, status) in
            [(vec![reload], 200), (vec![reload, ("if-none-match", "\"v1\"")], 304)]
        {
            let answer = origin.get(&headers).await;
            assert_eq!(
                (answer.status.as_u16(), &*answer.header("set-cookie")),
                (status, "session=1")
            );
            assert_eq!(of_cdn(&answer), ("no-store".to_owned(), true));
            for_all(&of_cdn(&origin.get(&[]).await));
        }
        // An error about a range.
        let answer = origin.get(&[("range", "bytes=9-")]).await;
        assert_eq!((answer.status.as_u16(), of_cdn(&answer)), (416, (String::new(), true)));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
    fn for_all(of_cdn: &(String, bool)) {
        assert_eq!(*of_cdn, ("max-age=60".to_owned(), false));
    }
}

#[tokio::test]
async fn a_write_purges_its_url_and_its_tags() {
    let redis = RedisServer::start();
    for client in [Client::memory(), redis.client()] {
        let network = Network::default();
        let cache = Cache::with_options(client, CacheOptions::new().purge(network.clone()));
        let options = with_cdn(Cdn::cache_tag(MINUTE));
        let options = options.invalidate_tags(|_| vec!["profiles".to_owned()]);
        let origin = Origin::over(cache.clone(), options, |_, _| response(200, &[], "body"));
        let listed = origin.get(&[]).await.header("cache-tag");
        origin.send("POST", "/", &[]).await;
        let purged = std::mem::take(&mut *network.purged.lock().unwrap());
        assert_eq!(purged, ["http:example.org:/", "profiles"]);
        assert!(purged.iter().all(|tag| listed.split(',').any(|other| other == tag)));

        cache.invalidate_tags(["user:ä b"]).await.unwrap();
        assert_eq!(std::mem::take(&mut *network.purged.lock().unwrap()), ["user:%C3%A4%20b"]);

        // Its failure is counted, and not the write's.
        network.away.store(true, Ordering::SeqCst);
        let errors = cache.stats().errors;
        assert!(!cache.invalidate_tags(["profiles"]).await.unwrap().is_owed());
        assert_eq!(cache.stats().errors, errors + 1);
        assert_eq!(origin.send("POST", "/", &[]).await.status.as_u16(), 200);
        assert!(!origin.get(&[]).await.hit());
    }
}
