//! A component on WASI 0.2: the REST API over `wasi:http`, on the executor of `wstd`.
//!
//! ```sh
//! cargo build --example wasi --target wasm32-wasip2 --no-default-features --features rest
//! wasmtime run -S http --env UPSTASH_REDIS_REST_URL=… --env UPSTASH_REDIS_REST_TOKEN=… \
//!     target/wasm32-wasip2/debug/examples/wasi.wasm
//! ```
#![allow(clippy::print_stdout)]

#[cfg(target_os = "wasi")]
mod component {
    use std::time::Duration;

    use edgecask::layer::Retry;
    use edgecask::platform::{self, BoxFuture, Runtime, send};
    use edgecask::prelude::*;
    use edgecask::transport::rest::{
        HttpClient, HttpRequest, HttpResponse, RestOptions, RestTransport,
    };
    use edgecask::{Error, ErrorKind, Result};
    use wstd::http::{self, BodyExt};

    /// The executor.
    struct Wstd;

    impl Runtime for Wstd {
        fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
            send(move || async move {
                wstd::task::sleep(duration.into()).await;
            })
        }

        fn spawn(&self, work: BoxFuture<'static, ()>) {
            wstd::runtime::spawn(work).detach();
        }
    }

    /// The host's HTTP client.
    #[derive(Debug)]
    struct WasiHttp;

    impl HttpClient for WasiHttp {
        fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
            send(move || async move {
                // The host does not say how far a request came. The text of its errors holds no header.
                let lost =
                    |error: http::Error| Error::new(ErrorKind::Disconnected, error.to_string());
                let mut builder = http::Request::post(&request.url);
                for (name, value) in request.all_headers() {
                    builder = builder.header(name, value);
                }
                let built = builder
                    .body(request.body)
                    .map_err(|_| Error::new(ErrorKind::Config, "the request cannot be built"))?;
                let response = http::Client::new().send(built).await.map_err(lost)?;
                let (head, body) = response.into_parts();
                let mut body = body.into_boxed_body();
                let mut bytes = Vec::new();
                while let Some(frame) = body.frame().await {
                    let Ok(data) = frame.map_err(lost)?.into_data() else { continue };
                    if bytes.len() + data.len() > request.max_response_bytes {
                        return Err(Error::new(ErrorKind::Protocol, "the answer is too long"));
                    }
                    bytes.extend_from_slice(&data);
                }
                let header = |name: &str| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
                Ok(HttpResponse::new(head.status.as_u16(), header, bytes))
            })
        }
    }

    async fn visit() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let url = std::env::var("UPSTASH_REDIS_REST_URL")?;
        let token = std::env::var("UPSTASH_REDIS_REST_TOKEN")?;
        let options = RestOptions::new(url, token).http_client(WasiHttp);
        let client = Client::builder()
            .transport(RestTransport::new(options)?)
            .deadline(Duration::from_secs(1))
            .retry(Retry::default())
            .build()?;
        client.set("greeting", "hello from WASI").await?;
        println!("{}", client.get::<String>("greeting").required().await?);
        Ok(())
    }

    pub(super) fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
        platform::set_runtime(Wstd);
        wstd::runtime::block_on(visit())
    }
}

#[cfg(target_os = "wasi")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    component::main()
}

#[cfg(not(target_os = "wasi"))]
fn main() {
    println!("build this example with --target wasm32-wasip2");
}
