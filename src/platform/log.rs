//! Logging on JavaScript hosts: [`tracing`] events as objects for the console or a function.

use std::fmt::{self, Write as _};

use js_sys::{Function, Object, Reflect};
pub use tracing::Level;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Dispatch, Event, Metadata, Subscriber, span};
use wasm_bindgen::{JsCast, JsValue};

use super::{Local, MaybeSend, MaybeSync};

/// Installs a global subscriber that writes every event of this level or above to the console, as an object with `level`,
/// `message`, `target` and `fields`. Events of this crate contain no value and no token. Returns `false` if the program has
/// another subscriber already.
///
/// ```no_run
/// use edgecask::platform::log::{Level, to_console};
///
/// // In a Worker: #[worker::event(start)]
/// fn start() {
///     to_console(Level::WARN);
/// }
/// ```
pub fn to_console(level: Level) -> bool {
    tracing::dispatcher::set_global_default(to_function(level, write_to_console)).is_ok()
}

/// A subscriber that passes every event of this level or above to a function, as an object. Use it for a part of the
/// program by [`tracing::instrument::WithSubscriber`], or for all of it as the global default.
///
/// ```no_run
/// use edgecask::platform::log::{Level, to_function};
///
/// let errors = to_function(Level::ERROR, |line| drop(js_sys::JSON::stringify(line)));
/// let _ = tracing::dispatcher::set_global_default(errors);
/// ```
pub fn to_function(
    level: Level,
    sink: impl Fn(&JsValue) + MaybeSend + MaybeSync + 'static,
) -> Dispatch {
    Dispatch::new(Log { level: level.into(), sink: Local::new(sink) })
}

fn write_to_console(line: &JsValue) {
    let get = |object: &JsValue, name: &str| Reflect::get(object, &name.into()).unwrap_or_default();
    let console = get(&js_sys::global(), "console");
    let method = get(line, "level").as_string().unwrap_or_default();
    if let Ok(method) = get(&console, &method).dyn_into::<Function>() {
        // An error of the console cannot be reported.
        let _ = method.call1(&console, line);
    }
}

struct Log<F> {
    level: LevelFilter,
    sink: Local<F>,
}

impl<F: Fn(&JsValue) + MaybeSend + MaybeSync + 'static> Subscriber for Log<F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && *metadata.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line { message: String::new(), fields: Object::new() };
        event.record(&mut line);
        let object = Object::new();
        let metadata = event.metadata();
        set(&object, "level", metadata.level().as_str().to_ascii_lowercase());
        set(&object, "message", line.message);
        set(&object, "target", metadata.target());
        set(&object, "fields", line.fields);
        (self.sink)(&object);
    }

    // Events are written without their spans.
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

struct Line {
    message: String,
    fields: Object,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            // Writing to a string does not fail.
            let _ = write!(self.message, "{value:?}");
        } else {
            set(&self.fields, field.name(), format!("{value:?}"));
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        set(&self.fields, field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        set(&self.fields, field.name(), value as f64);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        set(&self.fields, field.name(), value as f64);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        set(&self.fields, field.name(), value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        set(&self.fields, field.name(), value);
    }
}

fn set(object: &Object, name: &str, value: impl Into<JsValue>) {
    // Setting a property of a new object cannot fail.
    let _ = Reflect::set(object, &name.into(), &value.into());
}
