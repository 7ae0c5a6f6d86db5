//! Requests.

use glassdome_proto::pin::Proof;
use glassdome_proto::policy::{self, Action, Decision, Manager, NewRule, Pinned, Scope, Shown, Unit, Whom};
use glassdome_proto::secrets::{self, Expect, Item, Wanted};
use glassdome_proto::session;
use glassdome_proto::settings;
use glassdome_proto::storage;
use glassdome_proto::{Body, Chunk, Glob, Rate};

use super::{
    CURSOR, NONCE, PASSWORD, SHORT, THEN, WHOLE, bytes, crypto, field, list, moving, name, rotation, text,
    vault,
};

/// Every kind of request.
pub const REQUESTS: [&str; 72] = [
    "status",
    "doctor",
    "create",
    "unlock",
    "renew",
    "lock",
    "stop",
    "change-password",
    "get",
    "list",
    "info",
    "set",
    "set-many",
    "remove",
    "move",
    "history",
    "restore",
    "settings-show",
    "settings-set",
    "more",
    "token",
    "whoami",
    "rules",
    "draft",
    "allow",
    "remove-rule",
    "test",
    "grants",
    "revoke",
    "get-many",
    "handle",
    "handles",
    "questions",
    "answers",
    "approve",
    "refuse",
    "panic",
    "end-panic",
    "edit",
    "edits",
    "seal-edits",
    "explain",
    "prove",
    "pin-state",
    "set-pin",
    "watch",
    "leftovers",
    "leftover",
    "remove-leftover",
    "set-auditor",
    "accept-log",
    "audit-head",
    "slots",
    "set-recovery",
    "storage",
    "backup",
    "kept",
    "accept-rollback",
    "device",
    "migrate",
    "tidy",
    "encrypt",
    "decrypt",
    "next",
    "rotation",
    "begin-rotation",
    "step",
    "finish-rotation",
    "set-wholes",
    "export",
    "test-storage",
    "test-storage-on",
];

pub fn request_name(body: &Body) -> &'static str {
    use policy::Request as Policy;
    use secrets::Request as Secrets;
    use session::Request as Session;
    match body {
        Body::Session(Session::Status) => "status",
        Body::Session(Session::Doctor) => "doctor",
        Body::Session(Session::Create { .. }) => "create",
        Body::Session(Session::Unlock { .. }) => "unlock",
        Body::Session(Session::Renew { .. }) => "renew",
        Body::Session(Session::Lock) => "lock",
        Body::Session(Session::Stop) => "stop",
        Body::Session(Session::ChangePassword { .. }) => "change-password",
        Body::Session(Session::Token { .. }) => "token",
        Body::Session(Session::Panic) => "panic",
        Body::Session(Session::EndPanic { .. }) => "end-panic",
        Body::Session(Session::AcceptRollback { .. }) => "accept-rollback",
        Body::Session(Session::Prove { .. }) => "prove",
        Body::Session(Session::PinState) => "pin-state",
        Body::Session(Session::SetPin { .. }) => "set-pin",
        Body::Session(Session::Watch) => "watch",
        Body::Session(Session::Leftovers { .. }) => "leftovers",
        Body::Session(Session::Leftover { .. }) => "leftover",
        Body::Session(Session::RemoveLeftover { .. }) => "remove-leftover",
        Body::Secrets(Secrets::Get { .. }) => "get",
        Body::Secrets(Secrets::List { .. }) => "list",
        Body::Secrets(Secrets::Info { .. }) => "info",
        Body::Secrets(Secrets::Set { .. }) => "set",
        Body::Secrets(Secrets::SetMany { .. }) => "set-many",
        Body::Secrets(Secrets::Remove { .. }) => "remove",
        Body::Secrets(Secrets::Move { .. }) => "move",
        Body::Secrets(Secrets::History { .. }) => "history",
        Body::Secrets(Secrets::Restore { .. }) => "restore",
        Body::Secrets(Secrets::GetMany { .. }) => "get-many",
        Body::Secrets(Secrets::SetWholes { .. }) => "set-wholes",
        Body::Secrets(Secrets::Export { .. }) => "export",
        Body::Settings(settings::Request::Show) => "settings-show",
        Body::Settings(settings::Request::Set { .. }) => "settings-set",
        Body::Settings(settings::Request::SetAuditor { .. }) => "set-auditor",
        Body::Settings(settings::Request::AcceptLog { .. }) => "accept-log",
        Body::Settings(settings::Request::AuditHead) => "audit-head",
        Body::Settings(settings::Request::Slots) => "slots",
        Body::Settings(settings::Request::SetRecovery { .. }) => "set-recovery",
        Body::Storage(storage::Request::Status) => "storage",
        Body::Storage(storage::Request::Backup { .. }) => "backup",
        Body::Storage(storage::Request::Kept) => "kept",
        Body::Storage(storage::Request::Device) => "device",
        Body::Storage(storage::Request::Migrate { .. }) => "migrate",
        Body::Storage(storage::Request::Tidy { .. }) => "tidy",
        Body::Crypto(glassdome_proto::crypto::Request::Encrypt { .. }) => "encrypt",
        Body::Crypto(glassdome_proto::crypto::Request::Decrypt { .. }) => "decrypt",
        Body::Crypto(glassdome_proto::crypto::Request::Next { .. }) => "next",
        Body::Rotation(glassdome_proto::rotation::Request::State) => "rotation",
        Body::Rotation(glassdome_proto::rotation::Request::Begin { .. }) => "begin-rotation",
        Body::Rotation(glassdome_proto::rotation::Request::Step) => "step",
        Body::Rotation(glassdome_proto::rotation::Request::Finish) => "finish-rotation",
        Body::Storage(storage::Request::Test { .. }) => "test-storage",
        Body::Storage(storage::Request::TestOn) => "test-storage-on",
        Body::More(_) => "more",
        Body::Policy(Policy::WhoAmI { .. }) => "whoami",
        Body::Policy(Policy::Rules { .. }) => "rules",
        Body::Policy(Policy::Draft(_)) => "draft",
        Body::Policy(Policy::Allow { .. }) => "allow",
        Body::Policy(Policy::Test { .. }) => "test",
        Body::Policy(Policy::RemoveRule { .. }) => "remove-rule",
        Body::Policy(Policy::Grants { .. }) => "grants",
        Body::Policy(Policy::Revoke { .. }) => "revoke",
        Body::Policy(Policy::Handle { .. }) => "handle",
        Body::Policy(Policy::Handles { .. }) => "handles",
        Body::Policy(Policy::Questions { .. }) => "questions",
        Body::Policy(Policy::Answers { .. }) => "answers",
        Body::Policy(Policy::Approve { .. }) => "approve",
        Body::Policy(Policy::Refuse { .. }) => "refuse",
        Body::Policy(Policy::Edit { .. }) => "edit",
        Body::Policy(Policy::Edits { .. }) => "edits",
        Body::Policy(Policy::SealEdits { .. }) => "seal-edits",
        Body::Policy(Policy::Explain { .. }) => "explain",
    }
}

