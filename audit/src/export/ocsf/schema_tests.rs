//! Every exported event against the published schema: attributes, types, requirements, enums,
//! siblings, constraints and profiles.

use serde_json::{Map, Value, json};

use crate::export::{Format, Source, export, samples};
use crate::{Event, Hex, Outcome, Record};

struct Schema(Value);

type Checked = Result<(), String>;

impl Schema {
    fn published() -> Self {
        let text = include_str!("../../../tests/schema/ocsf-1.5.0.json");
        let schema = Self(serde_json::from_str(text).unwrap());
        assert_eq!(schema.0["version"], super::VERSION);
        schema
    }

    fn check(&self, event: &Value) -> Checked {
        let mut classes = self.0["classes"].as_object().unwrap().values();
        let class = classes.find(|class| class["uid"] == event["class_uid"]).ok_or("no such class")?;
        let profiles = event["metadata"]["profiles"].as_array().ok_or("no profiles")?;
        for profile in profiles {
            fail_unless(class["profiles"].as_array().unwrap().contains(profile), || format!("{profile}"))?;
        }
        let number = |name: &str| event[name].as_u64().ok_or(format!("{name} is no number"));
        let type_uid = number("class_uid")? * 100 + number("activity_id")?;
        fail_unless(type_uid == number("type_uid")?, || "type_uid is not class and activity".into())?;
        fail_unless(
            class["category_uid"].is_null() || class["category_uid"] == event["category_uid"],
            || "another category".into(),
        )?;
        self.object(class, event, profiles, "event")
    }

    fn object(&self, kind: &Value, object: &Value, profiles: &[Value], at: &str) -> Checked {
        let object = object.as_object().ok_or_else(|| format!("{at} is no object"))?;
        fail_unless(kind["deprecated"].is_null(), || format!("{at} is deprecated"))?;
        let attributes = kind["attributes"].as_object().unwrap();
        let active = |spec: &Value| spec["profile"].is_null() || profiles.contains(&spec["profile"]);
        for (name, value) in object {
            let at = format!("{at}.{name}");
            let spec = attributes.get(name).ok_or_else(|| format!("{at} is not in the schema"))?;
            fail_unless(active(spec), || format!("{at} is of a profile that is not claimed"))?;
            fail_unless(spec["deprecated"].is_null(), || format!("{at} is deprecated"))?;
            self.values(spec, value, profiles, &at)?;
            sibling(spec, value, object, &at)?;
        }
        for (name, spec) in attributes {
            let needed = spec["requirement"] == "required" && active(spec);
            fail_unless(!needed || object.contains_key(name), || format!("{at}.{name} is required"))?;
        }
        let there = |names: &Value| {
            let names = names.as_array().into_iter().flatten();
            names.filter(|name| object.contains_key(name.as_str().unwrap())).count()
        };
        let (any, one) = (&kind["constraints"]["at_least_one"], &kind["constraints"]["just_one"]);
        fail_unless(any.is_null() || there(any) > 0, || format!("{at}: none of {any}"))?;
        fail_unless(one.is_null() || there(one) == 1, || format!("{at}: not just one of {one}"))
    }

    fn values(&self, spec: &Value, value: &Value, profiles: &[Value], at: &str) -> Checked {
        match (spec["array"] == true, value) {
            (true, Value::Array(values)) => {
                values.iter().try_for_each(|value| self.value(spec, value, profiles, at))
            }
            (false, value) => self.value(spec, value, profiles, at),
            (true, _) => Err(format!("{at} is no array")),
        }
    }

    fn value(&self, spec: &Value, value: &Value, profiles: &[Value], at: &str) -> Checked {
        let kind = spec["type"].as_str().unwrap();
        let fits = match kind {
            "object:object" => value.is_object(),
            "boolean_t" => value.is_boolean(),
            "integer_t" => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            "long_t" | "timestamp_t" => value.is_i64(),
            "string_t" | "hostname_t" | "username_t" | "file_name_t" | "file_path_t" | "process_name_t"
            | "resource_uid_t" => value.is_string(),
            other => match other.strip_prefix("object:") {
                Some(name) => {
                    let kind = &self.0["objects"][name];
                    fail_unless(kind.is_object(), || {
                        format!("{at}: {name} is not among the vendored objects")
                    })?;
                    return self.object(kind, value, profiles, at);
                }
                None => return Err(format!("{at} is of an unknown type {other}")),
            },
        };
        fail_unless(fits, || format!("{at} is no {kind}: {value}"))?;
        let key = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let allowed = spec["enum"].is_null() || spec["enum"].get(&key).is_some();
        fail_unless(allowed, || format!("{at}: {value} is not among its values"))
    }
}

