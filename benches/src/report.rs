use std::fmt::Write;

use crate::cache::Hit;
use crate::decode::Decoded;
use crate::size::Size;
use crate::throughput::{Duel, Measured, Rate};

/// The text of benches/README.md.
pub(crate) fn write(
    throughput: &[Measured],
    duels: &[Duel],
    decoded: &[Decoded],
    hit: &Hit,
    sizes: &[Size],
) -> String {
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
    let _ = write!(
        text,
        "\n## A cache hit on the embedded engine\n\n\
         `Cache::get` of a policy of {} bytes among 10,000 keys: {:.0} ns, of which decoding its JSON alone takes {:.0} ns; \
         ratio {:.2}.\n\n\
         ## Sizes\n\n| what | bytes | gzip |\n|---|---:|---:|\n",
        hit.bytes, hit.hit_nanos, hit.decode_nanos, hit.ratio
    );
    for size in sizes {
        let _ = writeln!(text, "| {} | {} | {} |", size.name, size.bytes, size.gzip);
    }
    text
}
