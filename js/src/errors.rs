//! Errors as objects of the face's class `EdgecaskError`.

use std::cell::RefCell;

use js_sys::{Function, Object, Reflect};
use wasm_bindgen::prelude::*;

use edgecask::{Error, Outcome};

thread_local! {
    static MAKE: RefCell<Option<Function>> = const { RefCell::new(None) };
}

/// Sets the function that makes an error from a message and details. The face calls it when the module is started.
#[wasm_bindgen(js_name = setErrors)]
pub fn set_errors(make: Function) {
    MAKE.set(Some(make));
}

/// The error as a JavaScript object.
pub(super) fn edgecask_error(error: &Error) -> JsValue {
    let details = Object::new();
    let set = |name: &str, value: JsValue| {
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&details, &name.into(), &value);
    };
    set("kind", error.kind().as_str().into());
    set("outcome", outcome(error.outcome()).into());
    if let Some(code) = error.code() {
        set("code", code.into());
    }
    if let Some(status) = error.status() {
        set("status", status.into());
    }
    if let Some(wait) = error.retry_after() {
        set("retryAfterMs", (wait.as_millis() as f64).into());
    }
    if let Some(source) = std::error::Error::source(error) {
        set("cause", cause(source));
    }
    let message = error.to_string();
    let made = MAKE.with_borrow(|make| {
        make.as_ref()?.call2(&JsValue::UNDEFINED, &message.as_str().into(), &details).ok()
    });
    made.unwrap_or_else(|| js_sys::Error::new(&message).into())
}

/// The cause of an error. The texts of sources contain no value and no token.
fn cause(source: &(dyn std::error::Error + 'static)) -> JsValue {
    #[cfg(feature = "cache")]
    if let Some(thrown) = super::json::as_thrown(source) {
        return thrown;
    }
    #[cfg(feature = "cache")]
    if let Some(foreign) = source.downcast_ref::<Foreign>() {
        return (*foreign.0).clone();
    }
    match source.downcast_ref::<Error>() {
        Some(error) => edgecask_error(error),
        None => js_sys::Error::new(&source.to_string()).into(),
    }
}

/// An exception of the caller's Redis client: the `cause` of an `EdgecaskError`. Its text may contain a value, and no message of this
/// package repeats it.
#[cfg(feature = "cache")]
pub(super) struct Foreign(edgecask::platform::Local<JsValue>);

#[cfg(feature = "cache")]
impl Foreign {
    pub(super) fn new(thrown: JsValue) -> Self {
        Self(edgecask::platform::Local::new(thrown))
    }
}

#[cfg(feature = "cache")]
impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an error of the client that the function calls")
    }
}

#[cfg(feature = "cache")]
impl std::fmt::Debug for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Foreign({self})")
    }
}

#[cfg(feature = "cache")]
impl std::error::Error for Foreign {}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::NotSent => "NotSent",
        Outcome::Refused => "Refused",
        Outcome::Completed => "Completed",
        _ => "Unknown",
    }
}
