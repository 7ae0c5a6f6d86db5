//! A record as a document of the Elastic Common Schema, 9.4.0
//! (<https://www.elastic.co/docs/reference/ecs>). What the schema has no field for stands under
//! `glassdome`, as the schema asks for fields of one's own.

use serde::Serialize;

use super::gist::{message, outcome, severity, word};
use super::own::Own;
use super::{Source, how_it_ended, of_ten};
use crate::{Event, Exe, Outcome, Record};

/// The version of the schema.
const VERSION: &str = "9.4.0";

#[derive(Serialize)]
pub(super) struct Document<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: &'a str,
    ecs: Ecs,
    message: String,
    event: Described<'a>,
    host: Host<'a>,
    service: Service,
    user: Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Process<'a>>,
    glassdome: Ours<'a>,
}

#[derive(Serialize)]
struct Ecs {
    version: &'static str,
}

#[derive(Serialize)]
struct Described<'a> {
    kind: &'static str,
    category: &'static [&'static str],
    #[serde(rename = "type")]
    types: Vec<&'static str>,
    action: &'static str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    id: String,
    sequence: u64,
    severity: u8,
    module: &'static str,
    dataset: &'static str,
    provider: &'static str,
}

#[derive(Serialize)]
struct Host<'a> {
    hostname: &'a str,
}

#[derive(Serialize)]
struct Service {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Serialize)]
struct Id {
    id: String,
}

#[derive(Serialize)]
struct Process<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pid: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    executable: Option<&'a str>,
}

/// What is ours alone, named as in the record.
#[derive(Serialize)]
struct Ours<'a> {
    outcome: &'static str,
    repeated: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
    #[serde(flatten)]
    others: Own<'a>,
}

/// The document that `record` is.
pub(super) fn document<'a>(record: &'a Record<'_>, source: &'a Source<'_>) -> Document<'a> {
    let kernel = record.peer.as_ref().map(|peer| &peer.kernel);
    Document {
        timestamp: &record.time,
        ecs: Ecs { version: VERSION },
        message: message(record),
        event: described(record, source),
        host: Host { hostname: source.host },
        service: Service { name: "glassdomed", kind: "glassdome" },
        user: Id { id: kernel.map_or(source.owner, |kernel| kernel.uid).to_string() },
        group: kernel.and_then(|kernel| kernel.gid).map(|gid| Id { id: gid.to_string() }),
        process: kernel.filter(|kernel| kernel.pid.is_some() || kernel.exe.is_some()).map(|kernel| {
            let exe = kernel.exe.as_ref();
            Process { pid: kernel.pid, name: exe.map(Exe::name), executable: exe.map(|exe| &*exe.path) }
        }),
        glassdome: Ours {
            outcome: outcome(record.outcome),
            repeated: record.repeated,
            session: record.session,
            secret: record.secret.as_deref(),
            others: Own::of(record),
        },
    }
}

fn described<'a>(record: &'a Record<'_>, source: &Source<'_>) -> Described<'a> {
    let (category, types) = category(record.event);
    Described {
        kind: match record.event {
            Event::Canary | Event::VaultDamaged | Event::Alarm | Event::Rollback => "alert",
            _ => "event",
        },
        category,
        types: types.iter().copied().chain(decided(category, record.outcome)).collect(),
        action: word(record.event),
        outcome: how_it_ended(record.outcome),
        reason: record.by.as_deref(),
        id: source.id_of(record),
        sequence: record.seq,
        severity: of_ten(severity(record.event, record.outcome)),
        module: "glassdome",
        dataset: "glassdome.audit",
        provider: "glassdomed",
    }
}

/// Categories, and types that the schema expects in them.
fn category(event: Event) -> (&'static [&'static str], &'static [&'static str]) {
    match event {
        Event::Start => (&["process"], &["start"]),
        Event::Stop => (&["process"], &["end"]),
        Event::Unlock => (&["authentication", "session"], &["start"]),
        Event::Lock | Event::Panic => (&["session"], &["end"]),
        Event::EndPanic | Event::Prove => (&["authentication"], &["info"]),
        Event::Pause | Event::Resume => (&["session"], &["info"]),
        Event::Connect
        | Event::Backup
        | Event::StorageTest
        | Event::Encrypt
        | Event::Decrypt
        | Event::Export
        | Event::Get
        | Event::List
        | Event::Info
        | Event::TakeOver
        | Event::WhoAmI => (&["api"], &["access"]),
        Event::Create | Event::Recover => (&["api"], &["creation"]),
        Event::Set | Event::Move | Event::Restore => (&["api"], &["change"]),
        Event::Remove | Event::TakeAway => (&["api"], &["deletion"]),
        Event::ChangePassword
        | Event::ChangePin
        | Event::Recovery
        | Event::DeviceKey
        | Event::Rotate
        | Event::Grant
        | Event::Approve => (&["iam"], &["user", "change"]),
        Event::Handle => (&["iam"], &["user", "creation"]),
        Event::Revoke => (&["iam"], &["user", "deletion"]),
        Event::Grants | Event::Answers | Event::Handles | Event::Questions | Event::Ask | Event::Refuse => {
            (&["iam"], &["user", "info"])
        }
        Event::Settings | Event::Rules => (&["configuration"], &["access"]),
        Event::ChangeSetting
        | Event::ChangeRules
        | Event::Auditor
        | Event::AcceptLog
        | Event::AcceptRollback => (&["configuration"], &["change"]),
        Event::Canary | Event::VaultDamaged | Event::Alarm | Event::Rollback => {
            (&["intrusion_detection"], &["info"])
        }
        Event::Log => (&["file"], &["creation"]),
        Event::Seal | Event::Repair => (&["file"], &["change"]),
        Event::Retire => (&["file"], &["deletion"]),
    }
}

