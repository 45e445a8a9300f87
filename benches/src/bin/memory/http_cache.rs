//! What 100 concurrent responses of 1 MiB take of memory while the HTTP cache stores them in a Redis: the peak of what is
//! allocated, as a part of the bodies.

use std::convert::Infallible;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use edgecask::cache::Cache;
use edgecask::http_cache::{HttpCache, HttpCacheOptions};
use edgecask::{Client, Keyspace};
use futures_util::future::try_join_all;
use futures_util::stream;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper::{Request, Response};
use tokio::sync::Barrier;
use tower::{Layer, ServiceExt, service_fn};

use crate::ALLOCATED;

const BODIES: usize = 100;
const BODY: usize = 1 << 20;
const FRAME: usize = 16 << 10;

/// Prints it as rows of a table.
pub(crate) async fn run(redis: &str) -> Result<()> {
    for stated in [true, false] {
        let (read, stored) = peak(redis, stated).await?;
        let told = if stated { "stated" } else { "not stated" };
        println!("| {told} | {read:.2} | {stored:.2} |");
    }
    Ok(())
}

/// The peaks before the last frames, and in all, as a part of the bodies.
async fn peak(redis: &str, stated: bool) -> Result<(f64, f64)> {
    // A body of frames that take no memory of their own. Its last frame waits for those of all bodies.
    static BYTES: [u8; FRAME] = [b'x'; FRAME];
    let all = Arc::new(Barrier::new(BODIES + 1));
    let at_end = Arc::clone(&all);
    let service = service_fn(move |_: Request<Empty<Bytes>>| {
        let all = Arc::clone(&at_end);
        let frames = stream::unfold(0, move |at| {
            let all = Arc::clone(&all);
            async move {
                tokio::task::yield_now().await;
                if at + FRAME == BODY {
                    all.wait().await;
                    all.wait().await;
                }
                (at < BODY).then(|| {
                    (Ok::<_, Infallible>(Frame::data(Bytes::from_static(&BYTES))), at + FRAME)
                })
            }
        });
        let mut response = Response::builder().header("cache-control", "max-age=3600");
        if stated {
            response = response.header("content-length", BODY);
        }
        std::future::ready(response.body(StreamBody::new(Box::pin(frames))))
    });
    let options = HttpCacheOptions::new(Keyspace::new(["memory"])?).memory(0);
    let layer = HttpCache::new(Cache::new(Client::open(redis)?), options);
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let reads = (0..BODIES).map(|number| {
        let service = layer.layer(service.clone());
        async move {
            let request = Request::get(format!("/{stated}/{number}")).header("host", "bench");
            let response = service.oneshot(request.body(Empty::new())?).await?;
            let mut body = response.into_body();
            let mut length = 0;
            while let Some(frame) = body.frame().await {
                length += frame.context("a frame")?.data_ref().map_or(0, Bytes::len);
            }
            ensure!(length == BODY, "{length} bytes");
            Ok(())
        }
    });
    let watch = async {
        all.wait().await;
        let read = ALLOCATED.peak_usage();
        all.wait().await;
        Ok(read)
    };
    let (read, _) = futures_util::future::try_join(watch, try_join_all(reads)).await?;
    let part = |peak: usize| peak.saturating_sub(before) as f64 / (BODIES * BODY) as f64;
    Ok((part(read), part(ALLOCATED.peak_usage())))
}