/// Every request, with what is special about this one.
pub fn requests() -> Vec<(&'static str, Body<'static>)> {
    use secrets::Request as Secrets;
    use session::Request as Session;
    let password = || bytes(PASSWORD);
    let key = || name("aws/prod/key");
    let set = |field, expires, expect, total, first| {
        Body::Secrets(Secrets::Set { name: key(), field, expires, expect, canary: false, total, first })
    };
    let session = vec![
        ("", Session::Status),
        ("", Session::Doctor),
        ("", Session::Create { password: password(), accept_weak: true, lifetime: WHOLE }),
        ("", Session::Unlock { password: password(), lifetime: WHOLE }),
        ("for 8 h, idle 10 min", Session::Unlock { password: password(), lifetime: SHORT }),
        ("", Session::Renew { password: password(), lifetime: SHORT }),
        ("", Session::Lock),
        ("", Session::Stop),
        ("", Session::ChangePassword { old: password(), new: bytes(b"next"), accept_weak: false }),
    ];
    let secrets = vec![
        ("", Secrets::Get { name: key(), field: None }),
        ("a field", Secrets::Get { name: key(), field: Some(field("user/id")) }),
        ("in another script", Secrets::Get { name: name("データ/ключ/🔑"), field: None }),
        ("", Secrets::List { glob: None, after: None }),
        ("the next page", Secrets::List { glob: Glob::parse("aws/**").ok(), after: Some(CURSOR) }),
        ("", Secrets::Info { name: key() }),
        (
            "",
            Secrets::SetMany {
                items: list(vec![
                    Item { name: name("a"), value: bytes(b"1") },
                    Item { name: name("b"), value: bytes(b"") },
                ]),
                overwrite: true,
                dry_run: false,
            },
        ),
        ("", Secrets::Remove { name: key(), purge: false }),
        ("for good", Secrets::Remove { name: key(), purge: true }),
        ("", Secrets::Move { from: key(), to: name("aws/old/key") }),
        ("", Secrets::History { name: key() }),
        ("", Secrets::Restore { name: key(), version: 300 }),
    ];
    let mut all: Vec<(&str, Body)> = Vec::new();
    all.extend(session.into_iter().map(|(detail, request)| (detail, Body::Session(request))));
    all.extend(secrets.into_iter().map(|(detail, request)| (detail, Body::Secrets(request))));
    all.extend([
        ("", set(None, None, Expect::Any, 3, bytes(b"\x00\xff\n"))),
        ("a new one", set(None, Some(THEN), Expect::New, 0, bytes(b""))),
        ("a field over version 7", set(Some(field("user")), None, Expect::Version(7), 4, bytes(b"root"))),
        ("", Body::Settings(settings::Request::Show)),
        (
            "",
            Body::Settings(settings::Request::Set {
                password: password(),
                key: text("idle"),
                value: text("10m"),
            }),
        ),
        ("", Body::More(Chunk { data: bytes(b"the rest") })),
        ("", Body::Session(Session::Token { token: bytes(NONCE.as_slice()) })),
    ]);
    all.extend(policy_requests().into_iter().map(|(detail, request)| (detail, Body::Policy(request))));
    let wanted = |at, field| Wanted { name: name(at), field };
    let items = list(vec![wanted("aws/prod/key", None), wanted("db", Some(field("user")))]);
    all.push(("", Body::Secrets(Secrets::GetMany { items })));
    let globs = || list(["shop/*", "db"].iter().map(|glob| Glob::parse(glob).unwrap()).collect());
    let handles = [
        ("", policy::Request::Handle { secrets: globs(), lasts_s: None, script: None }),
        ("for 10 min", policy::Request::Handle { secrets: globs(), lasts_s: Some(600), script: None }),
        ("", policy::Request::Handles { skip: 0, proof: None }),
        ("with the password", policy::Request::Handles { skip: 8, proof: Some(password()) }),
    ];
    all.extend(handles.map(|(detail, request)| (detail, Body::Policy(request))));
    let end = Session::EndPanic { password: password(), lifetime: SHORT };
    all.extend([("", Body::Session(Session::Panic)), ("", Body::Session(end))]);
    let of_a_request = NewRule {
        id: None,
        decision: Decision::Allow,
        secrets: list(vec![]),
        actions: list(vec![]),
        whom: Whom::Request { id: 41 },
        unit: None,
        rate: None,
        expires: None,
    };
    all.push(("of a request", Body::Policy(policy::Request::Draft(of_a_request.into()))));
    let (bait, first) = (name("aws/root/key"), bytes(b"bait"));
    let bait = Secrets::Set {
        name: bait,
        field: None,
        expires: None,
        expect: Expect::Any,
        canary: true,
        total: 4,
        first,
    };
    all.push(("bait", Body::Secrets(bait)));
    let script = policy::ScriptCopy { path: text("/home/u/deploy.py"), sha256: NONCE };
    let of_a_script = policy::Request::Handle { secrets: globs(), lasts_s: None, script: Some(script) };
    all.push(("of a script", Body::Policy(of_a_script)));
    all.extend(edits().map(|(detail, request)| (detail, Body::Policy(request))));
    let pin = || bytes(b"402913");
    let pins = [
        ("by the PIN", Session::Prove { proof: Proof::Pin(pin()) }),
        ("by the password", Session::Prove { proof: Proof::Password(password()) }),
        ("", Session::PinState),
        ("", Session::SetPin { password: password(), pin: Some(pin()) }),
        ("to none", Session::SetPin { password: password(), pin: None }),
    ];
    all.extend(pins.map(|(detail, request)| (detail, Body::Session(request))));
    all.push(("", Body::Session(Session::Watch)));
    let leftovers = [
        ("", Session::Leftovers { after: None }),
        ("behind", Session::Leftovers { after: Some(text("/a/1")) }),
        ("", Session::Leftover { item: text("/a/1") }),
        ("", Session::RemoveLeftover { item: text("/a/1"), mark: NONCE }),
    ];
    all.extend(leftovers.map(|(detail, request)| (detail, Body::Session(request))));
    let auditor =
        settings::Request::SetAuditor { password: password(), public: NONCE, origin: bytes(&[7; 32]) };
    all.push(("", Body::Settings(auditor)));
    all.push(("", Body::Settings(settings::Request::AcceptLog { password: password() })));
    all.push(("", Body::Settings(settings::Request::AuditHead)));
    all.extend(vault::requests());
    all.extend(crypto::requests());
    all.extend(moving::requests());
    all.extend(rotation::requests());
    all.extend(vault::test_requests());
    all
}

