//! TLS: HTTP/2 where a REST server offers it, a Redis that speaks TLS, and certificates that are checked.

use std::sync::Arc;

use edgecask::prelude::*;
use edgecask::transport::rest::{ReqwestClient, RestOptions, RestTransport};
use edgecask::transport::tcp::{TcpOptions, TcpTransport};
use edgecask::{Client, ErrorKind, Outcome};
use edgecask_tests::{RedisServer, TlsIdentity};
use hyper::service::service_fn;
use hyper::{Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A TLS server that offers these protocols, answers every command with "hi", and tells the version of each request.
async fn serve(
    identity: &CertifiedKey<rcgen::KeyPair>,
    protocols: &[&str],
) -> (String, mpsc::UnboundedReceiver<Version>) {
    let key = PrivatePkcs8KeyDer::from(identity.signing_key.serialize_der());
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![identity.cert.der().clone()], key.into())
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (versions, seen) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            // A client that does not trust us hangs up here.
            let Ok(socket) = acceptor.accept(socket).await else { continue };
            let versions = versions.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let request: hyper::Request<hyper::body::Incoming> = request;
                    // The test may be over.
                    let _ = versions.send(request.version());
                    async { Ok::<_, hyper::Error>(Response::new("$2\r\nhi\r\n".to_owned())) }
                });
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    (format!("https://localhost:{port}"), seen)
}

#[tokio::test]
async fn http2_is_used_where_it_is_offered() {
    let identity = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trusted = reqwest::Certificate::from_der(identity.cert.der()).unwrap();
    for (protocols, expected) in
        [(&["h2", "http/1.1"][..], Version::HTTP_2), (&["http/1.1"], Version::HTTP_11)]
    {
        let (url, mut seen) = serve(&identity, protocols).await;
        let http = reqwest::Client::builder().tls_certs_only([trusted.clone()]).build().unwrap();
        let options = RestOptions::new(url, "token").http_client(ReqwestClient::with(http));
        let client = Client::new(RestTransport::new(options).unwrap());
        assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("hi"));
        assert_eq!(seen.recv().await, Some(expected));
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_is_refused() {
    let identity = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (url, mut seen) = serve(&identity, &["h2"]).await;
    let client = Client::rest(&url, "token").unwrap();
    let error = client.get::<String>("k").await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Connect, Outcome::NotSent));
    assert!(seen.try_recv().is_err(), "the token was not sent");
}

#[tokio::test]
async fn tcp_speaks_tls_and_checks_certificates_too() {
    let identity = TlsIdentity::new();
    let redis = RedisServer::with_tls(&identity, []);
    let url = redis.url();
    let client = redis.client();
    client.set("k", "v").await.unwrap();
    assert_eq!(client.get::<String>("k").await.unwrap().as_deref(), Some("v"));

    let stranger = Client::tcp(&url).unwrap();
    let error = stranger.get::<String>("k").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Connect, Outcome::NotSent),
        "{error:?}"
    );
    let plain = Client::tcp(&format!("redis://localhost:{}", redis.port())).unwrap();
    assert!(plain.ping().await.is_err());
    let broken = TcpOptions::new(&url).root_certificate("not a certificate");
    assert_eq!(TcpTransport::new(broken).unwrap_err().kind(), ErrorKind::Config);
}

#[tokio::test]
async fn a_server_may_ask_for_a_certificate_of_its_client() {
    let identity = TlsIdentity::new();
    let redis = RedisServer::with_tls(&identity, ["--tls-auth-clients", "yes"]);
    let options = TcpOptions::new(redis.url()).root_certificate(identity.certificate.as_str());
    let settings = identity.settings(0);
    let file = settings.iter().find(|(name, _)| *name == "tls-key-file").unwrap();
    let key = std::fs::read_to_string(&file.1).unwrap();
    let shown = options.clone().client_certificate(identity.certificate.as_str(), key.as_str());
    assert!(!format!("{shown:?}").contains("PRIVATE"));
    let client = Client::new(TcpTransport::new(shown).unwrap());
    client.set("k", "v").await.unwrap();

    let error = Client::new(TcpTransport::new(options.clone()).unwrap()).ping().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.outcome()),
        (ErrorKind::Connect, Outcome::NotSent),
        "{error:?}"
    );

    let broken = options.client_certificate(identity.certificate.as_str(), "no key");
    let plain = format!("redis://localhost:{}", redis.port());
    for bad in [
        broken,
        TcpOptions::new(&plain).root_certificate(identity.certificate.as_str()),
        TcpOptions::new(&plain).client_certificate(identity.certificate.as_str(), key.as_str()),
    ] {
        let error = TcpTransport::new(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(!format!("{error:?}").contains("PRIVATE"), "{error:?}");
    }
}
