//! Reading a nested reply of one megabyte, in each form that the REST API has, beside `serde_json::Value`.

use std::time::Instant;

use anyhow::Result;
use base64::Engine as _;
use bytes::Bytes;
use edgecask::platform::BoxFuture;
use edgecask::transport::Transport;
use edgecask::transport::rest::{
    Encoding, HttpClient, HttpRequest, HttpResponse, RestOptions, RestTransport,
};
use edgecask::{Command, Value};

use crate::callgrind;
use crate::throughput::median;

/// A form, the size of the body in bytes, and the time to read it as a ratio to `serde_json::Value` on plain JSON.
pub(crate) struct Decoded {
    pub(crate) form: &'static str,
    pub(crate) bytes: usize,
    pub(crate) ratio: f64,
    /// Instructions per byte of the body, where valgrind is there to count them.
    pub(crate) instructions: Option<f64>,
}

/// Reads one form so many times: what valgrind looks at.
#[derive(clap::Args)]
pub(crate) struct Repeat {
    form: usize,
    times: u32,
}

pub(crate) fn repeat(repeat: &Repeat) -> Result<()> {
    let bodies = bodies();
    let Some((_, encoding, body)) = bodies.get(repeat.form) else {
        for _ in 0..repeat.times {
            drop(std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&bodies[0].2)?));
        }
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (transport, command) = (transport(*encoding, body)?, Command::new("EVAL"));
    for _ in 0..repeat.times {
        drop(std::hint::black_box(runtime.block_on(transport.send(&command))?));
    }
    Ok(())
}

/// Instructions per byte.
fn instructions(form: usize, bytes: usize) -> Option<f64> {
    let form = form.to_string();
    Some(callgrind::instructions(&["decode", &form], 1, 4)? / bytes as f64)
}

type Body = (&'static str, Encoding, Bytes);

fn bodies() -> [Body; 3] {
    let reply = reply();
    [
        ("plain JSON", Encoding::Plain, json(&reply, false)),
        ("base64 in JSON", Encoding::Base64, json(&reply, true)),
        ("RESP2", Encoding::Resp2, resp2(&reply)),
    ]
}

fn transport(encoding: Encoding, body: &Bytes) -> edgecask::Result<RestTransport> {
    let options = RestOptions::new("http://localhost", "token").encoding(encoding);
    RestTransport::new(options.http_client(Fixed(body.clone())))
}

/// Answers everything with one body.
#[derive(Debug)]
struct Fixed(Bytes);

impl HttpClient for Fixed {
    fn post(&self, _: HttpRequest) -> BoxFuture<'_, edgecask::Result<HttpResponse>> {
        Box::pin(async { Ok(HttpResponse::new(200, |_| None, self.0.clone())) })
    }
}

pub(crate) fn measure() -> Result<Vec<Decoded>> {
    const ROUNDS: usize = 15;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let bodies = bodies();
    let peer = bodies[0].2.clone();
    let command = Command::new("EVAL");
    let transports: Vec<_> = bodies
        .iter()
        .map(|(_, encoding, body)| transport(*encoding, body))
        .collect::<edgecask::Result<_>>()?;
    let mut ratios = vec![Vec::new(); bodies.len()];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..10 {
            drop(std::hint::black_box(serde_json::from_slice::<serde_json::Value>(&peer)?));
        }
        let bare = start.elapsed();
        for (transport, ratios) in transports.iter().zip(&mut ratios) {
            let start = Instant::now();
            for _ in 0..10 {
                drop(std::hint::black_box(runtime.block_on(transport.send(&command))?));
            }
            ratios.push(start.elapsed().as_secs_f64() / bare.as_secs_f64());
        }
    }
    let peer = Decoded {
        form: "plain JSON as serde_json::Value",
        bytes: bodies[0].2.len(),
        ratio: 1.0,
        instructions: instructions(bodies.len(), bodies[0].2.len()),
    };
    let own =
        bodies.iter().enumerate().zip(ratios).map(|((at, (form, _, body)), ratios)| Decoded {
            form,
            bytes: body.len(),
            ratio: median(ratios.into_iter()),
            instructions: instructions(at, body.len()),
        });
    Ok(own.chain([peer]).collect())
}

/// Entries of a stream: ids, and fields with their values.
fn reply() -> Value {
    let entry = |number: i64| {
        let field = |name: &str| {
            [Value::bulk(name.to_owned()), Value::bulk(format!("the value of {name} in {number}"))]
        };
        let fields = ["user", "action", "resource", "details"].into_iter().flat_map(field);
        Value::Array(vec![
            Value::bulk(format!("1700000000000-{number}")),
            Value::Array(fields.collect()),
            Value::Integer(number),
        ])
    };
    Value::Array((0..4_200).map(entry).collect())
}

fn json(reply: &Value, base64: bool) -> Bytes {
    fn convert(value: &Value, base64: bool) -> serde_json::Value {
        match value {
            Value::Integer(number) => (*number).into(),
            Value::Array(items) => items.iter().map(|item| convert(item, base64)).collect(),
            other => {
                let bytes = other.as_bytes().unwrap_or_default();
                match base64 {
                    true => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
                    false => String::from_utf8_lossy(bytes).into(),
                }
            }
        }
    }
    serde_json::json!({"result": convert(reply, base64)}).to_string().into()
}

fn resp2(reply: &Value) -> Bytes {
    fn write(value: &Value, out: &mut Vec<u8>) {
        match value {
            Value::Integer(number) => out.extend(format!(":{number}\r\n").bytes()),
            Value::Array(items) => {
                out.extend(format!("*{}\r\n", items.len()).bytes());
                items.iter().for_each(|item| write(item, out));
            }
            other => {
                let bytes = other.as_bytes().unwrap_or_default();
                out.extend(format!("${}\r\n", bytes.len()).bytes());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
    let mut out = Vec::new();
    write(reply, &mut out);
    out.into()
}