fn policy_requests() -> Vec<(&'static str, policy::Request<'static>)> {
    use policy::Request as Policy;
    let password = || bytes(PASSWORD);
    let new_rule = |id, secrets: &[&str], actions, whom| NewRule {
        id,
        decision: Decision::Allow,
        secrets: list(secrets.iter().map(|glob| Glob::parse(glob).unwrap()).collect()),
        actions: list(actions),
        whom,
        unit: None,
        rate: None,
        expires: None,
    };
    let like = new_rule(None, &["aws/prod/*"], vec![Action::Get], Whom::Like { pid: 4711 });
    let script = Whom::Script { script: text("/home/u/deploy.py"), exe: Some(text("/usr/bin/python3.13")) };
    let script = new_rule(Some(text("deploy")), &["aws/**", "db"], vec![Action::Get, Action::List], script);
    let by_shebang = Whom::Script { script: text("/home/u/deploy.py"), exe: None };
    let by_shebang = new_rule(None, &["db"], vec![Action::Set, Action::Remove], by_shebang);
    let shown = Shown {
        exe: Some(Pinned { path: text("/usr/bin/python3.13"), sha256: None }),
        script: Some(Pinned { path: text("/home/u/deploy.py"), sha256: Some(NONCE) }),
    };
    let anyone =
        NewRule { decision: Decision::Deny, ..new_rule(None, &["bait/**"], vec![Action::Get], Whom::Anyone) };
    let exe = new_rule(None, &["db"], vec![Action::Get], Whom::Exe { exe: text("/usr/bin/psql") });
    let unit = NewRule {
        unit: Some(Unit { manager: Manager::System, name: text("api.service") }),
        rate: Rate::parse("60/min"),
        expires: Some(THEN),
        ..new_rule(None, &["aws/prod/*"], vec![Action::Get], Whom::Anyone)
    };
    vec![
        ("", Policy::WhoAmI { pid: None, proof: None }),
        ("another", Policy::WhoAmI { pid: Some(4711), proof: Some(password()) }),
        ("", Policy::Rules { skip: 0, proof: None }),
        ("the next page", Policy::Rules { skip: 300, proof: Some(password()) }),
        ("like a process", Policy::Draft(like.into())),
        ("of a script", Policy::Draft(by_shebang.into())),
        ("of a program", Policy::Draft(exe.into())),
        ("of anyone", Policy::Draft(anyone.into())),
        ("", Policy::Allow { password: password(), rule: script.clone().into(), shown: None }),
        ("", Policy::RemoveRule { password: password(), id: text("deploy") }),
        ("", Policy::Grants { proof: None }),
        ("with the password", Policy::Grants { proof: Some(password()) }),
        ("", Policy::Revoke { id: 300, proof: None }),
        ("with the password", Policy::Revoke { id: 300, proof: Some(password()) }),
        ("as shown", Policy::Allow { password: password(), rule: script.into(), shown: Some(shown) }),
        ("", Policy::Questions { unlike: None, proof: None }),
        ("others than before", Policy::Questions { unlike: Some(300), proof: Some(password()) }),
        ("", Policy::Answers { skip: 8, proof: None }),
        ("once", Policy::Approve { id: 3, scope: Scope::Once, proof: None }),
        ("a process", Policy::Approve { id: 3, scope: Scope::Process, proof: Some(password()) }),
        ("a while", Policy::Approve { id: 3, scope: Scope::Program { for_s: Some(900) }, proof: None }),
        ("the session", Policy::Approve { id: 3, scope: Scope::Program { for_s: None }, proof: None }),
        ("", Policy::Refuse { id: 3, proof: None }),
        ("of a unit", Policy::Draft(unit.into())),
        ("", Policy::Test { pid: 4711, action: Action::Set, name: name("db/a"), skip: 512, proof: None }),
    ]
}

fn edits() -> [(&'static str, policy::Request<'static>); 5] {
    [
        (
            "begun",
            policy::Request::Edit {
                at: 0,
                part: bytes(b"[[rule]]"),
                more: true,
                base: None,
                proof: Some(bytes(PASSWORD)),
            },
        ),
        (
            "the rest",
            policy::Request::Edit {
                at: 8,
                part: bytes(b"\n"),
                more: false,
                base: Some([7; 32]),
                proof: None,
            },
        ),
        ("", policy::Request::Edits { skip: 4 }),
        ("", policy::Request::SealEdits { password: bytes(PASSWORD) }),
        ("", policy::Request::Explain { id: 41, name: 0, skip: 512, proof: None }),
    ]
}
