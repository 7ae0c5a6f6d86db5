//! `ctl settings`: the sealed settings, which change only with the master password.

use std::io::stdout;

use glassdome_proto::settings::{Answer as SettingsAnswer, Request, Setting, Value, Word};
use glassdome_proto::{Answer, Body, limits};

use crate::cli::{Command, connect, print, print_json};
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::proof::with_password;
use crate::text::notice;
use crate::text::style::Style;
use crate::text::table::columns;

/// What can be typed behind `ctl settings`.
#[derive(clap::Args)]
pub(crate) struct Settings {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(clap::Subcommand)]
enum What {
    /// Show all settings
    Show {
        /// Print a JSON array for programs
        #[arg(long)]
        json: bool,
    },
    /// Change one setting; takes the master password
    Set {
        /// Which
        key: String,
        /// To what
        value: String,
        #[command(flatten)]
        password: PasswordArgs,
    },
}

/// A setting for programs.
#[derive(serde::Serialize)]
struct Document<'a> {
    key: &'a str,
    value: &'a str,
    default: bool,
    about: &'a str,
}

impl Command for Settings {
    const NAME: &'static str = "settings";
    const ABOUT: &'static str = "Show or change the sealed settings";
    const EXAMPLES: &'static str = "ctl settings\nctl settings show --json\nctl settings set idle 30m";

    fn run(self) -> Result<Exit, Error> {
        match self.what {
            None => show(false),
            Some(What::Show { json }) => show(json),
            Some(What::Set { key, value, password }) => set(&key, &value, &password),
        }
    }
}

fn show(json: bool) -> Result<Exit, Error> {
    let mut connection = connect()?;
    let Answer::Settings(SettingsAnswer::All(all)) = connection.call(Body::Settings(Request::Show))? else {
        return Err(Error::Unexpected);
    };
    if json {
        print_json(&all.iter().map(document).collect::<Vec<_>>())?;
    } else {
        let style = Style::of(&stdout());
        print(&columns(&all.iter().map(|setting| row(setting, style)).collect::<Vec<_>>()))?;
    }
    Ok(Exit::Ok)
}

fn set(key: &str, value: &str, password: &PasswordArgs) -> Result<Exit, Error> {
    let too_long = |what, max| Error::TooLong { what, max };
    let key = Word::new(key.to_owned()).ok_or(too_long("a setting's name", limits::SETTING))?;
    let value = Value::new(value.to_owned()).ok_or(too_long("a setting", limits::SETTING_VALUE))?;
    let mut connection = connect()?;
    // Greets the daemon before anybody is asked; see `unlock`.
    connection.require_vault()?;
    with_password(&mut Source::open(password)?, |password| {
        let request = Request::Set { password, key: key.clone(), value: value.clone() };
        match connection.call(Body::Settings(request))? {
            Answer::Settings(SettingsAnswer::Set(now)) => {
                // Of the others a session keeps what it has begun with.
                let from = if &*now.key == "screen" { "now" } else { "the next session" };
                notice::done(&format!("{} is {} from {from} on", now.key, now.value));
                Ok(Exit::Ok)
            }
            _ => Err(Error::Unexpected),
        }
    })
}

fn document<'a>(setting: &'a Setting<'_>) -> Document<'a> {
    Document { key: &setting.key, value: &setting.value, default: setting.default, about: &setting.about }
}

fn row(setting: &Setting<'_>, style: Style) -> Vec<String> {
    let value = if setting.default { style.faint(&setting.value) } else { setting.value.to_string() };
    vec![setting.key.to_string(), value, setting.about.to_string()]
}