/// Whether it was allowed, in the categories that have types for that.
fn decided(category: &[&str], outcome: Outcome) -> Option<&'static str> {
    let has = matches!(category, ["api" | "intrusion_detection"]);
    has.then_some(match outcome {
        Outcome::Allowed | Outcome::Failed => "allowed",
        Outcome::Denied => "denied",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::export::{Format, export, samples};

    const SOURCE: Source<'_> = Source { host: "laptop.example", owner: 1000, log: None };

    fn schema() -> Value {
        let schema: Value = serde_json::from_str(include_str!("../../tests/schema/ecs-9.4.0.json")).unwrap();
        assert_eq!(schema["version"], VERSION);
        schema["fields"].clone()
    }

    fn exported(record: &Record<'_>) -> Value {
        let mut line = Vec::new();
        export(record, Format::Ecs, &SOURCE, &mut line).unwrap();
        assert_eq!(line.iter().filter(|byte| !(b' '..=b'~').contains(byte)).count(), 1, "only the newline");
        serde_json::from_slice(&line).unwrap()
    }

    fn check(fields: &Value, at: &str, value: &Value) -> Result<(), String> {
        if let Value::Object(members) = value {
            let path = |name: &str| if at.is_empty() { name.into() } else { format!("{at}.{name}") };
            return members
                .iter()
                .filter(|(name, _)| *name != "glassdome")
                .try_for_each(|(name, value)| check(fields, &path(name), value));
        }
        let spec = fields.get(at).ok_or_else(|| format!("{at} is not in the schema"))?;
        let values = match (spec["array"] == true, value) {
            (true, Value::Array(values)) => values.iter().collect(),
            (false, value) => vec![value],
            (true, _) => return Err(format!("{at} is no array")),
        };
        values.into_iter().try_for_each(|value| {
            let fits = match spec["type"].as_str().unwrap() {
                "keyword" | "match_only_text" => value.is_string(),
                "long" => value.is_i64(),
                "date" => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
                _ => false,
            };
            let allowed =
                spec["allowed"].is_null() || value.as_str().is_some_and(|v| spec["allowed"].get(v).is_some());
            if fits && allowed { Ok(()) } else { Err(format!("{at} cannot be {value}")) }
        })
    }

    #[test]
    fn every_event_with_every_outcome_is_of_the_schema() {
        let fields = schema();
        for record in samples::records() {
            let document = exported(&record);
            check(&fields, "", &document).unwrap_or_else(|why| panic!("{:?}: {why}", record.event));
            for category in document["event"]["category"].as_array().unwrap() {
                let expected = &fields["event.category"]["allowed"][category.as_str().unwrap()];
                for kind in document["event"]["type"].as_array().unwrap() {
                    assert!(
                        expected.as_array().unwrap().contains(kind),
                        "{:?} {category} {kind}",
                        record.event
                    );
                }
            }
            for needed in ["/@timestamp", "/ecs/version", "/event/kind", "/event/category/0", "/event/type/0"]
            {
                assert!(document.pointer(needed).is_some(), "{needed}");
            }
        }
    }

    #[test]
    fn the_check_finds_what_is_wrong() {
        let fields = schema();
        let good = exported(&samples::full(Event::Get, Outcome::Denied));
        for (at, wrong) in [
            ("/event/kind", "happening".into()),
            ("/event/category/0", "secrets".into()),
            ("/event/category", "api".into()),
            ("/event/outcome", "denied".into()),
            ("/event/sequence", "7".into()),
            ("/process/pid", "1234".into()),
            ("/user/id", Value::from(1000)),
            ("/@timestamp", "yesterday".into()),
            ("/host", serde_json::json!({ "nickname": "a" })),
        ] {
            let mut document = good.clone();
            *document.pointer_mut(at).unwrap() = wrong;
            assert!(check(&fields, "", &document).is_err(), "{at}");
        }
        assert_eq!(good.pointer("/event/type").unwrap(), &serde_json::json!(["access", "denied"]));
        assert_eq!(good.pointer("/process/executable").unwrap(), "/usr/bin/ctl");
        assert_eq!(good.pointer("/glassdome/session").unwrap(), 5);
    }
}
