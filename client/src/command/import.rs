//! `ctl import`: take over what another program kept in a file.

use std::collections::HashMap;
use std::io::stdin;
use std::path::{Path, PathBuf};

use glassdome_proto::Name;
use glassdome_proto::secrets::Stored;
use zeroize::Zeroizing;

use crate::bulk::{Entry, Manner};
use crate::cli::{Command, connect_to_ask, print_json};
use crate::descriptor::{read_all, read_file};
use crate::error::Error;
use crate::exit::Exit;
use crate::import::{Item, Parsed, Place, Skipped, env_file, json_file};
use crate::text::import_report::{Report, describe};
use crate::text::notice;
use crate::text::progress::Progress;
use crate::wait::WaitArgs;

/// Largest file, in bytes.
const FILE: usize = 64 * 1024 * 1024;

/// What can be typed behind `ctl import`.
#[derive(clap::Args)]
pub(crate) struct Import {
    /// Which file; - is stdin
    file: PathBuf,
    /// How to read it: env (lines of KEY=VALUE) or json (an object); by its name if not said
    #[arg(long, value_name = "FORMAT", value_parser = ["env", "json"])]
    format: Option<String>,
    /// Put P/ in front of each name
    #[arg(long, value_name = "P")]
    prefix: Option<String>,
    /// Only say what would happen
    #[arg(long)]
    dry_run: bool,
    /// Replace values that are there and differ; else they are left and told
    #[arg(long)]
    overwrite: bool,
    /// Print a JSON object for programs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    wait: WaitArgs,
}

impl Command for Import {
    const NAME: &'static str = "import";
    const ABOUT: &'static str = "Store what a .env or JSON file holds; nested objects become paths";
    const EXAMPLES: &'static str = "ctl import .env --prefix shop/dev\nctl import .env --dry-run\n\
                                    ctl import secrets.json --overwrite";

    fn run(self) -> Result<Exit, Error> {
        let mut connection = connect_to_ask(&self.wait)?;
        // Greets the daemon, and closes this process to its neighbours, before secrets are read.
        connection.require_session()?;
        let file = self.read()?;
        let mut parsed = self.parse(&file)?;
        drop(file);
        let named = self.named(&mut parsed);
        let entries: Vec<Entry<'_>> =
            named.iter().map(|(name, item)| Entry { name: name.clone(), value: &item.value }).collect();
        let manner = Manner { overwrite: self.overwrite, dry_run: self.dry_run };
        let mut progress = Progress::new(entries.len());
        let results = connection.set_many(&entries, manner, |done| progress.at(done))?;
        drop(progress);
        let report = Report::new(&named_results(&entries, &results), parsed.skipped, self.dry_run);
        if self.json {
            print_json(&report)?
        } else {
            notice::say(&describe(&report))
        }
        Ok(report.exit())
    }
}

impl Import {
    fn read(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        if self.file == Path::new("-") {
            return read_all(stdin(), "the input", FILE);
        }
        read_file(&self.file, FILE)
    }

    fn parse(&self, file: &[u8]) -> Result<Parsed, Error> {
        let by_name = self.file.extension().is_some_and(|extension| extension == "json");
        let is_json = self.format.as_deref().map_or(by_name, |format| format == "json");
        if !is_json {
            return Ok(env_file::parse(file));
        }
        json_file::parse(file).map_err(|error| {
            Error::Usage(format!(
                "{} is not read: line {}: {}",
                self.file.display(),
                error.line,
                error.reason
            ))
        })
    }

    /// Gives the items their names. What cannot have one is skipped, and of two with the same name
    /// the former.
    fn named(&self, parsed: &mut Parsed) -> Vec<(Name<'static>, Item)> {
        let mut named: Vec<(Name<'static>, Item)> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        let skipped = &mut parsed.skipped;
        for item in parsed.items.drain(..) {
            match Name::typed(&self.name_of(&item.key)) {
                Ok(name) => match places.get(&*name) {
                    Some(&at) => {
                        let reason = format!("given again: {}", item.place);
                        skipped.push(Skipped { place: named[at].1.place.clone(), reason });
                        named[at].1 = item;
                    }
                    None => {
                        places.insert(name.to_string(), named.len());
                        named.push((name, item));
                    }
                },
                Err(error) => skipped.push(Skipped { place: item.place, reason: error.to_string() }),
            }
        }
        // In the order of the file; paths have none and stay as they are.
        skipped.sort_by_key(|skipped| match skipped.place {
            Place::Line(line) => line,
            Place::Path(_) => 0,
        });
        named
    }

    fn name_of(&self, key: &str) -> String {
        match self.prefix.as_deref().map(|prefix| prefix.trim_end_matches('/')) {
            Some(prefix) => format!("{prefix}/{key}"),
            None => key.to_owned(),
        }
    }
}

fn named_results<'a>(entries: &'a [Entry<'_>], results: &[Stored]) -> Vec<(&'a str, Stored)> {
    entries.iter().zip(results).map(|(entry, stored)| (&*entry.name, *stored)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn import(prefix: Option<&str>) -> Import {
        Import {
            file: PathBuf::from("x.env"),
            format: None,
            prefix: prefix.map(str::to_owned),
            dry_run: false,
            overwrite: false,
            json: false,
            wait: WaitArgs::default(),
        }
    }

    #[test]
    fn the_last_of_two_with_one_name_counts() {
        let mut parsed = env_file::parse(b"A=1\nB=2\nA=3\n");
        let named = import(None).named(&mut parsed);
        let values: Vec<(&str, &[u8])> =
            named.iter().map(|(name, item)| (&**name, &item.value[..])).collect();
        assert_eq!(values, [("A", &b"3"[..]), ("B", b"2")]);
        assert_eq!(parsed.skipped, [Skipped { place: Place::Line(1), reason: "given again: line 3".into() }]);
    }

    #[test]
    fn prefixes_make_paths_and_impossible_names_are_skipped() {
        for prefix in ["shop/dev", "shop/dev/"] {
            let named = import(Some(prefix)).named(&mut env_file::parse(b"A=1"));
            assert_eq!(&*named[0].0, "shop/dev/A");
        }
        let mut parsed = json_file::parse(br#"{"": "x", "a//b": "y", "ok": "z"}"#).unwrap();
        let named = import(None).named(&mut parsed);
        assert_eq!((named.len(), parsed.skipped.len()), (1, 2));
    }

    #[test]
    fn the_name_says_the_format_unless_it_is_said() {
        let json = Import { file: PathBuf::from("x.json"), ..import(None) };
        assert_eq!(json.parse(br#"{"a": "b"}"#).unwrap().items.len(), 1);
        assert!(matches!(json.parse(b"A=1"), Err(Error::Usage(_))));
        let env = Import { format: Some("env".into()), ..json };
        assert_eq!(env.parse(b"A=1").unwrap().items.len(), 1);
    }
}
