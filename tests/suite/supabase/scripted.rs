//! An HTTP client without a server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use edgecask::Result;
use edgecask::layer::Retry;
use edgecask::platform::BoxFuture;
use edgecask::supabase::{Supabase, SupabaseOptions};
use edgecask::transport::rest::{HttpClient, HttpRequest, HttpResponse};

/// Answers by a script, and keeps what was asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Scripted(Arc<Script>);

#[derive(Debug, Default)]
struct Script {
    answers: Mutex<VecDeque<Result<(u16, String)>>>,
    asked: Mutex<Vec<Asked>>,
}

#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) url: String,
    headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(this, _)| *this == name).map(|(_, value)| &**value)
    }

    /// The query, decoded.
    pub(super) fn query(&self) -> String {
        let url: reqwest::Url = self.url.parse().unwrap();
        let pairs = url.query_pairs().map(|(key, value)| format!("{key}={value}"));
        pairs.collect::<Vec<_>>().join("&")
    }
}

impl Scripted {
    pub(super) fn answering(
        answers: impl IntoIterator<Item = Result<(u16, &'static str)>>,
    ) -> Self {
        let script = Self::default();
        let answers = answers.into_iter().map(|answer| answer.map(|(s, b)| (s, b.to_owned())));
        script.0.answers.lock().unwrap().extend(answers);
        script
    }

    pub(super) fn client(&self) -> Supabase {
        self.with(|options| options)
    }

    pub(super) fn with(&self, options: impl Fn(SupabaseOptions) -> SupabaseOptions) -> Supabase {
        let retry = Retry::new().base(Duration::ZERO);
        let all = SupabaseOptions::new("https://example.supabase.co/", "the-service-key");
        Supabase::with_options(options(all.http_client(self.clone()).retry(retry))).unwrap()
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.0.asked.lock().unwrap())
    }
}

impl HttpClient for Scripted {
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        self.send(request)
    }

    fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        let headers = request.all_headers().map(|(name, value)| (name, value.to_owned()));
        self.0.asked.lock().unwrap().push(Asked {
            method: request.method.to_string(),
            url: request.url.clone(),
            headers: headers.collect(),
            body: String::from_utf8(request.body.to_vec()).unwrap(),
        });
        let answer = self.0.answers.lock().unwrap().pop_front();
        Box::pin(async move {
            match answer {
                Some(Ok((status, body))) => {
                    let range = (status == 206).then(|| "0-1/7".to_owned());
                    let header = |name| if name == "content-range" { range.clone() } else { None };
                    Ok(HttpResponse::new(status, header, body))
                }
                Some(Err(error)) => Err(error),
                None => std::future::pending().await,
            }
        })
    }
}
