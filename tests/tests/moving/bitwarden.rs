//! Bitwarden's export, in the form of <https://bitwarden.com/help/condition-bitwarden-import/>.

use glassdome_tests::{World, text};
use serde_json::json;

use crate::{holds, moves_on, report, taken_in};

/// In the form in which the web vault writes it, made after its source (Bitwarden's `libs/common/src/models/export/`),
/// with every kind of item and of custom field, and what stands beside them: a re-prompt, an item that was archived, the
/// item's own key.
const EXPORT: &str = include_str!("bitwarden_export.json");

const HELD: [(&str, &str, &[u8]); 33] = [
    ("Social/Fediverse", "", b"p@ss, \"w\xc3\xb6rd\"\\ 'x'"),
    ("Social/Fediverse", "username", b"ann@example.com"),
    ("Social/Fediverse", "url", b"https://social.example"),
    ("Social/Fediverse", "url (2)", b"androidapp://org.example.social"),
    ("Social/Fediverse", "totp", b"otpauth://totp/Example:ann?secret=JBSWY3DPEHPK3PXP&issuer=Example"),
    ("Social/Fediverse", "notes", b"first line\nsecond, with \ttab and \xf0\x9f\x94\x91\n"),
    ("Social/Fediverse", "recovery phrase", b"abandon ability able"),
    ("Social/Fediverse", "hidden one", b"s3cret"),
    ("Social/Fediverse", "is work", b"true"),
    ("Social/Work/git.example (ann)", "", b"one"),
    ("Social/Work/git.example (bob)", "", b"two"),
    ("https:%2F%2Frouter.lan%2Fadmin", "", b"admin"),
    ("Alarm code", "", b"the code is\n4711\n"),
    ("Visa", "", b"4242424242424242"),
    ("Visa", "code", b"123"),
    ("Visa", "cardholderName", b"Ann Example"),
    ("Me", "firstName", b"Ann"),
    ("Me", "passportNumber", b"C01X00T47"),
    (
        "deploy key",
        "",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaA==\n-----END OPENSSH PRIVATE KEY-----\n",
    ),
    ("deploy key", "publicKey", b"ssh-ed25519 AAAAC3Nz ann"),
    ("only a name for a login", "username", b"ann"),
    ("Bank", "", b"0123456789"),
    ("Bank", "iban", b"DE89370400440532013000"),
    ("Bank", "pin", b"4321"),
    ("Licence", "", b"D12345678"),
    ("Licence", "licenseClass", b"B"),
    ("Passport", "", b"C01X00T47"),
    ("Passport", "surname", b"Example"),
    ("Passport", "birthPlace", b"Town"),
    ("put away", "", b"still good"),
    ("put away", "url", b"https://a.example/*"),
    ("put away", "totp", b"JBSWY3DPEHPK3PXP"),
    ("put away", "is on", b"false"),
];

#[test]
fn everything_comes_in_under_its_folders_and_leaves_again() {
    let world = World::unlocked();
    let file = world.file("bitwarden_export.json", EXPORT);
    let plan = world.ctl(&["import", text(&file), "--dry-run"]).output();
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    let lines = String::from_utf8(plan.stdout).unwrap();
    assert!(lines.contains("would be created: Social/Fediverse\n"), "{lines}");
    assert!(
        lines.contains("of one name: Social/Work/git.example as Social/Work/git.example (ann)\n"),
        "{lines}"
    );
    assert_eq!(world.ctl(&["list"]).ok(), b"", "a dry run stores nothing");

    let told = taken_in(&world, &[text(&file)]);
    let (line, note) = told.split_once('\n').unwrap();
    assert!(line.starts_with("13 in, 2 of one name told apart (Social/Work/git.example as "), "{line}");
    assert!(
        line.contains("left out: 2 former passwords, 1 passkeys, 1 custom fields that are linked"),
        "{line}"
    );
    assert!(line.ends_with("1 skipped (line 280: nothing in it)"), "{line}");
    assert!(note.contains("and still what was not taken in") && !note.contains("shred"), "{note}");
    assert!(file.exists(), "it is the person's to delete");
    holds(&world, &HELD);
    moves_on(&world, &HELD);

    // Again: nothing is new, under the very names. Another password is left, and said.
    let again = report(&world.ctl(&["import", text(&file), "--json"]).output());
    assert_eq!((&again["same"], &again["created"], &again["left"]), (&json!(13), &json!(0), &json!([])));
    world.ctl(&["set", "Visa", "--field", "code", "--stdin"]).stdin("999").ok();
    let out = world.ctl(&["import", text(&file)]).output();
    assert!(out.code == 9 && out.stderr.contains("1 left (Visa: another value is there"), "{}", out.stderr);
    assert!(!out.stderr.contains("shred"), "nothing came in: {}", out.stderr);
    holds(&world, &[("Visa", "code", b"999")]);
    taken_in(&world, &[text(&file), "--overwrite"]);
    holds(&world, &HELD);
    // The whole was one step: one version, not one for each field.
    assert_eq!(world.ctl(&["history", "Social/Fediverse"]).text().lines().count(), 1);
}

#[test]
fn an_organisations_export_has_its_collections_as_folders() {
    let world = World::unlocked();
    let export = json!({
        "encrypted": false,
        "collections": [{"id": "c", "organizationId": "o", "name": "Ops/Prod", "externalId": null}],
        "items": [{"id": "1", "organizationId": "o", "folderId": null, "type": 1, "name": "db", "notes": null,
            "login": {"uris": null, "username": null, "password": "pw", "totp": null}, "collectionIds": ["c"]}],
    });
    let file = world.file("org.json", export.to_string());
    taken_in(&world, &[text(&file), "--prefix", "team"]);
    holds(&world, &[("team/Ops/Prod/db", "", b"pw")]);
}

#[test]
fn what_cannot_be_read_stores_nothing_at_all() {
    let world = World::unlocked();
    let cut = &EXPORT[..EXPORT.len() - 40];
    let line = world.ctl(&["import", text(&world.file("cut.json", cut)), "--format", "bitwarden"]).refused(2);
    assert!(line.contains("cut.json is not read: line "), "{line}");
    let sealed = r#"{"encrypted": true, "passwordProtected": true, "salt": "x", "data": "2.x|y|z"}"#;
    let line = world.ctl(&["import", text(&world.file("sealed.json", sealed))]).refused(2);
    assert!(line.contains("it is encrypted. Export it once more"), "{line}");
    let line = world.ctl(&["import", text(&world.file("what", "name,url\na,b\n"))]).refused(2);
    assert!(line.contains("--format env, json, bitwarden, keepass-csv or pass"), "{line}");
    let line = world.ctl(&["import", text(&world.home(""))]).refused(2);
    assert!(line.contains("a directory without .gpg-id"), "{line}");
    world.ctl(&["import"]).refused(2);
    world.ctl(&["import", "--format", "json"]).refused(2);
    assert_eq!(world.ctl(&["list"]).ok(), b"");
}
