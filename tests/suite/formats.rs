//! How replies are written: every format gives the same values, and what the server does not know is found out once.

use edgecask::prelude::*;
use edgecask::transport::rest::{
    Encoding, HttpClient, HttpRequest, HttpResponse, HttpStream, ReqwestClient, RestOptions,
    RestTransport,
};
use edgecask::{Error, ErrorKind, Result, Value, platform::BoxFuture};
use edgecask_server::{Server, ServerOptions};
use std::sync::{Arc, Mutex};

/// Real HTTP that notes the format of each request, and can hide it from the server.
#[derive(Debug)]
struct Noting {
    http: ReqwestClient,
    formats: Arc<Mutex<Vec<&'static str>>>,
    /// What becomes of a request for RESP2.
    without_resp2: Option<&'static str>,
}

impl HttpClient for Noting {
    fn post(&self, mut request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        let asked = |wanted| request.all_headers().any(|(name, _)| name == wanted);
        let resp2 = asked("upstash-response-format");
        let format = if resp2 {
            "resp2"
        } else if asked("upstash-encoding") {
            "base64"
        } else {
            "plain"
        };
        self.formats.lock().unwrap().push(format);
        Box::pin(async move {
            match self.without_resp2 {
                Some("refuses") if resp2 => {
                    Ok(HttpResponse::new(400, |_| None, r#"{"error":"ERR unknown format"}"#))
                }
                Some("ignores") if resp2 => {
                    let kept =
                        request.headers.iter().filter(|(name, _)| !name.starts_with("upstash"));
                    request.headers = kept.cloned().collect();
                    self.http.post(request).await
                }
                _ => self.http.post(request).await,
            }
        })
    }

    fn can_stream(&self) -> bool {
        true
    }

    fn open(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpStream>> {
        self.http.open(request)
    }
}

struct Setup {
    server: Server,
    client: Client,
    formats: Arc<Mutex<Vec<&'static str>>>,
}

impl Setup {
    async fn new(encoding: Encoding, without_resp2: Option<&'static str>) -> Self {
        let server = Server::start(ServerOptions::memory()).await.unwrap();
        let formats = Arc::<Mutex<Vec<_>>>::default();
        let http = Noting {
            http: ReqwestClient::new().unwrap(),
            formats: Arc::clone(&formats),
            without_resp2,
        };
        let options = RestOptions::new(server.url(), server.token()).encoding(encoding);
        let client = Client::new(RestTransport::new(options.http_client(http)).unwrap());
        Self { server, client, formats }
    }

    /// The formats of the requests since the last call.
    fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.formats.lock().unwrap())
    }
}

/// Values of every shape and all bytes, read alone and in a pipeline.
async fn values(client: &Client) -> (Value, Vec<Result<Value>>) {
    let bytes: Vec<u8> = (0..=255).collect();
    client.set("bytes", bytes).await.unwrap();
    client.set("ok", "OK").await.unwrap();
    client.rpush("list", ["a", "", "OK"]).await.unwrap();
    let alone = client.send(&Command::new("GET").arg("bytes")).await.unwrap();
    let commands = [
        Command::new("GET").arg("bytes"),
        Command::new("GET").arg("ok"),
        Command::new("LRANGE").arg("list").arg(0).arg(-1),
        Command::new("GET").arg("absent"),
        Command::new("STRLEN").arg("list"),
        Command::new("STRLEN").arg("ok"),
    ];
    (alone, client.send_pipeline(&commands).await.unwrap())
}

#[tokio::test]
async fn every_lossless_format_gives_the_same_values() {
    let mut shown = Vec::new();
    for encoding in [Encoding::Auto, Encoding::Resp2, Encoding::Base64] {
        let setup = Setup::new(encoding, None).await;
        let (alone, batch) = values(&setup.client).await;
        let error =
            |error: &Error| (error.code().map(str::to_owned), error.command().map(str::to_owned));
        let batch: Vec<_> =
            batch.iter().map(|item| item.as_ref().map_err(error).cloned()).collect();
        assert!(batch[4].is_err());
        shown.push((alone, batch));
        setup.server.stop().await;
    }
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[0], shown[2]);
}

