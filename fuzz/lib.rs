//! What the fuzz targets share: a client of the REST API whose server answers with the bytes of the fuzzer.

use bytes::Bytes;
use edgecask::platform::BoxFuture;
use edgecask::transport::Transport;
use edgecask::transport::rest::{
    Encoding, HttpClient, HttpRequest, HttpResponse, HttpStream, RestOptions, RestTransport,
};
use edgecask::{Command, Error, Result};
use futures_util::stream::{self, StreamExt};

const TOKEN: &str = "s3cret-token";

/// Answers each request with the same status and body, whole or in pieces of `piece` bytes.
#[derive(Debug)]
struct Answers {
    status: u16,
    body: Bytes,
    piece: usize,
}

impl HttpClient for Answers {
    fn post(&self, _: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        Box::pin(async { Ok(HttpResponse::new(self.status, |_| None, self.body.clone())) })
    }

    fn can_stream(&self) -> bool {
        true
    }

    fn open(&self, _: HttpRequest) -> BoxFuture<'_, Result<HttpStream>> {
        let pieces: Vec<_> = self
            .body
            .chunks(self.piece.max(1))
            .map(|piece| Ok(self.body.slice_ref(piece)))
            .collect();
        Box::pin(async { Ok(HttpStream::new(self.status, stream::iter(pieces).boxed())) })
    }
}

/// A transport whose server answers with this body.
pub fn transport(encoding: Encoding, status: u16, body: &[u8], piece: usize) -> RestTransport {
    let answers = Answers { status, body: Bytes::copy_from_slice(body), piece };
    let options = RestOptions::new("http://localhost", TOKEN).encoding(encoding);
    RestTransport::new(options.http_client(answers)).expect("the settings are good")
}

/// Reads a body as the answer to a command, to a pipeline and to a transaction; no error shows the token.
pub fn read_replies(encoding: Encoding, data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let status = [200, 200, 400, 401, 429, 502][usize::from(first & 7) % 6];
    let commands = vec![Command::new("GET").arg("k"); usize::from(first >> 3) % 5 + 1];
    let transport = transport(encoding, status, body, usize::MAX);
    block_on(async {
        if let Err(error) = transport.send(&commands[0]).await {
            check_error(&error);
        }
        let results = [transport.pipeline(&commands).await, transport.transaction(&commands).await];
        for results in results {
            match results {
                Ok(results) => {
                    assert_eq!(results.len(), commands.len());
                    results.iter().filter_map(|result| result.as_ref().err()).for_each(check_error);
                }
                Err(error) => check_error(&error),
            }
        }
    });
}

/// No error shows the token.
pub fn check_error(error: &Error) {
    assert!(!format!("{error} {error:?}").contains(TOKEN));
}

/// Runs a future on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}
