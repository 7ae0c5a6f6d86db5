//! Reads the directory of `pass` (<https://www.passwordstore.org>): a file for each entry, which `gpg` decrypts one by
//! one.
//!
//! | entry | value | fields |
//! |---|---|---|
//! | text | its first line without its end | `notes`: all that follows, byte for byte; beside it each of its lines `key: value`, and the first that begins with `otpauth://` as `totp` |
//! | what is not text, or begins with `-----BEGIN ` | all of it, byte for byte | |
//!
//! So the value, a line feed and `notes` are the entry as it was. What is hidden is no entry (`.gpg-id`, `.git`).
//! Symbolic links are not followed: they may lead anywhere.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use glassdome_proto::limits;
use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::content_builder::ContentBuilder;
use super::gpg::{self, Undecrypted};
use super::segment::segment;
use super::{Content, FILE, Item, Parsed, Place, Value};
use crate::error::{Error, printable};
use crate::text::progress::Progress;

/// What a directory of `pass` has in it.
pub(crate) const MARK: &str = ".gpg-id";

/// Directories in each other; more than a path has room for.
const DEPTH: usize = 128;
/// Most files in a store.
const ENTRIES: usize = 100_000;
/// Longest name of a field that is read out of a line, in bytes: what is longer is a sentence.
const KEY: usize = 32;

/// Where it is, if nothing else is said: as `pass` itself finds it.
pub(crate) fn usual_place() -> Option<PathBuf> {
    let named = std::env::var_os("PASSWORD_STORE_DIR").filter(|place| !place.is_empty()).map(PathBuf::from);
    named.or_else(|| Some(directories::BaseDirs::new()?.home_dir().join(".password-store")))
}

/// Reads all of it. Every entry is decrypted before anything is stored.
///
/// # Errors
/// [`Error::ReadFile`] for a directory that cannot be read, [`Error::Gpg`] if there is none, [`Error::Usage`] for a
/// store of more than [`FILE`] bytes or [`ENTRIES`] files.
pub(crate) fn read(store: &Path) -> Result<Parsed<Content>, Error> {
    read_by(store, FILE, decrypted)
}

/// Reads what `decrypt` makes of its files, which together may be that many bytes.
fn read_by(
    store: &Path,
    most: usize,
    decrypt: impl Fn(&Path) -> Result<Result<Value, Undecrypted>, Error>,
) -> Result<Parsed<Content>, Error> {
    let mut parsed = Parsed::default();
    let mut entries = Vec::new();
    walk(store, "", 0, &mut entries, &mut parsed)?;
    let mut progress = Progress::new(entries.len());
    let mut over = 0;
    let mut room = most;
    for (done, (path, key)) in entries.into_iter().enumerate() {
        progress.at(done);
        let place = Place::Path(key.clone());
        match decrypt(&path)? {
            Ok(entry) => {
                // What is small as a file may be large: it is compressed before it is encrypted.
                room = room.checked_sub(entry.len()).ok_or_else(|| too_large(most))?;
                let content = content_of(&entry);
                over += content.over();
                match content.content() {
                    Some(value) => parsed.items.push(Item { place, key, value }),
                    None => parsed.skip(place, "nothing in it"),
                }
            }
            Err(Undecrypted(why)) => parsed.skip(place, printable(&why)),
        }
    }
    if over > 0 {
        parsed.details.push((over, "lines without room as fields, which are in notes"));
    }
    Ok(parsed)
}

fn too_large(most: usize) -> Error {
    Error::Usage(format!(
        "nothing was stored: the store holds more than {most} bytes, which is read at once at most. Import it \
         directory by directory: --format pass DIRECTORY --prefix DIRECTORY"
    ))
}

/// Finds the entries below a directory, in the order of their names.
fn walk(
    directory: &Path,
    above: &str,
    depth: usize,
    entries: &mut Vec<(PathBuf, String)>,
    parsed: &mut Parsed<Content>,
) -> Result<(), Error> {
    let failed = |source| Error::ReadFile { path: directory.to_owned(), source };
    if depth == DEPTH {
        return Err(failed(io::ErrorKind::InvalidInput.into()));
    }
    let mut found =
        fs::read_dir(directory).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(failed)?;
    found.sort_by_key(fs::DirEntry::file_name);
    for entry in found {
        if entries.len() + parsed.skipped.len() == ENTRIES {
            return Err(Error::Usage(format!(
                "nothing was stored: there are more than {ENTRIES} files. Import it directory by directory: --format \
                 pass DIRECTORY --prefix DIRECTORY"
            )));
        }
        let name = entry.file_name();
        let lossy = name.to_string_lossy();
        if lossy.starts_with('.') {
            continue;
        }
        let place = || Place::Path(format!("{above}{lossy}"));
        let Some(name) = name.to_str() else {
            parsed.skip(place(), "its name is not UTF-8");
            continue;
        };
        // Of the entry itself: a link is none of these.
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{above}{}/", segment(name)), depth + 1, entries, parsed)?;
        } else if kind.is_symlink() {
            parsed.skip(place(), "a symbolic link");
        } else if !kind.is_file() {
            parsed.skip(place(), "no regular file");
        } else if let Some(name) = name.strip_suffix(".gpg") {
            entries.push((entry.path(), format!("{above}{}", segment(name))));
        } else {
            parsed.skip(place(), "not a .gpg file");
        }
    }
    Ok(())
}

