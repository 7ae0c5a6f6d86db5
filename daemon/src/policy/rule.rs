//! A sealed rule, and its text in the vault: TOML, so that a person could read it, and a later version
//! can add to it. What this version does not know is an error: guessing could loosen what was meant.

use glassdome_proto::policy::Action;
use glassdome_proto::{Glob, limits};
use serde::{Deserialize, Serialize};

/// The key of the sealed setting that holds all rules.
pub const SETTING: &str = "policy";

/// SHA-256 of a file's bytes.
pub type Digest = [u8; 32];

/// A rule that allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// Names that it covers.
    pub secrets: Vec<Glob>,
    /// What may be done with them.
    pub actions: Vec<Action>,
    /// The executable.
    pub exe: Pinned,
    /// The script, where the executable is an interpreter.
    pub script: Option<Pinned>,
    /// When it was made, in seconds since the epoch.
    pub made: u64,
}

/// A file that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Its path, without symbolic links.
    pub path: String,
    /// What its bytes must be; any if `None`.
    pub sha256: Option<Digest>,
}

impl Rule {
    /// Whether it allows this, to whom it is about.
    pub fn allows(&self, action: Action, secret: &str) -> bool {
        self.actions.contains(&action) && self.secrets.iter().any(|glob| glob.matches(secret))
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
    exe: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exe_sha256: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    script_sha256: Option<String>,
    made: u64,
}

/// The only decision that a rule of this version makes.
const ALLOW: &str = "allow";

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
    if entry.decision != ALLOW {
        return Err(unknown("decision"));
    }
    let secrets: Result<Vec<Glob>, _> = entry.secrets.iter().map(|glob| Glob::parse(glob)).collect();
    let actions: Option<Vec<Action>> = entry.actions.iter().map(|word| Action::parse(word)).collect();
    let digest =
        |text: Option<String>| text.map(|text| unhex(&text).ok_or_else(|| unknown("digest"))).transpose();
    let exe = Pinned { path: entry.exe, sha256: digest(entry.exe_sha256)? };
    let script_sha256 = digest(entry.script_sha256)?;
    Ok(Rule {
        secrets: secrets.map_err(|_| unknown("glob"))?,
        actions: actions.ok_or_else(|| unknown("action"))?,
        exe,
        script: entry.script.map(|path| Pinned { path, sha256: script_sha256 }),
        made: entry.made,
        id,
    })
}

fn to_entry(rule: &Rule) -> Entry {
    let script = rule.script.as_ref();
    Entry {
        id: rule.id.clone(),
        decision: ALLOW.to_owned(),
        secrets: rule.secrets.iter().map(ToString::to_string).collect(),
        actions: rule.actions.iter().map(|action| action.name().to_owned()).collect(),
        exe: rule.exe.path.clone(),
        exe_sha256: rule.exe.sha256.as_ref().map(hex),
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
            secrets: vec![Glob::parse("aws/*").unwrap(), Glob::parse("db/**").unwrap()],
            actions: vec![Action::Get, Action::Remove],
            exe: Pinned { path: path.into(), sha256: pin },
            script: script.map(|path| Pinned { path: path.into(), sha256: Some([7; 32]) }),
            made: 1_795_305_600,
        }
    }

    #[test]
    fn what_it_allows() {
        let rule = rule("a", "/bin/x", None, None);
        assert!(rule.allows(Action::Get, "aws/key") && rule.allows(Action::Remove, "db/a/b"));
        assert!(!rule.allows(Action::Get, "aws/a/b") && !rule.allows(Action::Set, "aws/key"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let good = write(&[rule("deploy", "/bin/x", Some([1; 32]), Some("/s"))]).unwrap();
        assert_eq!(read(good.as_bytes()).unwrap().len(), 1, "control");
        for (from, to) in [
            ("\"allow\"", "\"deny\""),
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
