//! One client under load: Edgecask, or a bare HTTP client that posts fixed bytes and reads the answer.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use clap::{Args, ValueEnum};
use cpu_time::ProcessTime;
use edgecask::layer::AutoPipeline;
use edgecask::prelude::*;
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use futures_util::future::try_join_all;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::rt::TokioExecutor;
use serde::{Deserialize, Serialize};

#[derive(Args)]
pub(crate) struct Load {
    pub(crate) client: Kind,
    pub(crate) operation: Operation,
    pub(crate) url: String,
    pub(crate) token: String,
    pub(crate) millis: u64,
    pub(crate) concurrency: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Edgecask,
    EdgecaskPipelining,
    EdgecaskTcp,
    Redis,
    Reqwest,
    Hyper,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Operation {
    Get,
    Set,
    /// 10,000 GETs at the same time.
    Burst,
    /// A pipeline of 1,000 commands.
    Pipeline,
}

const BURST: usize = 10_000;
const PIPELINE: usize = 1_000;

impl Operation {
    /// How many commands one repetition is.
    fn weight(self) -> u64 {
        match self {
            Self::Get | Self::Set => 1,
            Self::Burst => BURST as u64,
            Self::Pipeline => PIPELINE as u64,
        }
    }

    fn body(self) -> &'static str {
        match self {
            Self::Get | Self::Burst | Self::Pipeline => r#"["GET","bench"]"#,
            Self::Set => r#"["SET","bench","a value of the length that sessions and flags have"]"#,
        }
    }
}

/// What a client did. The Node client prints the same.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) cpu_seconds: f64,
}

pub(crate) fn run(load: &Load) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(async {
        match load.client {
            Kind::Edgecask => edgecask(load, Client::rest(&load.url, &load.token)?).await,
            Kind::EdgecaskPipelining => {
                let client = Client::rest(&load.url, &load.token)?;
                edgecask(load, client.layer(AutoPipeline::new())).await
            }
            Kind::EdgecaskTcp => {
                // The bare crate has no deadline either.
                let transport = TcpTransport::new(TcpOptions::new(&load.url))?;
                edgecask(load, Client::new(transport)).await
            }
            Kind::Redis => redis_bare(load).await,
            Kind::Reqwest => reqwest_bare(load).await,
            Kind::Hyper => hyper_bare(load).await,
        }
    })?;
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}

/// Repeats a request on so many tasks until the time is over.
async fn repeat<F: Future<Output = Result<()>>>(
    load: &Load,
    request: impl Fn() -> F,
) -> Result<Done> {
    // The connections are made before the clock starts.
    try_join_all((0..load.concurrency).map(|_| request())).await?;
    let (start, cpu) = (Instant::now(), ProcessTime::now());
    let end = start + Duration::from_millis(load.millis);
    let tasks = (0..load.concurrency).map(|_| async {
        let mut requests = 0;
        while Instant::now() < end {
            request().await?;
            requests += 1;
        }
        anyhow::Ok(requests)
    });
    let requests: u64 = try_join_all(tasks).await?.into_iter().sum();
    Ok(Done {
        requests: requests * load.operation.weight(),
        seconds: start.elapsed().as_secs_f64(),
        cpu_seconds: cpu.elapsed().as_secs_f64(),
    })
}

async fn edgecask(load: &Load, client: Client) -> Result<Done> {
    match load.operation {
        Operation::Get => {
            repeat(load, || async {
                client.get::<Bytes>("bench").await?;
                Ok(())
            })
            .await
        }
        Operation::Set => {
            let value = "a value of the length that sessions and flags have";
            repeat(load, || async { Ok(client.set("bench", value).await?) }).await
        }
        Operation::Burst => {
            repeat(load, || async {
                try_join_all((0..BURST).map(|_| client.get::<Bytes>("bench"))).await?;
                Ok(())
            })
            .await
        }
        Operation::Pipeline => {
            repeat(load, || async {
                let pipeline = client.pipeline();
                let slots: Vec<_> = (0..PIPELINE).map(|_| pipeline.get::<Bytes>("bench")).collect();
                let mut replies = pipeline.exec().await?;
                for slot in slots {
                    replies.take(slot)?;
                }
                Ok(())
            })
            .await
        }
    }
}

async fn redis_bare(load: &Load) -> Result<Done> {
    // The socket as ours is: without Nagle's waiting for more to send.
    let settings = redis::io::tcp::TcpSettings::default().set_nodelay(true);
    let info = redis::IntoConnectionInfo::into_connection_info(load.url.as_str())?;
    let client = redis::Client::open(info.set_tcp_settings(settings))?;
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
    let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    repeat(load, || async {
        let mut connection = connection.clone();
        redis::cmd("GET").arg("bench").query_async::<Option<Vec<u8>>>(&mut connection).await?;
        Ok(())
    })
    .await
}

async fn reqwest_bare(load: &Load) -> Result<Done> {
    let client = reqwest::Client::builder().tcp_nodelay(true).build()?;
    let body = Bytes::from_static(load.operation.body().as_bytes());
    let authorization = format!("Bearer {}", load.token);
    repeat(load, || async {
        let request = client
            .post(&load.url)
            .header("authorization", &authorization)
            .header("content-type", "application/json")
            .header("upstash-encoding", "base64")
            .body(body.clone());
        request.send().await?.bytes().await?;
        Ok(())
    })
    .await
}

async fn hyper_bare(load: &Load) -> Result<Done> {
    let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
    connector.set_nodelay(true);
    let client: HyperClient<_, Full<Bytes>> =
        HyperClient::builder(TokioExecutor::new()).build(connector);
    let body = Bytes::from_static(load.operation.body().as_bytes());
    let uri: hyper::Uri = load.url.parse().context("the harness gives a URL")?;
    let authorization = format!("Bearer {}", load.token);
    repeat(load, || async {
        let request = hyper::Request::post(&uri)
            .header("authorization", &authorization)
            .header("content-type", "application/json")
            .header("upstash-encoding", "base64")
            .body(Full::new(body.clone()))?;
        client.request(request).await?.into_body().collect().await?;
        Ok(())
    })
    .await
}
