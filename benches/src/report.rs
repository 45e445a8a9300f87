use std::fmt::Write;

use crate::cache::{self, hit::Hit};
use crate::decode::Decoded;
use crate::size::Size;
use crate::throughput::{Duel, Measured, Rate};
use crate::{coordination, engine, http_cache, systems};

/// Everything that is measured.
pub(crate) struct Parts {
    pub(crate) throughput: Vec<Measured>,
    pub(crate) duels: Vec<Duel>,
    pub(crate) decoded: Vec<Decoded>,
    pub(crate) cache: cache::Measured,
    pub(crate) http_cache: http_cache::Measured,
    pub(crate) systems: systems::Measured,
    pub(crate) engine: engine::Measured,
    pub(crate) coordination: coordination::Measured,
    pub(crate) sizes: Vec<Size>,
}

/// The text of benches/README.md.
pub(crate) fn write(parts: &Parts) -> String {
    let Parts {
        throughput,
        duels,
        decoded,
        cache,
        http_cache,
        systems,
        engine,
        coordination,
        sizes,
    } = parts;
    let mut text = String::from(
        "# Measurements\n\n\
         Written by `cargo xtask bench`. Ratios are medians of rounds in which all clients took turns; absolute figures \
         depend on the machine.\n\n\
         ## Requests through REST\n\n\
         64 concurrent callers in one process on one core, `edgecask-server` over its embedded engine on another, HTTP/1.1 \
         on loopback, seven rounds of two seconds. Processor time is the client's.\n\n\
         | client | GET/s | to bare | CPU µs | SET/s | to bare | CPU µs |\n|---|---:|---:|---:|---:|---:|---:|\n",
    );
    let cells = |rate: Rate| {
        format!("{:.0} | {:.2} | {:.1}", rate.per_second, rate.to_bare, rate.cpu_micros)
    };
    // Writing to a String cannot fail.
    for client in throughput {
        let _ =
            writeln!(text, "| {} | {} | {} |", client.name, cells(client.get), cells(client.set));
    }
    let _ = write!(
        text,
        "\n\"To bare\" is the throughput as a part of bare reqwest's, which posts the same bytes and looks at no answer.\n\n\
         ## Beside one peer\n\n\
         The same cores and rounds; the ratio is to the second of each pair.\n\n\
         | what | client | commands/s | ratio | CPU µs |\n|---|---|---:|---:|---:|\n",
    );
    for duel in duels {
        for (name, rate) in &duel.rows {
            let _ = writeln!(text, "| {} | {name} | {} |", duel.what, cells(*rate));
        }
    }
    text.push_str(
        "\n## Reading a nested reply of one megabyte\n\n\
         As Edgecask's reply value: the time as a ratio to `serde_json::Value` on the plain JSON, and instructions per byte \
         of the body (callgrind).\n\n\
         | form | bytes | time | instructions per byte |\n|---|---:|---:|---:|\n",
    );
    for decoded in decoded {
        let Decoded { form, bytes, ratio, instructions } = decoded;
        let instructions =
            instructions.map_or("not counted".to_owned(), |number| format!("{number:.1}"));
        let _ = writeln!(text, "| {form} | {bytes} | {ratio:.2} | {instructions} |");
    }
    text.push_str(&of_cache(cache));
    text.push_str(&http_cache::report(http_cache));
    text.push_str(&of_systems(systems));
    text.push_str(&engine::write(engine));
    text.push_str(&coordination::write(coordination));
    text.push_str("\n## Sizes\n\n| what | bytes | gzip |\n|---|---:|---:|\n");
    for size in sizes {
        let _ = writeln!(text, "| {} | {} | {} |", size.name, size.bytes, size.gzip);
    }
    text
}

