//! Random histories of a URL, its readers and its writers, against a model of what each of them may see.
//!
//! `EDGECASK_TEST_CASES` sets how many; a failure prints its seed, and `EDGECASK_TEST_SEED` begins with it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Request, Response};
use edgecask::Client;
use edgecask::cache::{Cache, CacheOptions, L1Options};
use edgecask::http_cache::HttpCache;
use edgecask_tests::{cases, fresh_seed};
use futures_util::future::join_all;
use futures_util::stream;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tower::{Layer, ServiceExt, service_fn};

use super::conformance::Clock;
use super::origin::{options, response};

/// How long a version is fresh, and how long it may be served stale.
const FRESH: u64 = 10;
const STALE: u64 = 20;

#[derive(Debug, Clone)]
enum Step {
    Advance(u64),
    /// The application changes; whether by a write that goes through the cache.
    Change {
        written: bool,
    },
    /// The next responses break off, or have no validator, or come in parts.
    Mood {
        broken: bool,
        tagged: bool,
        in_parts: bool,
        bare_304: bool,
    },
    /// Readers at the same time: of which tenant, in how many lines, with which `Cache-Control`, and whether with the
    /// entity tag that the tenant saw last.
    Read(Vec<Reader>),
}

#[derive(Debug, Clone)]
struct Reader {
    tenant: u8,
    two_lines: bool,
    control: Option<&'static str>,
    conditional: bool,
    goes_away: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let control = prop_oneof![
        4 => Just(None),
        1 => Just(Some("No-Cache")),
        1 => Just(Some("max-age=5")),
        1 => Just(Some("no-store")),
    ];
    let reader = (0..3_u8, any::<bool>(), control, any::<bool>(), prop::bool::weighted(0.1))
        .prop_map(|(tenant, two_lines, control, conditional, goes_away)| Reader {
            tenant,
            two_lines,
            control,
            conditional,
            goes_away,
        });
    let mood = (prop::bool::weighted(0.2), any::<bool>(), any::<bool>(), any::<bool>());
    let step = prop_oneof![
        2 => (1..25_u64).prop_map(Step::Advance),
        2 => any::<bool>().prop_map(|written| Step::Change { written }),
        1 => mood.prop_map(|(broken, tagged, in_parts, bare_304)| Step::Mood { broken, tagged, in_parts, bare_304 }),
        6 => prop::collection::vec(reader, 1..6).prop_map(Step::Read),
    ];
    prop::collection::vec(step, 1..25)
}

#[derive(Default)]
struct App {
    version: u64,
    broken: bool,
    tagged: bool,
    in_parts: bool,
    bare_304: bool,
}

type Shared = Arc<Mutex<App>>;

/// What the body of a tenant's version is; its length says whether it is whole.
fn body_of(tenant: &str, version: u64) -> String {
    format!("{tenant} {version} {}", "x".repeat(version as usize % 7 * 100)) + "."
}

fn answer(app: &Shared, request: &Request<Body>) -> Response<Body> {
    let app = app.lock().unwrap();
    if request.method() == "POST" {
        return response(204, &[], "");
    }
    let lines = request.headers().get_all("x-tenant").iter().map(|line| line.to_str().unwrap());
    let tenant = lines.collect::<Vec<_>>().join(", ");
    let tag = format!("\"{tenant}-{}\"", app.version);
    let control = format!("max-age={FRESH}, stale-while-revalidate={STALE}");
    let common = [("cache-control", control.as_str()), ("vary", "Accept"), ("vary", "X-Tenant")];
    let tagged = [&common[..], &[("etag", &*tag)]].concat();
    if app.tagged && request.headers().get("if-none-match").is_some_and(|asked| *asked == *tag) {
        return response(304, if app.bare_304 { &common[..1] } else { &tagged }, "");
    }
    let body = body_of(&tenant, app.version);
    let length = body.len().to_string();
    let mut frames: Vec<std::io::Result<Bytes>> =
        body.as_bytes().chunks(150).map(|part| Ok(Bytes::copy_from_slice(part))).collect();
    if app.broken {
        *frames.last_mut().unwrap() = Err(std::io::Error::other("gone"));
    }
    let in_parts = app.in_parts;
    let frames = stream::unfold(frames.into_iter(), move |mut frames| async move {
        if in_parts {
            tokio::task::yield_now().await;
        }
        frames.next().map(|frame| (frame, frames))
    });
    let mut headers = if app.tagged { tagged } else { common.to_vec() };
    if !app.in_parts {
        headers.push(("content-length", &length));
    }
    response(200, &headers, Body::from_stream(frames))
}

/// What the model knows of a version: until when it was the application's.
struct Model {
    /// When each version was replaced, and whether by a write through the cache.
    replaced: BTreeMap<u64, (u64, bool)>,
}

