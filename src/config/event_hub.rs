//! From variables to an event hub.

use super::variables::{Provider, wrong};
use super::{Config, Result};
use crate::events::{Events, EventsOptions};

/// The event hub that variables name. It fails closed: without a transport there is no hub, and not the embedded engine, which other
/// processes do not hear.
///
/// | `EVENT_HUB_PROVIDER` | events go over |
/// |---|---|
/// | `redis`, `upstash` | the Redis of [`Config`]'s variables, which must be of that kind |
/// | `supabase` | Supabase Realtime at `SUPABASE_URL` with the key `SUPABASE_ANON_KEY`, with the feature `realtime` |
/// | `memory` | the embedded engine, in this process alone |
/// | not set | that Redis; if there is none, that Supabase |
///
/// ```
/// use edgecask::ErrorKind;
/// use edgecask::config::event_hub;
/// use edgecask::events::EventsOptions;
///
/// let memory = |name: &str| (name == "EVENT_HUB_PROVIDER").then(|| "memory".to_owned());
/// assert!(event_hub(EventsOptions::new(), memory).is_ok());
/// let none = event_hub(EventsOptions::new(), |_| None);
/// assert_eq!(none.unwrap_err().kind(), ErrorKind::Config);
/// ```
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config), which says what variable to set.
pub fn event_hub(
    options: EventsOptions,
    lookup: impl Fn(&str) -> Option<String>,
) -> Result<Events> {
    let get = |name: &str| {
        let value = lookup(name).map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty())
    };
    let provider = get("EVENT_HUB_PROVIDER").map(|name| name.to_ascii_lowercase());
    let supabase = get("SUPABASE_URL").zip(get("SUPABASE_ANON_KEY"));
    if provider.as_deref() == Some("supabase") {
        return match supabase {
            Some((url, key)) => over_supabase(options, url, key),
            None => wrong("EVENT_HUB_PROVIDER is supabase: set SUPABASE_URL and SUPABASE_ANON_KEY"),
        };
    }
    let config = Config::for_component("EVENT_HUB", &lookup)?;
    if config.provider() != Provider::Memory || provider.is_some() {
        return Ok(Events::with_options(config.client()?, options));
    }
    match supabase {
        Some((url, key)) => over_supabase(options, url, key),
        None => wrong(
            "there is no transport for events: set REDIS_URL and REDIS_PASSWORD, or SUPABASE_URL and SUPABASE_ANON_KEY; or \
             set EVENT_HUB_PROVIDER to memory, for a single process",
        ),
    }
}

#[cfg(feature = "realtime")]
fn over_supabase(options: EventsOptions, url: String, key: String) -> Result<Events> {
    Ok(Events::over(crate::supabase::realtime::Realtime::new(url, key)?, options))
}

#[cfg(not(feature = "realtime"))]
fn over_supabase(_: EventsOptions, _: String, _: String) -> Result<Events> {
    wrong(
        "events would go over Supabase, and this build does not: turn on the feature realtime, or set REDIS_URL",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(variables: &[(&str, &str)]) -> Result<String, String> {
        let lookup = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        event_hub(EventsOptions::new(), lookup)
            .map(|events| format!("{events:?}"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_hub_is_where_the_variables_say_or_nowhere() {
        let supabase = [("SUPABASE_URL", "https://s.example"), ("SUPABASE_ANON_KEY", "the-key")];
        let rest = [("REDIS_URL", "https://r.example"), ("REDIS_PASSWORD", "the-token")];
        let with = |name, variables: &[(&'static str, &'static str)]| {
            hub(&[&[("EVENT_HUB_PROVIDER", name)][..], variables].concat())
        };
        for none in [hub(&[]), hub(&[("EVENT_HUB_PROVIDER", " ")]), hub(&supabase[..1])] {
            assert!(none.is_err_and(|error| error.contains("no transport for events")));
        }
        assert!(with("redis", &supabase).is_err_and(|error| error.contains("set REDIS_URL")));
        assert!(with("supabase", &rest).is_err_and(|error| error.contains("set SUPABASE_URL")));
        assert!(with("kafka", &rest).is_err_and(|error| error.contains("must be")));
        if cfg!(feature = "reqwest") {
            for redis in [hub(&rest), hub(&[rest, supabase].concat()), with("upstash", &rest)] {
                assert!(redis.is_ok_and(|hub| hub.contains("r.example") && !hub.contains("the-")));
            }
        }
        if cfg!(all(feature = "realtime", feature = "reqwest")) {
            for hub in [hub(&supabase), with("supabase", &[rest, supabase].concat())] {
                assert!(hub.is_ok_and(|hub| hub.contains("s.example") && !hub.contains("the-key")));
            }
        }
        assert_eq!(with("memory", &[]).is_ok(), cfg!(feature = "memory"));
    }
}
