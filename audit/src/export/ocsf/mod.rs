//! A record as an event of the Open Cybersecurity Schema Framework, 1.5.0
//! (<https://schema.ocsf.io/1.5.0/>), with the profiles *host* and *security_control*.

mod class;
mod object;
#[cfg(test)]
mod schema_tests;

use serde::Serialize;

use self::class::{Class, activity};
use self::object::{
    Actor, Api, Authorization, Called, Device, Endpoint, Entity, Evidence, Finding, Metadata, Named, Product,
    Session, Unmapped, User,
};
use super::Source;
use super::gist::{self, Severity, message, severity, title, word};
use crate::{self as audit, Outcome, Record};

/// The version of the schema.
const VERSION: &str = "1.5.0";
const PRODUCT: &str = "Glassdome";
const DAEMON: &str = "glassdomed";
const LOG: &str = "audit.jsonl";

/// An event: what all have, and what its class has.
#[derive(Serialize)]
pub(super) struct Event<'a> {
    activity_id: u8,
    activity_name: &'static str,
    category_uid: u32,
    category_name: &'static str,
    class_uid: u32,
    class_name: &'static str,
    type_uid: u32,
    type_name: String,
    time: i64,
    severity_id: u8,
    severity: &'static str,
    status_id: u8,
    status: &'static str,
    status_code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_detail: Option<&'a str>,
    message: String,
    count: u64,
    metadata: Metadata<'a>,
    action_id: u8,
    action: &'static str,
    disposition_id: u8,
    disposition: &'static str,
    device: Device<'a>,
    actor: Actor<'a>,
    #[serde(flatten)]
    particular: Particular<'a>,
    unmapped: Unmapped<'a>,
}