async fn history(steps: Vec<Step>, near: bool) -> Result<(), TestCaseError> {
    let clock = Clock::new();
    let app: Shared = Arc::default();
    let cache = match near {
        true => CacheOptions::new().l1(L1Options::new()),
        false => CacheOptions::new(),
    };
    let layer = HttpCache::new(Cache::with_options(Client::memory(), cache), clock.on(options()));
    let service = {
        let app = Arc::clone(&app);
        layer.layer(service_fn(move |request: Request<Body>| {
            let app = Arc::clone(&app);
            async move {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(answer(&app, &request))
            }
        }))
    };
    let mut model = Model { replaced: BTreeMap::new() };
    let mut tags: BTreeMap<u8, (String, String)> = BTreeMap::new();
    for step in steps {
        match step {
            Step::Advance(seconds) => clock.advance(seconds),
            Step::Change { written } => {
                let version = {
                    let mut app = app.lock().unwrap();
                    app.version += 1;
                    app.version - 1
                };
                model.replaced.insert(version, (clock.now(), written));
                if written {
                    let write =
                        Request::post("/").header("host", "example.org").body(Body::empty());
                    service.clone().oneshot(write.unwrap()).await.unwrap();
                }
            }
            Step::Mood { broken, tagged, in_parts, bare_304 } => {
                let mut app = app.lock().unwrap();
                (app.broken, app.tagged, app.in_parts, app.bare_304) =
                    (broken, tagged, in_parts, bare_304);
            }
            Step::Read(readers) => {
                let (version, broken) = {
                    let app = app.lock().unwrap();
                    (app.version, app.broken)
                };
                // What each of them has when they ask.
                let before = tags.clone();
                let reads = readers.iter().map(|reader| {
                    let mut request = Request::get("/").header("host", "example.org");
                    request = match reader.two_lines {
                        true => request
                            .header("x-tenant", "t")
                            .header("x-tenant", reader.tenant.to_string()),
                        false => request.header("x-tenant", format!("t, {}", reader.tenant)),
                    };
                    if let Some(control) = reader.control {
                        request = request.header("cache-control", control);
                    }
                    let tag = before.get(&reader.tenant).filter(|_| reader.conditional);
                    if let Some((tag, _)) = tag {
                        request = request.header("if-none-match", tag);
                    }
                    let service = service.clone();
                    let request = request.body(Body::empty()).unwrap();
                    async move {
                        let answer = service.oneshot(request).await.unwrap();
                        let (head, body) = answer.into_parts();
                        if reader.goes_away {
                            return None;
                        }
                        Some((head, to_bytes(Body::new(body), usize::MAX).await))
                    }
                });
                for (reader, read) in readers.iter().zip(join_all(reads).await) {
                    let Some((head, body)) = read else { continue };
                    let told = format!("{reader:?} of version {version}: {head:?}");
                    let Ok(body) = body else {
                        prop_assert!(broken, "{told}: the body breaks off");
                        continue;
                    };
                    let text = match head.status.as_u16() {
                        304 => {
                            let seen = before.get(&reader.tenant).filter(|_| reader.conditional);
                            let Some((_, seen)) = seen else {
                                prop_assert!(false, "{told}: nothing was asked about");
                                continue;
                            };
                            seen.clone()
                        }
                        status => {
                            prop_assert_eq!(status, 200, "{}", told);
                            String::from_utf8(body.to_vec()).unwrap()
                        }
                    };
                    // A tenant's own, and whole.
                    let seen: Vec<&str> = text.split(' ').collect();
                    let number: u64 =
                        seen.get(2).and_then(|number| number.parse().ok()).unwrap_or(u64::MAX);
                    let tenant = format!("t, {}", reader.tenant);
                    prop_assert!(text == body_of(&tenant, number), "{told}: {text}");
                    // No older than its terms allow, and never from before a write that had returned.
                    if let Some((replaced, written)) = model.replaced.get(&number) {
                        let limit = match reader.control {
                            Some("No-Cache") => 0,
                            Some("max-age=5") => 5,
                            _ => FRESH + STALE,
                        };
                        prop_assert!(!written, "{told}: from before a write");
                        prop_assert!(
                            clock.now() - replaced <= limit,
                            "{told}: version {number} is too old"
                        );
                        prop_assert!(limit > 0, "{told}: version {number} was not validated");
                    }
                    if let Some(tag) = head.headers.get("etag").filter(|_| head.status == 200) {
                        tags.insert(reader.tenant, (tag.to_str().unwrap().to_owned(), text));
                    }
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_reader_sees_what_is_not_for_it() {
    let (cases, seed) = (cases(60) as u32, fresh_seed());
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = TestRunner::new_with_rng(config, rng)
        .run(&(steps(), any::<bool>()), |(steps, near)| runtime.block_on(history(steps, near)));
    if let Err(error) = run {
        panic!("EDGECASK_TEST_SEED={seed}: {error}");
    }
}