/// The part on the cache.
pub(crate) fn of_cache(cache: &cache::Measured) -> String {
    let mut text = String::from("\n## The cache\n\n");
    let Hit { bytes, hit_nanos, decode_nanos, ratio } = cache.hit;
    let _ = write!(
        text,
        "`Cache::get` of a policy of {bytes} bytes among 10,000 keys of the embedded engine: {hit_nanos:.0} ns, of which \
         decoding its JSON alone takes {decode_nanos:.0} ns; ratio {ratio:.2}.\n\n",
    );
    text.push_str(&of_l1(&cache.l1));
    text.push_str(
        "\n\
         A hit in memory through Node, ratios to bentocache:\n\n| cache | ns | ratio |\n|---|---:|---:|\n",
    );
    for peer in &cache.node {
        let _ = writeln!(text, "| {} | {:.0} | {:.2} |", peer.name, peer.nanos, peer.ratio);
    }
    text.push_str(
        "\nInvalidating a tag, over TCP from a real redis-server:\n\n\
         | entries with the tag | µs | ratio |\n|---:|---:|---:|\n",
    );
    for tagged in &cache.tags {
        let cache::tags::Tagged { entries, micros, ratio } = tagged;
        let _ = writeln!(text, "| {entries} | {micros:.0} | {ratio:.2} |");
    }
    text.push_str(
        "\nA `set` and a `get` over TCP from a real redis-server on the same machine, where bytes cost nothing:\n\n\
         | value | how | bytes stored | set µs | get µs | both, to plain |\n|---|---|---:|---:|---:|---:|\n",
    );
    for packed in &cache.packing {
        let cache::packing::Packed { value, how, stored, set_micros, get_micros, ratio } = packed;
        let _ = writeln!(
            text,
            "| {value} | {how} | {stored} | {set_micros:.0} | {get_micros:.0} | {ratio:.2} |"
        );
    }
    text
}

/// The part on the cache's first tier.
pub(crate) fn of_l1(l1: &cache::l1::Measured) -> String {
    let mut text = String::from(
        "A hit of the first tier among 10,000 keys, beside the `quick_cache` that it stands on and beside `moka`:\n\n\
         | value | ns | beside | its ns | ratio |\n|---|---:|---|---:|---:|\n",
    );
    for beside in &l1.hits {
        let cache::l1::Beside { what, peer, nanos, peer_nanos, ratio } = beside;
        let _ = writeln!(text, "| {what} | {nanos:.0} | {peer} | {peer_nanos:.0} | {ratio:.2} |");
    }
    if let Some([own, bare, moka]) = l1.instructions {
        let _ = write!(
            text,
            "\nA hit on a shared policy takes {own:.0} instructions, one of `quick_cache` {bare:.0}, one of `moka` \
             {moka:.0} (callgrind; without those of the clock).\n"
        );
    }
    let _ = writeln!(
        text,
        "\nAn entry there takes {:.0} bytes of memory beside its key and value (200,000 entries of 116 bytes).",
        l1.bytes_per_entry
    );
    text
}

/// The part on keyspaces and stores.
pub(crate) fn of_systems(systems: &systems::Measured) -> String {
    let mut text = String::from(
        "\n## Keyspaces and stores\n\n\
         A hash of six fields from a reply that is there, ratios to hand-written code; instructions and allocations by valgrind:\n\n\
         | read by | ns | ratio | instructions | allocations |\n|---|---:|---:|---:|---:|\n",
    );
    let counted =
        |number: Option<f64>| number.map_or("not counted".to_owned(), |it| format!("{it:.0}"));
    for read in &systems.hash {
        let systems::hash::Decoded { how, nanos, ratio, instructions, allocations } = read;
        let (instructions, allocations) = (counted(*instructions), counted(*allocations));
        let _ =
            writeln!(text, "| {how} | {nanos:.0} | {ratio:.2} | {instructions} | {allocations} |");
    }
    text.push_str(
        "\n`LlmPolicyStore::get` by one caller, with a real redis-server on the other core; ratios to a bare GET in the same round:\n\n\
         | a policy from | µs | ratio |\n|---|---:|---:|\n",
    );
    for read in &systems.policy {
        let systems::policy::Read { from, micros, ratio } = read;
        let _ = writeln!(text, "| {from} | {micros:.1} | {ratio:.3} |");
    }
    let systems::schema::Checked { keys, per_second, scanned_per_second, ratio, commands } =
        systems.schema;
    let _ = write!(
        text,
        "\n`SchemaCheck` of {keys} keys of a real redis-server over TCP, half of them hashes and half JSON: {per_second:.0} keys a \
         second, {commands:.2} commands a key. A walk by SCAN that looks at nothing: {scanned_per_second:.0} keys a second; \
         the check takes {ratio:.1} times as long.\n",
    );
    text
}
