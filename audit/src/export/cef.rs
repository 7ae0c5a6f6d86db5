//! A record as a line of ArcSight's Common Event Format, version 0 (*Implementing ArcSight Common
//! Event Format*): seven fields of a header, then keys of its dictionary and their values. What the
//! dictionary has no key for is left out.

use std::fmt::Display;

use super::gist::{self, message, severity, title, word};
use super::{Source, how_it_ended, of_ten};
use crate::Record;

/// Appends the line without its newline; `time` in milliseconds since the epoch.
pub(super) fn write(record: &Record<'_>, time: i64, source: &Source<'_>, out: &mut Vec<u8>) {
    let mut line = Line(String::with_capacity(512));
    line.0.push_str("CEF:0");
    line.header("Glassdome");
    line.header("glassdomed");
    line.header(env!("CARGO_PKG_VERSION"));
    line.header(word(record.event));
    line.header(title(record.event));
    line.header(&of_ten(severity(record.event, record.outcome)).to_string());
    line.0.push_str("|rt=");
    line.0.push_str(&time.to_string());
    extension(record, source, &mut line);
    out.extend_from_slice(line.0.as_bytes());
}

fn extension(record: &Record<'_>, source: &Source<'_>, line: &mut Line) {
    line.text("dvchost", source.host, 100);
    line.text("deviceProcessName", "glassdomed", 1023);
    line.text("externalId", &record.seq.to_string(), 40);
    if let Some(log) = source.log {
        line.text("deviceExternalId", &log.to_string(), 255);
    }
    line.text("act", gist::outcome(record.outcome), 63);
    line.text("outcome", how_it_ended(record.outcome), 63);
    line.some("reason", record.by.as_deref(), 1023);
    line.text("msg", &message(record), 1023);
    line.number("cnt", record.repeated.saturating_add(1));
    let kernel = record.peer.as_ref().map(|peer| &peer.kernel);
    line.text("suid", &kernel.map_or(source.owner, |kernel| kernel.uid).to_string(), 1023);
    if let Some(pid) = kernel.and_then(|kernel| kernel.pid) {
        line.number("spid", pid);
    }
    line.some("sproc", kernel.and_then(|kernel| kernel.exe.as_ref()).map(|exe| &*exe.path), 1023);
    line.labelled("cn1", "bootMs", Some(record.boot_ms));
    line.labelled("cn2", "judgedPid", record.judged.as_ref().map(|judged| judged.pid));
    line.labelled("cn3", "session", record.session);
    line.labelled_text("cs1", "secret", record.secret.as_deref());
    line.labelled_text("cs2", "judged", record.judged.as_ref().map(|judged| &*judged.name));
    line.labelled_text(
        "cs3",
        "judgedScript",
        record.judged.as_ref().and_then(|judged| judged.script.as_deref()),
    );
    let claims = record.peer.as_ref().and_then(|peer| peer.claims.as_ref());
    let claims = claims.map(|claims| format!("{} {}", claims.client, claims.version));
    line.labelled_text("cs4", "claimedClient", claims.as_deref());
    line.labelled_text("cs5", "prev", record.prev.map(|prev| prev.to_string()).as_deref());
    line.labelled_text("cs6", "mac", record.mac.map(|mac| mac.to_string()).as_deref());
}

/// A line as far as it is written.
struct Line(String);

impl Line {
    fn header(&mut self, text: &str) {
        self.0.push('|');
        for c in text.chars() {
            match c {
                '|' | '\\' => self.0.extend(['\\', c]),
                c => self.0.push(shown(c)),
            }
        }
    }

    /// A key and its value, of which the dictionary takes `at_most` bytes.
    fn text(&mut self, key: &str, value: &str, at_most: usize) {
        self.key(key);
        let mut left = at_most;
        for c in value.chars() {
            let as_shown = if matches!(c, '\n' | '\r') { c } else { shown(c) };
            let Some(rest) = left.checked_sub(as_shown.len_utf8()) else { break };
            left = rest;
            match as_shown {
                '=' | '\\' => self.0.extend(['\\', c]),
                '\n' => self.0.push_str("\\n"),
                '\r' => self.0.push_str("\\r"),
                c => self.0.push(c),
            }
        }
    }

    fn some(&mut self, key: &str, value: Option<&str>, at_most: usize) {
        if let Some(value) = value {
            self.text(key, value, at_most);
        }
    }

    fn number(&mut self, key: &str, value: impl Display) {
        self.key(key);
        self.0.push_str(&value.to_string());
    }

    /// A key that means what its label says.
    fn labelled(&mut self, key: &str, label: &str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.number(key, value);
            self.text(&format!("{key}Label"), label, 1023);
        }
    }

    fn labelled_text(&mut self, key: &str, label: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(key, value, 4000);
            self.text(&format!("{key}Label"), label, 1023);
        }
    }

    fn key(&mut self, key: &str) {
        self.0.push(' ');
        self.0.push_str(key);
        self.0.push('=');
    }
}

/// The format has escapes for line breaks only: what else steers a terminal or turns a line around is
/// shown to have been there.
fn shown(c: char) -> char {
    if prints(c) { c } else { '\u{fffd}' }
}

