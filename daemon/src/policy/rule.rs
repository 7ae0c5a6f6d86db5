//! A sealed rule, and its text in the vault: TOML, so that a person could read it, and a later version
//! can add to it. What this version does not know is an error: guessing could loosen what was meant.

use std::sync::Arc;

use glassdome_proto::policy::{Action, Decision};
use glassdome_proto::{Glob, limits};
use serde::{Deserialize, Serialize};

use crate::attest::lineage::Held;

/// The key of the sealed setting that holds all rules.
pub const SETTING: &str = "policy";

/// SHA-256 of a file's bytes.
pub type Digest = [u8; 32];

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What it says.
    pub decision: Decision,
    /// Names that it covers.
    pub secrets: Vec<Glob>,
    /// What may be done with them.
    pub actions: Vec<Action>,
    /// The executable; `None` if it is about whatever asks.
    pub exe: Option<Pinned>,
    /// The script, where the executable is an interpreter.
    pub script: Option<Pinned>,
    /// The one process that it is about. Only of an answer.
    pub process: Option<Process>,
    /// When it was made, in seconds since the epoch.
    pub made: u64,
}

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is sealed in the vault.
    Sealed,
    /// A person's answer, remembered until the session ends at the latest; by number.
    Answer(u32),
}

/// One process, held so that its end is seen, and that it became another program.
#[derive(Debug, Clone)]
pub struct Process(pub Arc<Held>);

impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Process {}

/// A file that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Its path, without symbolic links.
    pub path: String,
    /// What its bytes must be; any if `None`.
    pub sha256: Option<Digest>,
}

impl Rule {
    /// Whether it speaks about this.
    pub fn covers(&self, action: Action, secret: &str) -> bool {
        self.actions.contains(&action) && self.secrets.iter().any(|glob| glob.matches(secret))
    }

    /// Whether it is about whatever asks.
    pub fn is_about_anyone(&self) -> bool {
        self.exe.is_none() && self.process.is_none()
    }

    /// As the log records it.
    pub fn word(&self) -> String {
        match self.origin {
            Origin::Sealed => format!("rule:{}", self.id),
            Origin::Answer(id) => format!("answer:{id}"),
        }
    }
}

/// Why sealed rules could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unreadable {
    /// Not text, not TOML, or with a key that this version does not know.
    #[error("the sealed rules are in a form that this version does not know")]
    Form,
    /// A value that this version does not know.
    #[error("the sealed rule {id} has a {what} that this version does not know")]
    Value {
        /// Which rule.
        id: String,
        /// Which value.
        what: &'static str,
    },
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
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
    exe: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exe_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script_sha256: Option<String>,
    made: u64,
}

/// Reads the rules.
///
/// # Errors
/// [`Unreadable`].
pub fn read(text: &[u8]) -> Result<Vec<Rule>, Unreadable> {
    let text = std::str::from_utf8(text).map_err(|_| Unreadable::Form)?;
    let document: Document = toml::from_str(text).map_err(|_| Unreadable::Form)?;
    if document.rule.len() > limits::RULES {
        return Err(Unreadable::Form);
    }
    document.rule.into_iter().map(from_entry).collect()
}

/// Writes the rules.
///
/// # Errors
/// Never, of rules that were read or made by this version.
pub fn write(rules: &[Rule]) -> Result<String, toml::ser::Error> {
    toml::to_string(&Document { rule: rules.iter().map(to_entry).collect() })
}

fn from_entry(entry: Entry) -> Result<Rule, Unreadable> {
    let id = entry.id;
    let unknown = |what| Unreadable::Value { id: id.clone(), what };
    let decision = Decision::parse(&entry.decision).ok_or_else(|| unknown("decision"))?;
    let secrets: Result<Vec<Glob>, _> = entry.secrets.iter().map(|glob| Glob::parse(glob)).collect();
    let actions: Option<Vec<Action>> = entry.actions.iter().map(|word| Action::parse(word)).collect();
    let digest =
        |text: Option<String>| text.map(|text| unhex(&text).ok_or_else(|| unknown("digest"))).transpose();
    let pinned = |path: Option<String>, sha256: Option<String>| match path {
        Some(path) => Ok(Some(Pinned { path, sha256: digest(sha256)? })),
        None if sha256.is_some() => Err(unknown("digest of no file")),
        None => Ok(None),
    };
    let exe = pinned(entry.exe, entry.exe_sha256)?;
    let script = pinned(entry.script, entry.script_sha256)?;
    // Nothing this version makes; what it would cover could only be guessed.
    if script.is_some() && exe.is_none() {
        return Err(unknown("script without its interpreter"));
    }
    if decision == Decision::Allow && exe.is_none() {
        return Err(unknown("right for everybody"));
    }
    Ok(Rule {
        origin: Origin::Sealed,
        decision,
        secrets: secrets.map_err(|_| unknown("glob"))?,
        actions: actions.ok_or_else(|| unknown("action"))?,
        exe,
        script,
        process: None,
        made: entry.made,
        id,
    })
}

fn to_entry(rule: &Rule) -> Entry {
    let (exe, script) = (rule.exe.as_ref(), rule.script.as_ref());
    Entry {
        id: rule.id.clone(),
        decision: rule.decision.name().to_owned(),
        secrets: rule.secrets.iter().map(ToString::to_string).collect(),
        actions: rule.actions.iter().map(|action| action.name().to_owned()).collect(),
        exe: exe.map(|exe| exe.path.clone()),
        exe_sha256: exe.and_then(|exe| exe.sha256.as_ref()).map(hex),
        script: script.map(|script| script.path.clone()),
        script_sha256: script.and_then(|script| script.sha256.as_ref()).map(hex),
        made: rule.made,
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
            origin: Origin::Sealed,
            decision: Decision::Allow,
            secrets: vec![Glob::parse("aws/*").unwrap(), Glob::parse("db/**").unwrap()],
            actions: vec![Action::Get, Action::Remove],
            exe: Some(Pinned { path: path.into(), sha256: pin }),
            script: script.map(|path| Pinned { path: path.into(), sha256: Some([7; 32]) }),
            process: None,
            made: 1_795_305_600,
        }
    }

    #[test]
    fn what_it_covers() {
        let rule = rule("a", "/bin/x", None, None);
        assert!(rule.covers(Action::Get, "aws/key") && rule.covers(Action::Remove, "db/a/b"));
        assert!(!rule.covers(Action::Get, "aws/a/b") && !rule.covers(Action::Set, "aws/key"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let good = write(&[rule("deploy", "/bin/x", Some([1; 32]), Some("/s"))]).unwrap();
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
        ] {
            assert!(good.contains(from), "{from}");
            assert!(read(good.replacen(from, to, 1).as_bytes()).is_err(), "{from} -> {to}");
        }
        assert_eq!(read(&[0xff]), Err(Unreadable::Form));
        assert_eq!(read(b""), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(id in "[ -~]{1,20}", path in "/[^\0]{0,40}", pin: Option<[u8; 32]>, script in proptest::option::of("/[^\0]{0,40}")) {
            let rules = vec![rule(&id, &path, pin, script.as_deref()), rule("b", "/c", None, None)];
            prop_assert_eq!(read(write(&rules).unwrap().as_bytes()), Ok(rules));
        }

        #[test]
        fn nothing_makes_it_panic(text: Vec<u8>) {
            let _ = read(&text);
        }
    }
}
