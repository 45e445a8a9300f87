//! Takes the arguments of a command out of what a server says of it: they may be secrets, or other people's data.

use std::collections::HashSet;
use std::sync::LazyLock;

/// Shorter arguments are not taken out: they are no secrets, and messages would become unreadable.
pub(super) const SHORTEST_SECRET: usize = 3;

fn is_word(c: char) -> bool {
    !c.is_whitespace() && !"'\"`,;()[]{}".contains(c)
}

/// The text of a server without these arguments. The code at its beginning stays.
pub(super) fn without(args: &[&[u8]], quoted: &str, code: Option<&str>) -> String {
    let mut clean = String::with_capacity(quoted.len());
    let mut rest = quoted;
    if let Some(tail) = code.and_then(|code| rest.strip_prefix(code)) {
        clean.push_str(&rest[..rest.len() - tail.len()]);
        rest = tail;
    }
    let rest = without_whole(args, rest);
    let mut rest = rest.as_str();
    while let Some(first) = rest.chars().next() {
        let is_inside = |c: char| is_word(c) == is_word(first);
        let end = rest.find(|c| !is_inside(c)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(end);
        let core = word.trim_matches(['.', ':', '!', '?']);
        if is_word(first) && is_secret(args, core) {
            clean.push_str(&word.replace(core, "…"));
        } else {
            clean.push_str(word);
        }
        rest = tail;
    }
    clean
}

/// The same text without the arguments that have several words, each as a whole. Their single words may be too short to be
/// recognised, as those of `p(w)1;z2` are.
fn without_whole(args: &[&[u8]], quoted: &str) -> String {
    let mut clean = quoted.to_owned();
    for arg in args.iter().filter(|arg| arg.len() <= quoted.len()) {
        let Ok(arg) = std::str::from_utf8(arg) else { continue };
        let is_said_often =
            |arg: &str| arg.split(|c| !is_word(c)).all(|word| word.is_empty() || is_common(word));
        if arg.chars().all(is_word) || is_said_often(arg) {
            continue;
        }
        for form in [arg.to_owned(), arg.to_ascii_lowercase(), arg.to_ascii_uppercase()] {
            clean = clean.replace(&form, "…");
        }
    }
    clean
}

fn is_secret(args: &[&[u8]], word: &str) -> bool {
    /// Escaped text cannot be compared with arguments, and a server's own words are not escaped.
    const LONGEST_ESCAPED: usize = 8;
    if word.len() < SHORTEST_SECRET || is_common(word) {
        return false;
    }
    let is_escaped = word.contains(['\\', '%']) && word.len() > LONGEST_ESCAPED;
    let mut forms = vec![word.to_owned(), word.to_ascii_lowercase(), word.to_ascii_uppercase()];
    forms.dedup();
    let is_in = |arg: &&[u8]| {
        let Ok(arg) = std::str::from_utf8(arg) else {
            let held = |form: &String| arg.windows(form.len()).any(|part| part == form.as_bytes());
            return forms.iter().any(held);
        };
        forms.iter().any(|form| arg.contains(form.as_str()))
            || (forms.iter().any(|form| form.contains(arg)) && !is_common(arg))
    };
    is_escaped || args.iter().any(is_in)
}

/// Whether Redis or Upstash use this word in messages of their own.
pub(super) fn is_common(word: &str) -> bool {
    const LONGEST: usize = "username-password".len();
    const WORDS: &str = "a able about access acl active after again against aggregate allowed already an and any are arg argument \
        arguments arity array as at attempt attempted auth authentication available bad be because been before \
        being bit bitfield bitop body both broken bulk bus busy busygroup but by bytes call called can can't \
        cannot capacity case change channel channels client cluster clusterdown code command commands compare \
        compatible compiling concurrent config configuration connect connection connections consistent consumer \
        consumers contain contains count create crossslot cursor daily data dataset db decrement denied \
        different disabled discard discarded distance does doesn't don't down during element elements embedded \
        engine enough equal err error errors eval event ex exceeded exceeds exec execabort executed executing \
        execution exist exists expected expire expired expiry failed failover few field fields find first flag \
        flags float for format found from function functions generic geo geohash get given global greater group \
        gt has hash have help hold holding id ids if in incr increment index infinity inprog input inside \
        instance integer internal invalid is it item its json keep keepttl key keys kind large larger last \
        latitude length less library limit link list loading longitude lower lt lua master masterdown match max \
        maximum maxmemory may member members memory min minimum misconf missing mode module monthly more multi \
        must name nan native negative new no noauth nogroup noperm noreplicas noscript not notbusy nothing \
        number numeric numkeys object of offset on one only oom operation operations option options or order out \
        outside over overflow pair pairs parameter parameters parse password path pattern pending permission \
        permissions persist persistence pipeline please position positive previous produce protocol psubscribe \
        pubsub px query queued quota range rdb read readonly redis redis's refused replica replicas reply \
        request requests required requires response result resulting right run running same score script \
        script's scripts see server set sha1 shebang shutdown single size slot smaller snapshot sort source \
        specified stale start state status stop storage stored stream string strings subcommand subscribe such \
        supported syntax target temporarily that the there this time timed timeout to token too top transaction \
        try tryagain trying ttl type unable unbalanced unblocked unexpected unit unkillable unknown unlink \
        unsubscribe unsupported use used user user_script username username-password uses using valid value \
        values version wait was watch weight weights were when where which while will with without would write \
        writes wrong wrongpass wrongtype xx yes you zero zset";
    static COMMON: LazyLock<HashSet<&str>> = LazyLock::new(|| WORDS.split(' ').collect());
    // The length is checked first, so that a long argument is not copied.
    word.len() <= LONGEST && COMMON.contains(&*word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_server_are_common_whatever_their_case_and_length() {
        for word in ["a", "zset", "WRONGTYPE", "username-password"] {
            assert!(is_common(word), "{word}");
        }
        for word in ["", "zsets", "username-password1", "able about"] {
            assert!(!is_common(word), "{word}");
        }
    }
}
