//! Which program wrote a file: as it is said, or told from what is in it, if that is certain.

use std::path::Path;

use super::{
    Content, Parsed, bitwarden, env_file, json_cursor, json_file, keepass_csv, own_json, pass_store,
};
use crate::error::Error;

/// What a file can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Lines of KEY=VALUE
    Env,
    /// An object, nested ones as paths; or what ctl export wrote
    Json,
    /// Bitwarden's unencrypted export in JSON
    Bitwarden,
    /// The CSV of KeePassXC or KeePass
    KeepassCsv,
    /// The directory of pass
    Pass,
}

/// What the file that `path` names is.
///
/// # Errors
/// [`Error::Usage`] if it could be anything: it must be said then.
pub(crate) fn guess(path: &Path, file: &[u8]) -> Result<Format, Error> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if own_json::is_one(file) {
        return Ok(Format::Json);
    }
    if bitwarden::is_one(file) {
        return Ok(Format::Bitwarden);
    }
    if keepass_csv::is_one(file) {
        return Ok(Format::KeepassCsv);
    }
    if name.ends_with(".json") {
        return Ok(Format::Json);
    }
    let called_env = name == ".env" || name.ends_with(".env") || name.starts_with(".env.");
    if called_env || is_env(file) {
        return Ok(Format::Env);
    }
    Err(Error::Usage(format!(
        "what {} is cannot be told: say it with --format env, json, bitwarden, keepass-csv or pass",
        path.display()
    )))
}

/// Whether all of it is read as lines of KEY=VALUE.
fn is_env(file: &[u8]) -> bool {
    let parsed = env_file::parse(file);
    !parsed.items.is_empty() && parsed.skipped.is_empty()
}

/// Whether the directory is one of `pass`.
pub(crate) fn is_store(path: &Path) -> bool {
    path.join(pass_store::MARK).symlink_metadata().is_ok()
}

/// Reads a file of that format; a directory is no file.
///
/// # Errors
/// [`Error::Usage`] with the line, when the file as a whole is not that.
pub(crate) fn parse(format: Format, path: &Path, file: &[u8]) -> Result<Parsed<Content>, Error> {
    let unread = |line: usize, reason: &str| {
        Error::Usage(format!("{} is not read: line {line}: {reason}", path.display()))
    };
    let json = |error: json_cursor::NotJson| unread(error.line, error.reason);
    match format {
        Format::Env => Ok(env_file::parse(file).into()),
        Format::Json if own_json::is_one(file) => own_json::parse(file).map_err(json),
        Format::Json => json_file::parse(file).map(Parsed::from).map_err(json),
        Format::Bitwarden => bitwarden::parse(file).map_err(json),
        Format::KeepassCsv => keepass_csv::parse(file).map_err(|error| unread(error.line, error.reason)),
        Format::Pass => Err(Error::Usage(format!("{} is no directory of pass", path.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_from_its_content_and_else_from_its_name() {
        let guess = |path: &str, file: &[u8]| guess(Path::new(path), file).ok();
        let bitwarden = br#"{"encrypted": false, "folders": [], "items": []}"#;
        for path in ["x", "x.json", "-"] {
            assert_eq!(guess(path, bitwarden), Some(Format::Bitwarden));
            assert_eq!(guess(path, br#"{"glassdome-export": 1, "secrets": []}"#), Some(Format::Json));
            assert_eq!(guess(path, b"Group,Title,Username,Password,URL,Notes\n"), Some(Format::KeepassCsv));
        }
        assert_eq!(guess("x.json", br#"{"a": "b"}"#), Some(Format::Json));
        for path in [".env", "prod.env", ".env.local"] {
            assert_eq!(guess(path, b"A=1\nno\n"), Some(Format::Env));
        }
        assert_eq!(guess("-", b"A=1\n"), Some(Format::Env));
        for file in [&b"A=1\nno\n"[..], b"", b"{\"a\": \"b\"}", b"name,url,username,password\nx,y,z,q\n"] {
            assert_eq!(guess("x", file), None);
        }
    }

    #[test]
    fn a_mistake_has_its_line() {
        let error =
            |format, file: &[u8]| parse(format, Path::new("f"), file).err().map(|error| error.to_string());
        assert_eq!(error(Format::Json, b"{\n}x").unwrap(), "f is not read: line 2: text behind the object");
        assert!(error(Format::KeepassCsv, b"a,b").unwrap().contains("line 1"));
        assert!(error(Format::Pass, b"").is_some() && error(Format::Env, b"no").is_none());
    }
}
