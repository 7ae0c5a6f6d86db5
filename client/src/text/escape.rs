//! Words of other processes, as they may be shown: nothing in them can steer the terminal, hide, or turn
//! the line around, and what was there can still be seen.

use std::fmt::Write;

use glassdome_proto::deceives;

/// `text` with control characters, and those that Unicode lets hide or reorder text (UAX #9, UTS #55),
/// written as `\u{1b}`.
pub(crate) fn escaped(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if deceives(c) {
            // Writing to a string does not fail.
            write!(shown, "\\u{{{:x}}}", u32::from(c)).ok();
        } else {
            shown.push(c);
        }
    }
    shown
}

/// `text` as a TOML basic string, with its quotes.
pub(crate) fn toml_string(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            c if deceives(c) => {
                write!(shown, "\\U{:08X}", u32::from(c)).ok();
            }
            c => shown.push(c),
        }
    }
    shown.push('"');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_hides_or_turns_around() {
        assert_eq!(escaped("a\x1b[2J\nb"), "a\\u{1b}[2J\\u{a}b");
        assert_eq!(escaped("exe\u{202e}gpj.sh\u{200b}"), "exe\\u{202e}gpj.sh\\u{200b}");
        assert_eq!(escaped("a\u{ad}b\u{e0041}"), "a\\u{ad}b\\u{e0041}");
        assert_eq!(escaped("/home/ключ/データ 🔑"), "/home/ключ/データ 🔑");
    }

    #[test]
    fn toml_reads_what_was_there() {
        assert_eq!(toml_string(r#"/a "b"\c"#), r#""/a \"b\"\\c""#);
        assert_eq!(toml_string("a\u{202e}\n"), r#""a\U0000202E\U0000000A""#);
    }
}