fn decrypted(path: &Path) -> Result<Result<Value, Undecrypted>, Error> {
    // What lay there a moment ago may be a link now, or a pipe that nobody writes into.
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    match File::options().read(true).custom_flags(flags.cast_signed()).open(path) {
        Ok(file) => gpg::decrypt(file, limits::VALUE),
        Err(error) => Ok(Err(Undecrypted(error.to_string()))),
    }
}

/// A secret out of an entry.
fn content_of(entry: &[u8]) -> ContentBuilder {
    let mut content = ContentBuilder::default();
    let is_text = std::str::from_utf8(entry).is_ok_and(|text| !text.contains('\0'));
    let split = entry
        .iter()
        .position(|&byte| byte == b'\n')
        .filter(|_| is_text && !entry.starts_with(b"-----BEGIN "));
    let Some(end) = split else {
        content.value(Some(Zeroizing::new(entry.to_vec())));
        return content;
    };
    let (first, notes) = (&entry[..end], &entry[end + 1..]);
    content.value(Some(Zeroizing::new(first.to_vec())));
    content.field_if_any("notes", Some(Zeroizing::new(notes.to_vec())));
    // Together they have room for a secret twice as long as its parts at the most: else only the whole text is kept.
    if entry.len() > limits::VALUE / 4 {
        return content;
    }
    let mut otpauth = false;
    for line in notes.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)) {
        if line.starts_with(b"otpauth://") && !otpauth {
            otpauth = true;
            content.field("totp", Zeroizing::new(line.to_vec()));
        } else if let Some((key, value)) = pair(line) {
            let value = Zeroizing::new(value.to_vec());
            if matches!(key, "login" | "user" | "username") {
                content.tell_apart_by(&value)
            }
            content.field(key, value);
        }
    }
    content
}

/// `key: value`, with what follows the colon and its blank as it is.
fn pair(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let key = std::str::from_utf8(&line[..colon]).ok().filter(|key| (1..=KEY).contains(&key.len()))?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
    let value = line[colon + 1..].strip_prefix(b" ")?;
    (key.chars().all(plain) && key.trim() == key && !value.is_empty()).then_some((key, value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn told(entry: &[u8]) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
        let content = content_of(entry).content().unwrap();
        let fields = content.rest.unwrap().fields;
        let fields = fields.iter().map(|(name, value)| (name.to_string(), value.to_vec())).collect();
        (content.value.map(|value| value.to_vec()).unwrap_or_default(), fields)
    }

    #[test]
    fn a_store_that_holds_too_much_is_not_read() {
        let store = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            fs::write(store.path().join(name).with_extension("gpg"), "four").unwrap();
        }
        let decrypt = |path: &Path| Ok(Ok(Value::new(fs::read(path).unwrap())));
        assert_eq!(read_by(store.path(), 12, decrypt).unwrap().items.len(), 3);
        let error = read_by(store.path(), 11, decrypt).err().unwrap().to_string();
        assert!(error.contains("more than 11 bytes") && error.contains("--prefix"), "{error}");
    }

    #[test]
    fn the_first_line_is_the_password_and_the_rest_is_kept() {
        assert_eq!(told(b"pw\n"), (b"pw".to_vec(), vec![]));
        assert_eq!(told(b"pw"), (b"pw".to_vec(), vec![]));
        let notes = "login: ann\nhttps://a.b\nurl:  x \nA long sentence, with a colon: no field\notpauth://totp/x?a=b\n\nk:v\n";
        let (value, fields) = told(format!("p: w \n{notes}").as_bytes());
        assert_eq!(value, b"p: w ");
        let expected = [("notes", notes), ("login", "ann"), ("url", " x "), ("totp", "otpauth://totp/x?a=b")];
        assert_eq!(fields, expected.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())));
        let (_, fields) = told(b"pw\nnotes: x\nnotes: y\n");
        assert_eq!(fields.len(), 3, "{fields:?}");
    }

    #[test]
    fn what_is_not_lines_stays_whole() {
        for entry in
            [&b"\x00\x01\n\xff"[..], b"a\0b\nc: d\n", b"-----BEGIN KEY-----\nMIIE: x\n-----END KEY-----\n"]
        {
            assert_eq!(told(entry), (entry.to_vec(), vec![]));
        }
    }

    proptest! {
        #[test]
        fn nothing_of_an_entry_is_lost(entry in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), 0x20u8..0x7f], 1..60)) {
            prop_assume!(entry != b"\n");
            let (value, fields) = told(&entry);
            let notes = fields.iter().find(|(name, _)| name == "notes");
            let again = match notes {
                Some((_, notes)) => [&value[..], b"\n", notes].concat(),
                // A line feed at the end of the only line is no part of the value.
                None if entry.strip_suffix(b"\n") == Some(&value[..]) => [&value[..], b"\n"].concat(),
                None => value,
            };
            prop_assert_eq!(again, entry);
        }
    }
}
