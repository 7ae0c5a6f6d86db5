//! Reads Bitwarden's export in JSON, unencrypted, of a person's vault or of an organisation's
//! (<https://bitwarden.com/help/condition-bitwarden-import/>).
//!
//! | item | value | fields |
//! |---|---|---|
//! | login (1) | password | `username`, `url`, `url (2)` …, `totp` |
//! | secure note (2) | notes | |
//! | card (3) | number | `code`, `cardholderName`, `brand`, `expMonth`, `expYear` |
//! | identity (4) | none | each by Bitwarden's name for it |
//! | SSH key (5) | private key | `publicKey`, `keyFingerprint` |
//! | bank account (6) | account number | `iban`, `pin`, `bankName` … |
//! | driver's licence (7) | its number | each by Bitwarden's name for it |
//! | passport (8) | its number | each by Bitwarden's name for it |
//!
//! Each has `notes`, and its custom fields by their names, text, hidden or true and false. Folders are paths; of an
//! organisation's item the first of its collections is. What has no place in a secret is counted and told: former
//! passwords, passkeys, and custom fields that are linked to another and have no value of their own. Dates, favourites
//! and the like are left out.

use std::collections::HashMap;

use super::content_builder::ContentBuilder;
use super::json_cursor::{self, Cursor, NotJson};
use super::segment::path;
use super::{Content, Item, Parsed, Place, Value};

const FORMER: &str = "former passwords";
const PASSKEYS: &str = "passkeys";
const LINKED: &str = "custom fields that are linked to another";
const OVER: &str = "fields without room or with an impossible name";

/// Where an item has what its kind has.
const DETAILS: [&str; 7] =
    ["login", "card", "identity", "sshKey", "bankAccount", "driversLicense", "passport"];

/// Of a login, dates and settings that are no part of a secret.
const LOGIN_SETTINGS: [&str; 2] = ["passwordRevisionDate", "autofillOnPageLoad"];

/// Whether the object has what such an export has; it must be JSON up to there.
pub(crate) fn is_one(file: &[u8]) -> bool {
    let Ok(text) = json_cursor::text(file) else { return false };
    let (mut encrypted, mut items) = (false, false);
    // A file that breaks off is told when it is read.
    Cursor::new(text)
        .object(0, |cursor, key| {
            encrypted |= key == "encrypted" && matches!(cursor.peek(), Some(b't' | b'f'));
            items |= matches!(key, "items" | "data" | "encKeyValidation_DO_NOT_EDIT");
            cursor.pass_over(1)
        })
        .ok();
    encrypted && items
}

/// Reads a whole file.
///
/// # Errors
/// [`NotJson`] with the line: it is not read at all then.
pub(crate) fn parse(file: &[u8]) -> Result<Parsed<Content>, NotJson> {
    let mut cursor = Cursor::new(json_cursor::text(file)?);
    let (mut folders, mut things, mut listed) = (HashMap::new(), Vec::new(), false);
    cursor.object(0, |cursor, key| match key {
        "encrypted" => match &**cursor.word()? {
            b"false" => Ok(()),
            _ => Err(cursor.error("it is encrypted. Export it once more, as .json without encryption")),
        },
        "folders" | "collections" => array(cursor, 1, |cursor| folder(cursor, &mut folders)),
        "items" => {
            listed = true;
            array(cursor, 1, |cursor| {
                things.push(Thing::read(cursor)?);
                Ok(())
            })
        }
        _ => cursor.pass_over(1),
    })?;
    cursor.end()?;
    if !listed {
        return Err(NotJson { line: 1, reason: "no items, as Bitwarden's export has them" });
    }
    let mut parsed = Parsed::default();
    let mut details = Details::default();
    for thing in things {
        thing.settle(&folders, &mut parsed, &mut details);
    }
    let details = [
        (details.former, FORMER),
        (details.passkeys, PASSKEYS),
        (details.linked, LINKED),
        (details.over, OVER),
    ];
    parsed.details.extend(details.into_iter().filter(|(count, _)| *count > 0));
    Ok(parsed)
}