/// The text beside a number says what the schema calls that number; beside 99, anything.
fn sibling(spec: &Value, value: &Value, object: &Map<String, Value>, at: &str) -> Checked {
    let Some(name) = spec["sibling"].as_str() else { return Ok(()) };
    match object.get(name) {
        None => fail_unless(value != 99, || format!("{at} is 99 and nothing says what that is")),
        Some(_) if value == 99 => Ok(()),
        Some(text) => {
            fail_unless(spec["enum"][value.to_string()] == *text, || format!("{at} {value} is not {text}"))
        }
    }
}

fn fail_unless(holds: bool, why: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(why()) }
}

const SOURCE: Source<'_> = Source { host: "laptop.example", owner: 1000, log: Some(Hex([7; 16])) };

fn exported(record: &Record<'_>) -> Value {
    let mut line = Vec::new();
    export(record, Format::Ocsf, &SOURCE, &mut line).unwrap();
    assert_eq!(line.iter().filter(|byte| !(b' '..=b'~').contains(byte)).count(), 1, "only the newline");
    serde_json::from_slice(&line).unwrap()
}

#[test]
fn every_event_with_every_outcome_is_of_the_schema() {
    let schema = Schema::published();
    for record in samples::records() {
        let event = exported(&record);
        if let Err(why) = schema.check(&event) {
            panic!("{:?} {:?}: {why}\n{event}", record.event, record.outcome);
        }
        assert_eq!(event["time"], samples::MILLIS);
        assert_eq!(event["metadata"]["uid"], format!("{}:{}", Hex([7; 16]), record.seq));
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let schema = Schema::published();
    let good = exported(&samples::full(Event::Get, Outcome::Allowed));
    assert_eq!(schema.check(&good), Ok(()));
    for name in ["metadata", "time", "severity_id", "actor", "api", "src_endpoint", "category_uid"] {
        let mut event = good.clone();
        event.as_object_mut().unwrap().remove(name);
        assert!(schema.check(&event).is_err(), "without {name}");
    }
    for (at, wrong) in [
        ("/type_uid", json!(600_303)),
        ("/activity_id", json!(5)),
        ("/class_uid", json!(6005)),
        ("/severity_id", json!(7)),
        ("/severity", json!("High")),
        ("/status_id", json!("1")),
        ("/time", json!("2026-11-22T00:24:50Z")),
        ("/type_name", json!("API Activity: Update")),
        ("/actor", json!({})),
        ("/actor/process", json!({ "name": "ctl" })),
        ("/metadata/product", json!({})),
        ("/metadata/profiles", json!(["host"])),
        ("/metadata/version", json!(1.5)),
        ("/device/type_id", json!(99_999)),
        ("/resources", json!({ "name": "a" })),
        ("/secret", json!("a")),
        ("/count", json!(-5_000_000_000_i64)),
    ] {
        let mut event = good.clone();
        match event.pointer_mut(at) {
            Some(value) => *value = wrong,
            None => drop(event.as_object_mut().unwrap().insert(at[1..].into(), wrong)),
        }
        assert!(schema.check(&event).is_err(), "{at}");
    }
}

#[test]
fn what_is_known_of_a_request_has_its_place() {
    let event = exported(&samples::full(Event::Get, Outcome::Denied));
    let record = samples::full(Event::Get, Outcome::Denied);
    for (at, value) in [
        ("/class_uid", json!(6003)),
        ("/type_uid", json!(600_302)),
        ("/status_id", json!(2)),
        ("/status_detail", json!("rule:3")),
        ("/action_id", json!(2)),
        ("/disposition", json!("Blocked")),
        ("/count", json!(5)),
        ("/actor/process/pid", json!(1234)),
        ("/actor/process/name", json!("ctl")),
        ("/actor/process/file/path", json!("/usr/bin/ctl")),
        ("/actor/process/ancestry/0", json!({ "pid": 9, "name": "make" })),
        ("/actor/user/uid", json!("1000")),
        ("/actor/session/uid", json!("5")),
        ("/resources/0/name", json!(record.secret.as_deref())),
        ("/authorizations/0/decision", json!("denied")),
        ("/unmapped/claims/client", json!(record.peer.as_ref().unwrap().claims.as_ref().unwrap().client)),
        ("/unmapped/exe/ino", json!(5)),
        ("/unmapped/mac", json!(Hex([5; 16]))),
    ] {
        assert_eq!(event.pointer(at), Some(&value), "{at}");
    }
    let mut itself = samples::full(Event::Get, Outcome::Allowed);
    itself.judged.as_mut().unwrap().pid = 1234;
    assert_eq!(exported(&itself).pointer("/actor/process/ancestry"), None, "it did not run itself");
    let happened = Record { peer: None, ..samples::full(Event::Lock, Outcome::Allowed) };
    assert_eq!(exported(&happened).pointer("/actor/app_name"), Some(&json!("glassdomed")));
}
