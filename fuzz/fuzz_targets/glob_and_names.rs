//! Texts that people and peers choose: names, fields, globs and spans of time. The glob is held
//! against a matcher that is written as its definition reads.
#![no_main]

use glassdome_proto::{Field, Glob, Name, limits, span};
use libfuzzer_sys::fuzz_target;
use unicode_normalization::is_nfc;

fuzz_target!(|texts: (&str, &str)| {
    let (pattern, text) = texts;
    name(text);
    if let Ok(glob) = Glob::parse(pattern) {
        assert_eq!(glob.to_string(), pattern);
        // The definition below takes time and memory in proportion to both; keep rounds short.
        if pattern.len() <= 64 && text.len() <= 64 {
            assert_eq!(glob.matches(text), defined(pattern, text), "{pattern:?} on {text:?}");
        } else {
            glob.matches(text);
        }
    } else {
        assert!(pattern.is_empty() || pattern.len() > limits::GLOB);
    }
    if let Some(seconds) = span::parse(text) {
        assert_eq!(span::parse(&span::write(seconds)), Some(seconds));
        assert!(!span::describe(seconds).is_empty());
    }
});

fn name(text: &str) {
    let plain = |text: &str, max| {
        !text.is_empty() && text.len() <= max && is_nfc(text) && !text.chars().any(char::is_control)
    };
    let segments = !text.split('/').any(str::is_empty);
    assert_eq!(Name::parse(text).is_ok(), plain(text, limits::NAME) && segments, "{text:?}");
    assert_eq!(Field::parse(text).is_ok(), plain(text, limits::FIELD), "{text:?}");
    if let Ok(name) = Name::typed(text) {
        assert_eq!(Name::parse(&*name).as_ref(), Ok(&name));
        assert_eq!(Name::typed(&name).as_ref(), Ok(&name), "bringing into normal form is done once");
    }
}

/// `*` stops at `/`, `**` crosses it, `?` is one character but `/`: row by row over the pattern,
/// which prefixes of the text it can have eaten.
fn defined(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut eaten = vec![false; text.len() + 1];
    eaten[0] = true;
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        let mut next = vec![false; text.len() + 1];
        let (token, star) = match first {
            '*' if rest.starts_with("**") => (2, Some(true)),
            '*' => (1, Some(false)),
            other => (other.len_utf8(), None),
        };
        for at in 0..=text.len() {
            next[at] |= star.is_some() && eaten[at];
            let Some(&c) = text.get(at) else { continue };
            next[at + 1] = match (star, first) {
                (Some(crosses), _) => (crosses || c != '/') && next[at],
                (None, '?') => c != '/' && eaten[at],
                (None, literal) => c == literal && eaten[at],
            };
        }
        eaten = next;
        rest = &rest[token..];
    }
    eaten[text.len()]
}