/// What has no place in a secret.
#[derive(Default)]
struct Details {
    former: usize,
    passkeys: usize,
    linked: usize,
    over: usize,
}

/// An item as it is read: the folders may come behind it.
#[derive(Default)]
struct Thing {
    line: usize,
    kind: u8,
    name: String,
    folder: Option<String>,
    collection: Option<String>,
    notes: Option<Value>,
    urls: Vec<Value>,
    /// What its kind of item has, by Bitwarden's names.
    parts: Vec<(String, Value)>,
    custom: Vec<(String, Value)>,
    former: usize,
    passkeys: usize,
    linked: usize,
    is_deleted: bool,
}

fn folder(cursor: &mut Cursor<'_>, folders: &mut HashMap<String, String>) -> Result<(), NotJson> {
    let (mut id, mut name) = (None, None);
    cursor.object(2, |cursor, key| {
        match key {
            "id" => id = text(cursor)?,
            "name" => name = text(cursor)?,
            _ => cursor.pass_over(3)?,
        }
        Ok(())
    })?;
    folders.extend(id.zip(name));
    Ok(())
}

impl Thing {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, NotJson> {
        cursor.peek();
        let mut thing = Self { line: cursor.line(), ..Self::default() };
        cursor.object(2, |cursor, key| {
            match key {
                "type" => thing.kind = number(cursor)?,
                "name" => thing.name = text(cursor)?.unwrap_or_default(),
                "folderId" => thing.folder = text(cursor)?,
                "collectionIds" => array(cursor, 3, |cursor| {
                    let id = text(cursor)?;
                    thing.collection = thing.collection.take().or(id);
                    Ok(())
                })?,
                "notes" => thing.notes = cursor.scalar()?,
                "deletedDate" => thing.is_deleted = cursor.scalar()?.is_some(),
                "passwordHistory" => thing.former = passed_over(cursor)?,
                "fields" => array(cursor, 3, |cursor| thing.custom_field(cursor))?,
                key if DETAILS.contains(&key) => thing.details(cursor)?,
                _ => cursor.pass_over(3)?,
            }
            Ok(())
        })?;
        Ok(thing)
    }

    /// What the item's kind has: of most kinds, an object of strings.
    fn details(&mut self, cursor: &mut Cursor<'_>) -> Result<(), NotJson> {
        if cursor.peek() != Some(b'{') {
            return cursor.pass_over(3);
        }
        cursor.object(3, |cursor, key| match (key, cursor.peek()) {
            ("uris", _) => array(cursor, 4, |cursor| {
                cursor.object(5, |cursor, key| match key {
                    "uri" => {
                        self.urls.extend(cursor.scalar()?.filter(|url| !url.is_empty()));
                        Ok(())
                    }
                    _ => cursor.pass_over(6),
                })
            }),
            ("fido2Credentials", _) => {
                self.passkeys += passed_over(cursor)?;
                Ok(())
            }
            (_, Some(b'{' | b'[')) => cursor.pass_over(4),
            (key, _) if LOGIN_SETTINGS.contains(&key) => cursor.pass_over(4),
            _ => {
                let value = cursor.scalar()?.filter(|value| !value.is_empty());
                self.parts.extend(value.map(|value| (key.to_owned(), value)));
                Ok(())
            }
        })
    }

    fn custom_field(&mut self, cursor: &mut Cursor<'_>) -> Result<(), NotJson> {
        const LINKED_TYPE: u8 = 3;
        let (mut name, mut value, mut kind) = (None, None, 0);
        cursor.object(4, |cursor, key| {
            match key {
                "name" => name = text(cursor)?,
                "value" => value = cursor.scalar()?,
                "type" => kind = number(cursor)?,
                _ => cursor.pass_over(5)?,
            }
            Ok(())
        })?;
        if kind == LINKED_TYPE {
            self.linked += 1;
        } else {
            self.custom.extend(value.map(|value| (name.unwrap_or_default(), value)));
        }
        Ok(())
    }

