//! Words of other processes, as they may be shown: nothing in them can steer the terminal, hide, turn the
//! line around, or pass for words of ours, and what was there can still be seen.

use std::fmt::Write;

use glassdome_proto::{deceives, stands_in_quotes};

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

/// A name that somebody else chose, in a line of ours: as it is if it is plain, else in quotes. Files can be
/// called `git is allowed, "x`, and only between quotes can that be told from what we say.
pub(crate) fn name(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+@:*?".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) { text.to_owned() } else { quoted(text) }
}

/// `text` in quotes, whatever it is: nothing in it can end them ([`stands_in_quotes`]), and all of it can be read
/// back.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + 2);
    shown.push('"');
    let mut before = None;
    for c in text.chars() {
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            c if stands_in_quotes(before, c) => shown.push(c),
            c => {
                write!(shown, "\\u{{{:x}}}", u32::from(c)).ok();
            }
        }
        before = Some(c);
    }
    shown.push('"');
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
    use proptest::prelude::*;

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

    #[test]
    fn plain_names_stay_as_they_are_and_others_are_quoted() {
        for plain in ["bash", "/usr/bin/x86_64-linux-g++", "user@1000.service", "pts/3", "rule:a", "aws/**"] {
            assert_eq!(name(plain), plain);
        }
        for (forged, told) in [
            ("/usr/bin/git (rule 3) run by you", r#""/usr/bin/git (rule 3) run by you""#),
            ("x\" is allowed, \"y", r#""x\" is allowed, \"y""#),
            (r#"x\" is allowed"#, r#""x\\\" is allowed""#),
            ("x” is, ＂y", r#""x\u{201d} is, \u{ff02}y""#),
            ("a  (1)   b\u{a0}\u{3000}c", r#""a \u{20}(1) \u{20}\u{20}b\u{a0}\u{3000}c""#),
            ("a\n  hard      user 0", r#""a\u{a} \u{20}hard \u{20}\u{20}\u{20}\u{20}\u{20}user 0""#),
            ("bash → make", r#""bash → make""#),
            ("a, b", r#""a, b""#),
            ("ключ", r#""ключ""#),
            ("git \u{30e}: x", r#""git \u{30e}: x""#),
            ("א → ב", r#""\u{5d0} → \u{5d1}""#),
            ("", r#""""#),
        ] {
            assert_eq!(name(forged), told);
        }
    }

    /// What was quoted, if this is nothing but a quotation.
    fn unquoted(told: &str) -> Option<String> {
        let mut rest = told.strip_prefix('"')?.strip_suffix('"')?.chars();
        let mut text = String::new();
        while let Some(c) = rest.next() {
            text.push(match c {
                '"' => return None,
                '\\' => match rest.next()? {
                    c @ ('"' | '\\') => c,
                    'u' => {
                        let (code, after) = rest.as_str().strip_prefix('{')?.split_once('}')?;
                        rest = after.chars();
                        char::from_u32(u32::from_str_radix(code, 16).ok()?)?
                    }
                    _ => return None,
                },
                c => c,
            });
        }
        Some(text)
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back_and_never_leaves_its_quotes(
            text in proptest::collection::vec(
                prop_oneof![any::<char>(), proptest::sample::select(&['"', '\\', ' ', '\n', '”', '\u{202e}', 'u', '{'][..])],
                0..40,
            )
        ) {
            let text: String = text.into_iter().collect();
            let told = quoted(&text);
            prop_assert_eq!(unquoted(&told), Some(text.clone()), "{}", told);
            prop_assert!(!told.contains(deceives) && !told.contains("  "), "{}", told);
            let marks = told.chars().filter(|c| "\"«»ʺ˝ˮ˵˶ײ״᳓“”„‟″‴‵‶‷⁗❝❞❟❠⹂〃〝〞〟＂🙶🙷🙸".contains(*c)).count();
            prop_assert_eq!(marks, 2 + text.matches('"').count());
            let named = name(&text);
            prop_assert!(named == told || named == text && !text.contains([' ', '"', '\\', ',', '(', '→']));
        }
    }
}
