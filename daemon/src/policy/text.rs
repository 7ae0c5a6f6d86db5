//! The text of the rules, in the vault and in an editor: TOML, so that a person can read it, and a later
//! version can add to it. What this version does not know is an error: guessing could loosen what was
//! meant.

use glassdome_proto::policy::{Action, Decision};
use glassdome_proto::{Glob, Rate, date, limits};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::rule::{Digest, Origin, Pinned, Rule};
use crate::attest::unit::{Manager, Unit};

/// The key of the sealed setting that holds all rules.
pub const SETTING: &str = "policy";

/// Why rules could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unreadable {
    /// Not UTF-8.
    #[error("the rules are not UTF-8")]
    Encoding,
    /// Not TOML, or with a key that this version does not know.
    #[error("line {line}: {what}")]
    Form {
        /// Where, counted from one.
        line: usize,
        /// What the parser says.
        what: String,
    },
    /// More than [`limits::RULES`].
    #[error("there are more than {} rules", limits::RULES)]
    TooMany,
    /// Something that this version does not know, or that no rule may be.
    #[error("line {line}: the rule {id} has {what}")]
    Value {
        /// Where it begins, counted from one.
        line: usize,
        /// Which rule.
        id: String,
        /// What.
        what: &'static str,
    },
}

impl Unreadable {
    /// Where, counted from one, if that is one place.
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::Encoding | Self::TooMany => None,
            Self::Form { line, .. } | Self::Value { line, .. } => Some(*line),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    rule: Vec<Spanned<Entry>>,
}

#[derive(Serialize)]
struct Written {
    rule: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: String,
    decision: String,
    secrets: Vec<String>,
    actions: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_unit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exe: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exe_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rate: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    made: Option<u64>,
}

/// Reads the rules as they are sealed.
///
/// # Errors
/// [`Unreadable`].
pub fn read(text: &[u8]) -> Result<Vec<Rule>, Unreadable> {
    let read = typed(text)?.into_iter().map(|Typed { rule, line, is_new }| match is_new {
        false => Ok(rule),
        true => Err(Unreadable::Value { line, id: rule.id, what: "no time when it was made" }),
    });
    read.collect()
}

/// A rule as it stands in a text.
#[derive(Debug, PartialEq, Eq)]
pub struct Typed {
    /// The rule.
    pub rule: Rule,
    /// Where it begins, counted from one.
    pub line: usize,
    /// Whether the text does not say when it was made: nobody made it yet.
    pub is_new: bool,
}

/// Reads rules that somebody typed: as [`read`], but there may be new ones.
///
/// # Errors
/// [`Unreadable`].
pub fn typed(text: &[u8]) -> Result<Vec<Typed>, Unreadable> {
    let text = std::str::from_utf8(text).map_err(|_| Unreadable::Encoding)?;
    let line_of = |at: usize| text[..text.floor_char_boundary(at)].matches('\n').count() + 1;
    let document: Document = toml::from_str(text).map_err(|error| {
        let line = line_of(error.span().map_or(0, |span| span.start));
        // Its first line; others show the text around it.
        let what = error.message().lines().next().unwrap_or_default().to_owned();
        Unreadable::Form { line, what }
    })?;
    if document.rule.len() > limits::RULES {
        return Err(Unreadable::TooMany);
    }
    let rule = |entry: Spanned<Entry>| from_entry(line_of(entry.span().start), entry.into_inner());
    document.rule.into_iter().map(rule).collect()
}

/// Writes the rules.
///
/// # Errors
/// Never, of rules that were read or made by this version.
pub fn write(rules: &[Rule]) -> Result<String, toml::ser::Error> {
    toml::to_string(&Written { rule: rules.iter().map(to_entry).collect() })
}

