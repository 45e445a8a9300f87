//! Random histories of a URL, its readers and its writers, against a model of what each of them may see.
//!
//! `EDGECASK_TEST_CASES` sets how many; a failure prints its seed, and `EDGECASK_TEST_SEED` begins with it.

mod app;
mod model;
mod readers;
mod steps;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use edgecask::Client;
use edgecask::cache::{Cache, CacheOptions, L1Options};
use edgecask::http_cache::{HttpCache, HttpCacheOptions};
use edgecask_tests::{cases, runner, seed};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::Config;
use tower::util::BoxCloneService;
use tower::{Layer, ServiceExt, service_fn};

use self::app::App;
use self::model::Model;
use self::steps::{Step, steps};
use super::conformance::Clock;
use super::origin;

/// How long a version is fresh, and how long it may be served stale.
const FRESH: u64 = 10;
const STALE: u64 = 20;

type Service = BoxCloneService<Request<Body>, Response<Body>, Infallible>;

/// The application behind the cache, in one process.
fn process(app: &Arc<Mutex<App>>, cache: &Cache, options: &HttpCacheOptions) -> Service {
    let app = Arc::clone(app);
    let service = service_fn(move |request: Request<Body>| {
        let app = Arc::clone(&app);
        async move {
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(app.lock().unwrap().answer(&request))
        }
    });
    let layer = HttpCache::new(cache.clone(), options.clone());
    BoxCloneService::new(layer.layer(service).map_response(|answer| answer.map(Body::new)))
}

async fn history(steps: Vec<Step>, near: bool) -> Result<(), TestCaseError> {
    // A first tier of another process learns of a write a moment later, so there is one process then.
    let (cache_options, processes) = match near {
        true => (CacheOptions::new().l1(L1Options::new()), 1),
        false => (CacheOptions::new(), 2),
    };
    let clock = Clock::new();
    // So long that a request which waits for nothing never ends.
    let options = clock
        .on(origin::options())
        .collapse_wait(Duration::from_secs(3600))
        .user(|head| Some(head.headers.get("x-user")?.to_str().ok()?.to_owned()));
    let app: Arc<Mutex<App>> = Arc::default();
    let client = Client::memory();
    let services: Vec<Service> = (0..processes)
        .map(|_| {
            let cache = Cache::with_options(client.clone(), cache_options.clone());
            process(&app, &cache, &options)
        })
        .collect();
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Advance(seconds) => clock.advance(seconds),
            Step::Mood(mood) => app.lock().unwrap().mood = mood,
            Step::Change { written } => {
                let version = {
                    let mut app = app.lock().unwrap();
                    app.version += 1;
                    app.version - 1
                };
                model.replace(version, clock.now(), written);
                if written {
                    let write = Request::post("/").header("host", "example.org");
                    let write = write.body(Body::empty()).unwrap();
                    services[0].clone().oneshot(write).await.unwrap();
                }
            }
            Step::Read(readers) => {
                let (version, mood) = {
                    let app = app.lock().unwrap();
                    (app.version, app.mood)
                };
                // What each of them has when they ask.
                let before = model.tags.clone();
                let reads = readers.iter().map(|reader| {
                    let service = services[reader.process % services.len()].clone();
                    reader.read(service, before.get(&reader.identity()))
                });
                // Nobody waits for a request that has ended, however it ended.
                let answers = tokio::time::timeout(Duration::from_secs(60), join_all(reads)).await;
                let Ok(answers) = answers else {
                    prop_assert!(false, "a reader waits for ever: {readers:?}");
                    continue;
                };
                for (reader, answer) in readers.iter().zip(answers) {
                    let Some(answer) = answer else { continue };
                    let told =
                        format!("{reader:?} of version {version}, {mood:?}: {:?}", answer.head);
                    model.check(reader, answer, mood, clock.now(), &told)?;
                }
            }
        }
    }
    Ok(())
}

#[test]
fn no_reader_sees_what_is_not_for_it() {
    let (cases, seed) = (cases(120) as u32, seed());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = runner(config, seed)
        .run(&(steps(), any::<bool>()), |(steps, near)| runtime.block_on(history(steps, near)));
    if let Err(error) = run {
        panic!("EDGECASK_TEST_SEED={seed}: {error}");
    }
}