    fn settle(
        mut self,
        folders: &HashMap<String, String>,
        parsed: &mut Parsed<Content>,
        details: &mut Details,
    ) {
        let place = Place::Line(self.line);
        if self.is_deleted {
            parsed.skip(place, "it is in the trash");
            return;
        }
        let folder = self.folder.as_ref().or(self.collection.as_ref()).and_then(|id| folders.get(id));
        let key = path(folder.map_or("", String::as_str), &self.name);
        let mut content = ContentBuilder::default();
        match self.kind {
            1 => {
                content.value(self.part("password"));
                content.user(self.part("username"));
                self.urls.drain(..).for_each(|url| content.field("url", url));
                content.field_if_any("totp", self.part("totp"));
            }
            2 => content.value(self.notes.take()),
            3 => content.value(self.part("number")),
            4 => {}
            5 => content.value(self.part("privateKey")),
            6 => content.value(self.part("accountNumber")),
            7 => content.value(self.part("licenseNumber")),
            8 => content.value(self.part("passportNumber")),
            _ => {
                parsed.skip(place, "a kind of item that is not known");
                return;
            }
        }
        self.parts.into_iter().for_each(|(name, value)| content.field(&name, value));
        content.field_if_any("notes", self.notes);
        self.custom.into_iter().for_each(|(name, value)| content.field(&name, value));
        details.former += self.former;
        details.passkeys += self.passkeys;
        details.linked += self.linked;
        details.over += content.over();
        match content.content() {
            Some(value) => parsed.items.push(Item { place, key, value }),
            None => parsed.skip(place, "nothing in it"),
        }
    }

    fn part(&mut self, name: &str) -> Option<Value> {
        let at = self.parts.iter().position(|(there, _)| there == name)?;
        Some(self.parts.remove(at).1)
    }
}

/// What is no secret, as text.
fn text(cursor: &mut Cursor<'_>) -> Result<Option<String>, NotJson> {
    let text = cursor.scalar()?;
    text.map(|text| std::str::from_utf8(&text).map(str::to_owned))
        .transpose()
        .map_err(|_| cursor.error("not UTF-8"))
}

fn number(cursor: &mut Cursor<'_>) -> Result<u8, NotJson> {
    // A kind that is larger is not known either.
    Ok(text(cursor)?.and_then(|text| text.parse().ok()).unwrap_or(u8::MAX))
}