fn from_entry(line: usize, entry: Entry) -> Result<Typed, Unreadable> {
    let id = entry.id;
    let unknown = |what| Unreadable::Value { line, id: id.clone(), what };
    let decision = Decision::parse(&entry.decision)
        .ok_or_else(|| unknown("a decision that this version does not know: allow, ask or deny"))?;
    let secrets: Result<Vec<Glob>, _> = entry.secrets.iter().map(|glob| Glob::parse(glob)).collect();
    let actions: Option<Vec<Action>> = entry.actions.iter().map(|word| Action::parse(word)).collect();
    let digest = |text: Option<String>| {
        text.map(|text| unhex(&text).ok_or_else(|| unknown("a digest that is not 64 hexadecimal digits")))
            .transpose()
    };
    let pinned = |path: Option<String>, sha256: Option<String>| match path {
        Some(path) => Ok(Some(Pinned { path, sha256: digest(sha256)? })),
        None if sha256.is_some() => Err(unknown("a digest of no file")),
        None => Ok(None),
    };
    let exe = pinned(entry.exe, entry.exe_sha256)?;
    let script = pinned(entry.script, entry.script_sha256)?;
    let (manager, name) = match (&entry.unit, &entry.user_unit) {
        (Some(_), Some(_)) => return Err(unknown("both a unit and a user_unit")),
        (None, name) => (Manager::User, name),
        (name, None) => (Manager::System, name),
    };
    let named = |name: &String| {
        Unit::named(manager, name).ok_or_else(|| unknown("a unit that cannot be called so (NAME.service)"))
    };
    let unit = name.as_ref().map(named).transpose()?;
    let rate = entry.rate.as_ref().map(|text| {
        Rate::parse(text).ok_or_else(|| unknown("a rate that is none: N/s, N/min, N/h or N/day"))
    });
    let expires = entry.expires.as_ref().map(|text| {
        date::parse(text).ok_or_else(|| unknown("an end that is no date: 2027-01-01 or 2027-01-01T00:00:00Z"))
    });
    // Nothing this version makes; what it would cover could only be guessed.
    if script.is_some() && exe.is_none() {
        return Err(unknown("a script without its interpreter"));
    }
    if decision == Decision::Allow && exe.is_none() && unit.is_none() {
        return Err(unknown("a right for everybody"));
    }
    if decision != Decision::Allow && rate.is_some() {
        return Err(unknown("a rate, though it allows nothing"));
    }
    let rule = Rule {
        origin: Origin::Sealed,
        decision,
        secrets: secrets.map_err(|_| unknown("a glob that is empty or too long"))?,
        actions: actions.ok_or_else(|| unknown("an action that this version does not know"))?,
        exe,
        script,
        unit,
        process: None,
        rate: rate.transpose()?,
        expires: expires.transpose()?,
        made: entry.made.unwrap_or_default(),
        id,
    };
    Ok(Typed { rule, line, is_new: entry.made.is_none() })
}

fn to_entry(rule: &Rule) -> Entry {
    let (exe, script) = (rule.exe.as_ref(), rule.script.as_ref());
    let unit = |manager| {
        let unit = rule.unit.as_ref().filter(|unit| unit.manager == manager);
        unit.map(|unit| unit.name.clone())
    };
    Entry {
        id: rule.id.clone(),
        decision: rule.decision.name().to_owned(),
        secrets: rule.secrets.iter().map(ToString::to_string).collect(),
        actions: rule.actions.iter().map(|action| action.name().to_owned()).collect(),
        unit: unit(Manager::System),
        user_unit: unit(Manager::User),
        exe: exe.map(|exe| exe.path.clone()),
        exe_sha256: exe.and_then(|exe| exe.sha256.as_ref()).map(hex),
        script: script.map(|script| script.path.clone()),
        script_sha256: script.and_then(|script| script.sha256.as_ref()).map(hex),
        rate: rule.rate.map(|rate| rate.to_string()),
        // Whoever makes a rule refuses an end that no text can name.
        expires: rule.expires.and_then(date::write),
        made: Some(rule.made),
    }
}

fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(id: &str, path: &str, pin: Option<Digest>, script: Option<&str>) -> Rule {
        Rule {
            id: id.into(),
            secrets: vec![Glob::parse("aws/*").unwrap(), Glob::parse("db/**").unwrap()],
            actions: vec![Action::Get, Action::Remove],
            exe: Some(Pinned { path: path.into(), sha256: pin }),
            script: script.map(|path| Pinned { path: path.into(), sha256: Some([7; 32]) }),
            made: 1_795_305_600,
            ..Rule::any()
        }
    }

    fn full() -> Rule {
        Rule {
            unit: Unit::named(Manager::System, "api.service"),
            rate: Rate::parse("60/min"),
            expires: Some(1_798_761_600),
            ..rule("deploy", "/bin/x", Some([1; 32]), Some("/s"))
        }
    }

    #[test]
    fn what_it_covers() {
        let rule = rule("a", "/bin/x", None, None);
        assert!(rule.covers(Action::Get, "aws/key") && rule.covers(Action::Remove, "db/a/b"));
        assert!(!rule.covers(Action::Get, "aws/a/b") && !rule.covers(Action::Set, "aws/key"));
        let rule = full();
        assert!(!rule.is_over(1_798_761_599) && rule.is_over(1_798_761_600));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let good = write(&[full()]).unwrap();
        assert_eq!(read(good.as_bytes()).unwrap().len(), 1, "control");
        for (from, to) in [
            ("\"allow\"", "\"denied\""),
            ("exe = ", "exec = "),
            ("\"get\"", "\"gets\""),
            ("made", "born"),
            ("0101", "01zz"),
            ("0101", "01"),
            ("[[rule]]", "rate = 1\n[[rule]]"),
            ("id = ", "pin = [\"exe\"]\nid = "),
            ("60/min", "60/m"),
            ("60/min", "0/min"),
            ("2027-01-01T00:00:00Z", "2027-13-01"),
            ("api.service", "api"),
            ("unit = ", "user_unit = \"a.service\"\nunit = "),
            ("made = 1795305600", ""),
            ("\"allow\"", "\"deny\""),
        ] {
            assert!(good.contains(from), "{from}");
            assert!(read(good.replacen(from, to, 1).as_bytes()).is_err(), "{from} -> {to}");
        }
        assert_eq!(read(&[0xff]), Err(Unreadable::Encoding));
        assert_eq!(read(b""), Ok(vec![]));
    }

    #[test]
    fn what_allows_is_about_somebody() {
        let of = |decision: &str, whom: &str| {
            read(
                format!(
                    "[[rule]]\nid='a'\ndecision='{decision}'\nsecrets=['a']\nactions=['get']\n{whom}\nmade=1"
                )
                .as_bytes(),
            )
        };
        assert!(of("allow", "exe='/a'").is_ok() && of("allow", "unit='a.service'").is_ok());
        assert!(of("allow", "").is_err() && of("deny", "").is_ok() && of("ask", "").is_ok());
        assert!(of("deny", "script='/a'").is_err());
    }

    #[test]
    fn errors_name_the_line() {
        let text = write(&[full(), full()]).unwrap();
        let lines = |text: &str| text.lines().count();
        let second = text.rfind("[[rule]]").unwrap();
        let line = lines(&text[..second]) + 1;
        let at = |text: &str| read(text.as_bytes()).unwrap_err().line();
        let bad =
            |from: &str, to: &str| format!("{}{}", &text[..second], text[second..].replacen(from, to, 1));
        assert_eq!(at(&bad("60/min", "60")), Some(line));
        assert_eq!(at(&bad("exe = ", "exec = ")), Some(line + 6), "{text}");
        assert_eq!(at(&bad("made = 1795305600", "made = ")), Some(lines(&text)));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            id in "[ -~]{1,20}",
            path in "/[^\0]{0,40}",
            pin: Option<[u8; 32]>,
            script in proptest::option::of("/[^\0]{0,40}"),
            unit in proptest::option::of("[a-z@:]{1,20}\\.service"),
            system: bool,
            count in 0u32..100,
            expires in proptest::option::of(0..253_402_300_799u64),
        ) {
            let manager = if system { Manager::System } else { Manager::User };
            let rule = Rule {
                unit: unit.and_then(|name| Unit::named(manager, &name)),
                rate: Rate::parse(&format!("{count}/h")),
                expires,
                ..rule(&id, &path, pin, script.as_deref())
            };
            let anyone = Rule { decision: Decision::Deny, exe: None, script: None, unit: None, rate: None, ..rule.clone() };
            let rules = vec![rule, anyone];
            prop_assert_eq!(read(write(&rules).unwrap().as_bytes()), Ok(rules));
        }

        #[test]
        fn nothing_makes_it_panic(text: Vec<u8>) {
            let _ = read(&text);
        }
    }
}