/// What only events of one class have.
#[derive(Serialize)]
#[serde(untagged)]
enum Particular<'a> {
    EventLog {
        log_name: &'static str,
        log_provider: &'static str,
        log_type_id: u8,
        log_type: &'static str,
    },
    Finding {
        finding_info: Finding,
        is_alert: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        evidences: Option<[Evidence<'a>; 1]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        resources: Option<[Named<'a>; 1]>,
    },
    User {
        user: User,
    },
    Authentication {
        user: User,
        service: Called<'static>,
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<Session>,
    },
    Privileges {
        user: User,
        privileges: [&'static str; 1],
        #[serde(skip_serializing_if = "Option::is_none")]
        session: Option<Session>,
    },
    Access {
        user: User,
        privileges: [&'static str; 1],
        #[serde(skip_serializing_if = "Option::is_none")]
        resources: Option<[Named<'a>; 1]>,
    },
    Entity {
        entity: Entity<'a>,
    },
    Application {
        app: Product,
    },
    Api {
        api: Api,
        src_endpoint: Endpoint<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        resources: Option<[Named<'a>; 1]>,
        #[serde(skip_serializing_if = "Option::is_none")]
        authorizations: Option<[Authorization<'a>; 1]>,
    },
}

/// The event that `record` is; `time` in milliseconds since the epoch.
pub(super) fn event<'a>(record: &'a Record<'_>, time: i64, source: &'a Source<'_>) -> Event<'a> {
    let activity = activity(record.event);
    let (class_uid, class_name) = activity.class.uid();
    let (category_uid, category_name) = activity.class.category();
    let (severity_id, severity) = severity_of(severity(record.event, record.outcome));
    let (status_id, status) = status(record, activity.class);
    let (action_id, action, disposition_id, disposition) = decided(record.outcome);
    Event {
        activity_id: activity.id,
        activity_name: activity.name.unwrap_or(word(record.event)),
        category_uid,
        category_name,
        class_uid,
        class_name,
        type_uid: class_uid * 100 + u32::from(activity.id),
        type_name: format!("{class_name}: {}", activity.name.unwrap_or("Other")),
        time,
        severity_id,
        severity,
        status_id,
        status,
        status_code: gist::outcome(record.outcome),
        status_detail: record.by.as_deref(),
        message: message(record),
        count: record.repeated.saturating_add(1),
        metadata: metadata(record, source),
        action_id,
        action,
        disposition_id,
        disposition,
        device: Device { hostname: source.host, type_id: 0, kind: "Unknown" },
        actor: Actor::of(record),
        particular: particular(record, activity.class, time, source),
        unmapped: Unmapped::of(record),
    }
}

fn metadata<'a>(record: &'a Record<'_>, source: &Source<'_>) -> Metadata<'a> {
    Metadata {
        version: VERSION,
        product: PRODUCT_OF,
        profiles: ["host", "security_control"],
        uid: source.id_of(record),
        sequence: record.seq,
        log_name: LOG,
        log_provider: DAEMON,
        original_time: &record.time,
        correlation_uid: record.session.map(|session| session.to_string()),
    }
}

const PRODUCT_OF: Product = Product { name: PRODUCT, vendor_name: PRODUCT };

fn severity_of(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Informational => (1, "Informational"),
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::Critical => (5, "Critical"),
    }
}

/// Of a finding it is what is to be done about it, of all else how it ended.
fn status(record: &Record<'_>, class: Class) -> (u8, &'static str) {
    match (class, record.event, record.outcome) {
        (Class::DetectionFinding, audit::Event::AcceptLog, Outcome::Allowed) => (4, "Resolved"),
        (Class::DetectionFinding, ..) => (1, "New"),
        (_, _, Outcome::Allowed) => (1, "Success"),
        (_, _, Outcome::Denied | Outcome::Failed) => (2, "Failure"),
    }
}

/// Action and disposition of the profile *security_control*.
fn decided(outcome: Outcome) -> (u8, &'static str, u8, &'static str) {
    match outcome {
        Outcome::Allowed => (1, "Allowed", 1, "Allowed"),
        Outcome::Denied => (2, "Denied", 2, "Blocked"),
        Outcome::Failed => (1, "Allowed", 27, "Error"),
    }
}

fn particular<'a>(record: &'a Record<'_>, class: Class, time: i64, source: &'a Source<'_>) -> Particular<'a> {
    let user = User::of(source.owner);
    let session = Session::of(record);
    match class {
        Class::EventLog => Particular::EventLog {
            log_name: LOG,
            log_provider: DAEMON,
            log_type_id: 2,
            log_type: "Application",
        },
        Class::DetectionFinding => Particular::Finding {
            finding_info: Finding {
                uid: source.id_of(record),
                title: title(record.event),
                types: [word(record.event)],
                created_time: time,
            },
            is_alert: record.event != audit::Event::AcceptLog,
            evidences: record.peer.is_some().then(|| [Evidence { actor: Actor::of(record) }]),
            resources: resource(record),
        },
        Class::AccountChange => Particular::User { user },
        Class::Authentication => {
            Particular::Authentication { user, service: Called { name: PRODUCT }, session }
        }
        Class::AuthorizeSession => Particular::Privileges { user, privileges: privilege(record), session },
        Class::UserAccess => {
            Particular::Access { user, privileges: privilege(record), resources: resource(record) }
        }
        Class::EntityManagement => Particular::Entity { entity: entity(record) },
        Class::ApplicationLifecycle => Particular::Application { app: PRODUCT_OF },
        Class::Api => Particular::Api {
            api: Api { operation: word(record.event), service: Called { name: PRODUCT } },
            src_endpoint: Endpoint { hostname: source.host },
            resources: resource(record),
            authorizations: authorization(record),
        },
    }
}

/// What was asked for: the secret, or what the command is about.
fn resource<'a>(record: &'a Record<'_>) -> Option<[Named<'a>; 1]> {
    let (name, kind) = match (&record.secret, record.event) {
        (Some(secret), _) => (&**secret, "secret"),
        (
            None,
            audit::Event::Create
            | audit::Event::VaultDamaged
            | audit::Event::Rollback
            | audit::Event::AcceptRollback
            | audit::Event::StorageTest,
        ) => ("vault", "vault"),
        (None, audit::Event::Settings) => ("settings", "settings"),
        (None, audit::Event::Rules) => ("rules", "policy"),
        (None, audit::Event::Alarm | audit::Event::AcceptLog) => (LOG, "log"),
        (None, _) => return None,
    };
    Some([Named { name, kind }])
}

/// The rule or grant that decided, or the reason that stood against it.
fn authorization<'a>(record: &'a Record<'_>) -> Option<[Authorization<'a>; 1]> {
    let decision = match record.outcome {
        Outcome::Allowed => "allowed",
        Outcome::Denied => "denied",
        Outcome::Failed => return None,
    };
    Some([Authorization { decision, policy: Called { name: record.by.as_deref()? } }])
}

/// What was given, asked for or taken back.
fn privilege(record: &Record<'_>) -> [&'static str; 1] {
    [match record.event {
        audit::Event::Grant => "use secrets in a terminal",
        audit::Event::Handle => "use secrets by a handle",
        audit::Event::Revoke => "what was granted or answered",
        _ => "use a secret",
    }]
}

/// What was changed.
fn entity<'a>(record: &'a Record<'_>) -> Entity<'a> {
    let by = record.by.as_deref();
    let (name, type_id, kind) = match record.event {
        audit::Event::ChangeSetting => (by.unwrap_or("settings"), 99, "Setting"),
        audit::Event::ChangeRules => (by.unwrap_or("rules"), 5, "Policy"),
        audit::Event::ChangePin => ("approval PIN", 99, "Credential"),
        audit::Event::Recovery => ("recovery code", 99, "Credential"),
        audit::Event::DeviceKey => ("device key", 99, "Key"),
        audit::Event::Rotate => ("master key", 99, "Key"),
        audit::Event::Auditor => ("auditor's key", 99, "Key"),
        _ => ("grants", 99, "Grant"),
    };
    Entity { name, type_id, kind }
}