/// An array, or null for an empty one.
fn array(
    cursor: &mut Cursor<'_>,
    depth: usize,
    element: impl FnMut(&mut Cursor<'_>) -> Result<(), NotJson>,
) -> Result<(), NotJson> {
    if cursor.peek() == Some(b'[') { cursor.array(depth, element) } else { cursor.pass_over(depth) }
}

/// Passes over an array, and says how many elements it has.
fn passed_over(cursor: &mut Cursor<'_>) -> Result<usize, NotJson> {
    let mut count = 0;
    array(cursor, 4, |cursor| {
        count += 1;
        cursor.pass_over(5)
    })?;
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(items: &str) -> (Vec<String>, Vec<String>, Vec<(usize, &'static str)>) {
        let file = format!(
            r#"{{"encrypted": false, "items": [{items}], "folders": [{{"id": "f", "name": "Work/Bank"}}]}}"#
        );
        assert!(is_one(file.as_bytes()));
        let parsed = parse(file.as_bytes()).unwrap();
        let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
        let one = |item: &Item<Content>| {
            let value = item.value.value.as_ref().map_or("-".into(), |value| text(value));
            let fields = item.value.rest.iter().flat_map(|rest| &rest.fields);
            let fields: Vec<String> = fields.map(|(name, value)| format!("{name}={}", text(value))).collect();
            format!("{}: {value} {}", item.key, fields.join(" "))
        };
        let skipped = parsed.skipped.iter().map(|skipped| skipped.reason.clone());
        (parsed.items.iter().map(one).collect(), skipped.collect(), parsed.details)
    }

    #[test]
    fn a_login_with_everything() {
        let login = r#"{"id": "1", "type": 1, "folderId": "f", "name": "a/b", "notes": "n\nm", "favorite": true,
            "passwordHistory": [{"lastUsedDate": "2026", "password": "old"}, {"password": "older"}],
            "fields": [{"name": "pin", "value": "1", "type": 1, "linkedId": null},
                {"name": "on", "value": "true", "type": 2}, {"name": "l", "value": null, "type": 3, "linkedId": 100},
                {"name": "username", "value": "other", "type": 0}, {"name": null, "value": "", "type": 0}],
            "login": {"uris": [{"match": null, "uri": "https://a"}, {"uri": "b"}, {"uri": null}],
                "username": "ann", "password": "p\"w", "totp": "otpauth://x", "passwordRevisionDate": "2026",
                "fido2Credentials": [{"keyValue": "k"}]}, "collectionIds": null}"#;
        let (items, skipped, details) = told(login);
        assert_eq!(
            items,
            [
                "Work/Bank/a%2Fb: p\"w username=ann url=https://a url (2)=b totp=otpauth://x notes=n\nm pin=1 on=true \
              username (2)=other field="
            ]
        );
        assert_eq!((skipped, details), (vec![], vec![(2, FORMER), (1, PASSKEYS), (1, LINKED)]));
    }

    #[test]
    fn the_other_kinds() {
        let (items, skipped, details) = told(
            r#"{"type": 2, "name": "note", "notes": "text", "secureNote": {"type": 0}, "folderId": "gone"},
            {"type": 3, "name": "card", "notes": null, "card": {"brand": "Visa", "number": "4242", "code": "1",
                "cardholderName": "A", "expMonth": "1", "expYear": "2030"}},
            {"type": 4, "name": "me", "identity": {"firstName": "A", "middleName": null, "email": ""}},
            {"type": 5, "name": "", "sshKey": {"privateKey": "-----BEGIN", "publicKey": "ssh-ed25519",
                "keyFingerprint": "SHA256:x"}},
            {"type": 1, "name": "empty", "login": {"username": null, "password": ""}},
            {"type": 1, "name": "gone", "deletedDate": "2026", "login": {"password": "x"}},
            {"type": 6, "name": "bank", "bankAccount": {"accountNumber": "", "iban": "DE89", "pin": "1"}},
            {"type": 7, "name": "licence", "driversLicense": {"licenseNumber": "D1", "issuingState": null}},
            {"type": 8, "name": "passport", "passport": {"passportNumber": "C1", "sex": "F"}, "archivedDate": "2026"},
            {"type": 9, "name": "new"}, {"type": 1, "name": "collected", "collectionIds": ["f", "g"],
                "login": {"password": "x"}}"#,
        );
        assert_eq!(
            items,
            [
                "note: text ",
                "card: 4242 brand=Visa code=1 cardholderName=A expMonth=1 expYear=2030",
                "me: - firstName=A",
                "unnamed: -----BEGIN publicKey=ssh-ed25519 keyFingerprint=SHA256:x",
                "bank: - iban=DE89 pin=1",
                "licence: D1 ",
                "passport: C1 sex=F",
                "Work/Bank/collected: x "
            ]
        );
        assert_eq!(skipped, ["nothing in it", "it is in the trash", "a kind of item that is not known"]);
        assert_eq!(details, []);
    }

    #[test]
    fn what_is_none_is_not_read() {
        let error = |file: &str| parse(file.as_bytes()).err().map(|error| error.reason);
        assert!(error(r#"{"encrypted": true, "items": []}"#).unwrap().contains("encrypted"));
        assert!(
            error(r#"{"encrypted": true, "passwordProtected": true, "data": "x"}"#)
                .unwrap()
                .contains("encrypted")
        );
        assert!(error(r#"{"encrypted": false}"#).unwrap().contains("items"));
        assert!(error(r#"{"encrypted": false, "items": [{"type": 1,}]}"#).is_some());
        assert!(!is_one(br#"{"items": {"a": "b"}}"#) && !is_one(b"A=1"));
        assert!(is_one(br#"{"encrypted": true, "passwordProtected": true, "data": "x"}"#));
    }
}