#[tokio::test]
async fn resp2_is_used_once_it_is_known() {
    let setup = Setup::new(Encoding::Auto, None).await;
    setup.client.set("k", "v").await.unwrap();
    assert_eq!(setup.asked(), ["base64"], "a write is not sent twice to find out");
    for _ in 0..2 {
        assert_eq!(setup.client.get::<String>("k").await.unwrap().as_deref(), Some("v"));
    }
    setup.client.set("k", "w").await.unwrap();
    assert_eq!(setup.asked(), ["resp2"; 3]);
    let error = setup.client.llen("k").await.unwrap_err();
    assert_eq!((error.code(), error.status()), (Some("WRONGTYPE"), Some(400)));
    assert_eq!(setup.asked(), ["resp2"]);
    let transaction = setup.client.transaction();
    let length = transaction.strlen("k");
    assert_eq!(transaction.exec().await.unwrap().take(length).unwrap(), 1);
    assert_eq!(setup.asked(), ["base64"], "transactions are answered in JSON only");
    setup.server.stop().await;
}

#[tokio::test]
async fn a_server_without_resp2_is_found_out_once() {
    for without in ["refuses", "ignores"] {
        let setup = Setup::new(Encoding::Auto, Some(without)).await;
        let (alone, batch) = values(&setup.client).await;
        assert_eq!(alone, Value::bulk((0..=255).collect::<Vec<u8>>()), "{without}");
        assert_eq!(batch[0].as_ref().unwrap(), &alone, "{without}");
        assert!(setup.asked().contains(&"resp2"));
        setup.client.get::<String>("ok").await.unwrap();
        setup.client.send_pipeline(&[Command::new("GET").arg("ok")]).await.unwrap();
        assert_eq!(setup.asked(), ["base64"; 2], "{without}");
        setup.server.stop().await;
    }
    // What was ignored and lost nothing is not asked for again.
    let setup = Setup::new(Encoding::Auto, Some("ignores")).await;
    assert_eq!(setup.client.exists(["k"]).await.unwrap(), 0);
    assert_eq!(setup.asked(), ["resp2"]);
    setup.server.stop().await;
}

#[tokio::test]
async fn a_long_pipeline_goes_in_parts() {
    let server = Server::start(ServerOptions::memory()).await.unwrap();
    let options = RestOptions::new(server.url(), server.token());
    let transport = RestTransport::new(options.clone().pipeline_limits(10, 1000)).unwrap();
    let client = Client::new(transport);
    let commands: Vec<_> = (0..95).map(|n| Command::new("RPUSH").arg("list").arg(n)).collect();
    let results = client.send_pipeline(&commands).await.unwrap();
    let lengths: Vec<_> = results.into_iter().map(|length| length.unwrap()).collect();
    assert_eq!(lengths, (1..=95).map(Value::Integer).collect::<Vec<_>>());
    let big = [Command::new("ECHO").arg("x".repeat(5000)), Command::new("ECHO").arg("y")];
    assert_eq!(client.send_pipeline(&big).await.unwrap().len(), 2, "one command is never split");

    // The first part is answered, the second is lost, the third is not sent.
    server.inject(edgecask_server::Fault::Delay(std::time::Duration::ZERO));
    server.inject(edgecask_server::Fault::DropAfter);
    let results = client.send_pipeline(&commands[..25]).await.unwrap();
    let outcomes: Vec<_> =
        results.iter().map(|item| item.as_ref().err().map(Error::outcome)).collect();
    assert_eq!(outcomes[..10], [None; 10]);
    assert_eq!(outcomes[10..20], [Some(edgecask::Outcome::Unknown); 10]);
    assert_eq!(outcomes[20..], [Some(edgecask::Outcome::NotSent); 5]);
    assert_eq!(client.llen("list").await.unwrap(), 95 + 20);
    server.stop().await;
}

#[tokio::test]
async fn a_format_that_was_asked_for_is_kept() {
    let setup = Setup::new(Encoding::Resp2, Some("refuses")).await;
    let error = setup.client.get::<String>("k").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    let plain = Setup::new(Encoding::Plain, None).await;
    assert_eq!(plain.client.get::<String>("k").await.unwrap(), None);
    assert_eq!(plain.asked(), ["plain"]);
    setup.server.stop().await;
    plain.server.stop().await;
}
