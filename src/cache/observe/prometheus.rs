//! Statistics in Prometheus's text format.

use std::fmt::Write;

use super::{CacheStats, Histogram, ServerStats};

/// A text under construction. Writing to it does not fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: &str, value: impl std::fmt::Display) {
        let _ = match labels {
            "" => writeln!(self.0, "{name} {value}"),
            labels => writeln!(self.0, "{name}{{{labels}}} {value}"),
        };
    }

    fn histogram(&mut self, name: &str, label: &str, histogram: &Histogram) {
        for (bound, count) in histogram.buckets() {
            self.sample(&format!("{name}_bucket"), &format!("{label},le=\"{bound}\""), count);
        }
        self.sample(&format!("{name}_bucket"), &format!("{label},le=\"+Inf\""), histogram.count);
        self.sample(&format!("{name}_sum"), label, histogram.sum_micros as f64 / 1e6);
        self.sample(&format!("{name}_count"), label, histogram.count);
    }
}

impl CacheStats {
    /// The statistics in Prometheus's text format, version 0.0.4. Each line carries the label `cache` with this name.
    ///
    /// ```
    /// use edgecask::{Client, cache::Cache};
    ///
    /// let text = Cache::new(Client::memory()).stats().prometheus("sessions");
    /// assert!(text.contains("edgecask_cache_hits_total{cache=\"sessions\"} 0\n"));
    /// ```
    pub fn prometheus(&self, name: &str) -> String {
        let name = name.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
        let label = format!("cache=\"{name}\"");
        let mut text = Text::default();
        for (counter, help, value) in [
            ("hits", "Reads that found a fresh value.", self.hits),
            ("l1_hits", "Reads that the first tier answered.", self.l1_hits),
            ("edge_hits", "Reads that the store at the edge answered.", self.edge_hits),
            ("misses", "Reads that found nothing.", self.misses),
            ("stale", "Stale values served.", self.stale),
            ("early", "Fresh values reloaded before they expired.", self.early),
            ("loads", "Calls of a loader.", self.loads),
            ("coalesced", "Misses served by another caller's load.", self.coalesced),
            ("stored", "Values stored.", self.stored),
            (
                "refused",
                "Loaded values not stored because the entry was invalidated.",
                self.refused,
            ),
            ("deleted", "Entries deleted.", self.deleted),
            ("invalidated_tags", "Tags invalidated.", self.invalidated_tags),
            ("errors", "Commands or conversions that failed.", self.errors),
            ("bytes_read", "Bytes read, as stored.", self.bytes_read),
            ("bytes_unpacked", "Bytes read, decompressed.", self.bytes_unpacked),
            (
                "bytes_to_store",
                "Bytes of values to store, before compression.",
                self.bytes_to_store,
            ),
            ("bytes_written", "Bytes written, as stored.", self.bytes_written),
        ] {
            let counter = format!("edgecask_cache_{counter}_total");
            text.family(&counter, "counter", help);
            text.sample(&counter, &label, value);
        }
        for (histogram, help, value) in [
            ("read_latency", "How long reading from Redis took.", &self.read_latency),
            ("write_latency", "How long storing took.", &self.write_latency),
            ("load_latency", "How long loaders took.", &self.load_latency),
        ] {
            let histogram = format!("edgecask_cache_{histogram}_seconds");
            text.family(&histogram, "histogram", help);
            text.histogram(&histogram, &label, value);
        }
        text.0
    }
}

impl ServerStats {
    /// The statistics in Prometheus's text format, version 0.0.4, under the names that Redis dashboards use.
    pub fn prometheus(&self) -> String {
        let mut text = Text::default();
        for (name, kind, help, value) in [
            ("memory_used_bytes", "gauge", "Memory that the server uses.", self.memory_used),
            ("connected_clients", "gauge", "Clients connected.", self.connected_clients),
            (
                "total_commands_processed",
                "counter",
                "Commands carried out.",
                self.total_commands_processed,
            ),
            ("keyspace_hits", "counter", "Lookups that found a key.", self.keyspace_hits),
            ("keyspace_misses", "counter", "Lookups that found none.", self.keyspace_misses),
            ("evicted_keys", "counter", "Keys evicted because memory ran out.", self.evicted_keys),
        ] {
            let Some(value) = value else { continue };
            let name = format!("redis_{name}");
            text.family(&name, kind, help);
            text.sample(&name, "", value);
        }
        text.0
    }
}
