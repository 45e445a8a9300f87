//! Gzip (RFC 1952): by the host's streams on JavaScript hosts, which keeps the module small, and by flate2 elsewhere.

use crate::{Error, ErrorKind, Result};

fn failed() -> Error {
    Error::new(ErrorKind::Codec, "the gzip data is corrupt")
}

fn too_large(limit: usize) -> Error {
    Error::new(ErrorKind::Codec, format!("decompressed, it is over the limit of {limit} bytes"))
}

#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
mod sides {
    use std::io::{Read, Write};

    use super::{Result, failed, too_large};

    /// Compresses bytes, at a level from 1 (fast) to 9 (small).
    pub async fn gzip(bytes: &[u8], level: u32) -> Result<Vec<u8>> {
        let packed = Vec::with_capacity(bytes.len() / 2);
        let level = flate2::Compression::new(level.clamp(1, 9));
        let mut encoder = flate2::write::GzEncoder::new(packed, level);
        encoder.write_all(bytes).and_then(|()| encoder.finish()).map_err(|_| failed())
    }

    /// Unpacks bytes that are no more than `limit`.
    pub async fn gunzip(packed: &[u8], limit: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(packed).take(limit as u64 + 1);
        decoder.read_to_end(&mut bytes).map_err(|_| failed())?;
        if bytes.len() > limit { Err(too_large(limit)) } else { Ok(bytes) }
    }
}

#[cfg(all(target_arch = "wasm32", target_os = "unknown"))]
mod sides {
    use js_sys::{Reflect, Uint8Array};
    use wasm_bindgen::prelude::*;
    use wasm_bindgen_futures::JsFuture;
    use web_sys::{ReadableStream, ReadableStreamDefaultReader, ReadableWritablePair, Response};

    use super::{Result, failed, too_large};
    use crate::platform::{BoxFuture, send};

    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(extends = ReadableWritablePair)]
        type CompressionStream;
        #[wasm_bindgen(constructor, catch)]
        fn new(format: &str) -> Result<CompressionStream, JsValue>;

        #[wasm_bindgen(extends = ReadableWritablePair)]
        type DecompressionStream;
        #[wasm_bindgen(constructor, catch)]
        fn new(format: &str) -> Result<DecompressionStream, JsValue>;
    }

    /// Compresses bytes. The platform chooses the level.
    pub fn gzip(bytes: &[u8], _: u32) -> BoxFuture<'_, Result<Vec<u8>>> {
        send(|| async move {
            let stream = CompressionStream::new("gzip").map_err(|_| failed())?;
            through(bytes, &stream, usize::MAX).await
        })
    }

    /// Unpacks bytes that are no more than `limit`.
    pub fn gunzip(packed: &[u8], limit: usize) -> BoxFuture<'_, Result<Vec<u8>>> {
        send(|| async move {
            let stream = DecompressionStream::new("gzip").map_err(|_| failed())?;
            through(packed, &stream, limit).await
        })
    }

    async fn through(bytes: &[u8], pair: &ReadableWritablePair, limit: usize) -> Result<Vec<u8>> {
        let bytes = Uint8Array::from(bytes);
        let source: ReadableStream = Response::new_with_opt_js_u8_array(Some(&bytes))
            .ok()
            .and_then(|response| response.body())
            .ok_or_else(failed)?;
        let reader: ReadableStreamDefaultReader =
            source.pipe_through(pair).get_reader().dyn_into().map_err(|_| failed())?;
        let mut out = Vec::new();
        loop {
            let step = JsFuture::from(reader.read()).await.map_err(|_| failed())?;
            let field = |name: &str| Reflect::get(&step, &JsValue::from_str(name));
            if field("done").is_ok_and(|done| done.is_truthy()) {
                return Ok(out);
            }
            let chunk: Uint8Array =
                field("value").ok().and_then(|value| value.dyn_into().ok()).ok_or_else(failed)?;
            if out.len().saturating_add(chunk.length() as usize) > limit {
                // The rest is not needed. The error is the reason for the cancellation.
                let _ = JsFuture::from(reader.cancel()).await;
                return Err(too_large(limit));
            }
            out.extend_from_slice(&chunk.to_vec());
        }
    }
}

pub use sides::{gunzip, gzip};