/// Whether it is seen as it is; of the standard library's opinion, for which a mark that combines with
/// the letter before it must have one.
fn prints(c: char) -> bool {
    match c {
        ' '..='~' => true,
        _ => ['a', c].iter().collect::<String>().escape_debug().nth(2).is_none(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::export::{Format, export, samples};
    use crate::{Claims, Event, Exe, Hex, Judged, Outcome};

    const SOURCE: Source<'_> = Source { host: "laptop.example", owner: 1000, log: Some(Hex([7; 16])) };

    /// What a collector makes of a line: the header's fields, and the values by key.
    fn parse(line: &str) -> (Vec<String>, BTreeMap<String, String>) {
        let mut header = vec![String::new()];
        let mut chars = line.chars();
        while header.len() < 8 {
            match chars.next().expect("eight fields") {
                '\\' => header.last_mut().unwrap().push(chars.next().unwrap()),
                '|' => header.push(String::new()),
                c => header.last_mut().unwrap().push(c),
            }
        }
        header.pop();
        let (mut pairs, mut key, mut value) = (BTreeMap::new(), None::<String>, String::new());
        while let Some(c) = chars.next() {
            match c {
                '\\' => value.push(match chars.next().unwrap() {
                    'n' => '\n',
                    'r' => '\r',
                    c => c,
                }),
                '=' => {
                    // Before an equals sign stands a key, and before that a space.
                    let at = value.rfind(' ').map_or(0, |at| at + 1);
                    let next = value.split_off(at);
                    value.pop();
                    if let Some(key) = key.replace(next) {
                        assert!(pairs.insert(key, std::mem::take(&mut value)).is_none(), "{line}");
                    }
                    value.clear();
                }
                c => value.push(c),
            }
        }
        pairs.insert(key.unwrap(), value);
        (header, pairs)
    }

    fn exported(record: &Record<'_>, source: &Source<'_>) -> String {
        let mut line = Vec::new();
        export(record, Format::Cef, source, &mut line).unwrap();
        let line = String::from_utf8(line).unwrap();
        let (line, rest) = line.split_once('\n').unwrap();
        assert_eq!(rest, "", "one line");
        line.to_owned()
    }

    #[test]
    fn every_event_with_every_outcome_has_keys_of_the_dictionary_only() {
        let dictionary: BTreeMap<&str, (&str, &str)> = include_str!("../../tests/schema/cef-dictionary.csv")
            .lines()
            .skip(1)
            .map(|row| {
                let mut cells = row.split(',');
                let mut cell = || cells.next().unwrap();
                (cell(), (cell(), cell()))
            })
            .collect();
        for record in samples::records() {
            let (header, pairs) = parse(&exported(&record, &SOURCE));
            assert_eq!(&header[..3], ["CEF:0", "Glassdome", "glassdomed"]);
            assert_eq!(&header[4..6], [word(record.event), title(record.event)]);
            assert!((0..=10).contains(&header[6].parse::<u8>().unwrap()));
            assert_eq!(pairs["rt"], samples::MILLIS.to_string());
            for (key, value) in &pairs {
                let (length, kind) = dictionary[key.as_str()];
                assert!(length.is_empty() || value.len() <= length.parse().unwrap(), "{key}");
                assert!(kind == "String" || value.parse::<i64>().is_ok(), "{key}");
                if let Some(key) = key.strip_suffix("Label") {
                    assert!(pairs.contains_key(key));
                }
            }
        }
    }

    #[test]
    fn nothing_longer_than_the_dictionary_has_it() {
        let mut record = samples::full(Event::Get, Outcome::Allowed);
        record.by = Some("ключ".repeat(1000).into());
        let (_, pairs) = parse(&exported(&record, &Source { host: &"h".repeat(300), ..SOURCE }));
        assert_eq!((pairs["reason"].len(), pairs["dvchost"].len()), (1022, 100));
        assert!(pairs["msg"].len() <= 1023);
    }

    /// Ends a line, steers a terminal, or turns text around.
    fn steers(c: char) -> bool {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }

    #[test]
    fn letters_of_any_script_are_left_as_they_are() {
        for text in ["ключ", "चाबी", "مفتاح", "鍵", "🔑", "e\u{301}", "a|b\"'"] {
            assert!(text.chars().all(prints), "{text}");
        }
        for c in '\0'..=char::MAX {
            assert!(!steers(c) || !prints(c), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_others_wrote_ends_a_field(
            texts in prop::array::uniform7("([\\\\|= \n\r\t\0\u{1b}\u{202e}a-c]|.){0,40}"),
        ) {
            let [secret, by, path, name, script, client, host] = &texts;
            let mut record = samples::full(Event::Get, Outcome::Denied);
            record.secret = Some(secret.into());
            record.by = Some(by.into());
            record.judged = Some(Judged { pid: -1, name: name.into(), script: Some(script.into()) });
            if let Some(peer) = &mut record.peer {
                peer.kernel.exe = Some(Exe { path: path.into(), dev: 1, ino: 2 });
                peer.claims = Some(Claims { client: client.into(), version: "1".into() });
            }
            let line = exported(&record, &Source { host, ..SOURCE });
            prop_assert!(!line.contains(steers));
            let (header, pairs) = parse(&line);
            prop_assert_eq!(header.len(), 7);
            let shown = |text: &str| -> String {
                text.chars().map(|c| if matches!(c, '\n' | '\r') { c } else { super::shown(c) }).collect()
            };
            let client = format!("{client} 1");
            for (key, text) in
                [("cs1", secret), ("reason", by), ("sproc", path), ("cs2", name), ("cs3", script), ("cs4", &client)]
            {
                prop_assert_eq!(&pairs[key], &shown(text), "{}", key);
            }
            prop_assert_eq!(pairs.len(), 31);
        }
    }
}
