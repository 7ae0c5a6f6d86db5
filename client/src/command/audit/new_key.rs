//! `ctl audit new-key`: a key pair for the auditor. The log is sealed to the public key from then
//! on; the secret one is shown once, to whoever will check the seals, and kept nowhere.

use std::path::PathBuf;

use glassdome_audit::auditor::Auditor;
use glassdome_audit::seal;
use glassdome_proto::settings::{Answer as SettingsAnswer, Request};
use glassdome_proto::{Answer, Body, Bytes};
use zeroize::Zeroizing;

use crate::cli::connect;
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{PasswordArgs, Source};
use crate::proof::with_password;
use crate::random_value::fill;
use crate::shown_once::{Fate, Place, Words, put};
use crate::text::notice;

const WORDS: Words = Words {
    what: "the auditor's secret key",
    option: "--key-file",
    check: "See: ctl audit verify --key-file",
};

/// What can be typed behind `ctl audit new-key`.
#[derive(clap::Args)]
pub(crate) struct NewKey {
    /// Write the secret key to FILE, which must not be there yet, instead of showing it on the terminal
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    password: PasswordArgs,
}

impl NewKey {
    pub(super) fn run(self) -> Result<Exit, Error> {
        let place = Place::choose(self.key_file.as_deref(), &WORDS)?;
        let mut connection = connect()?;
        // Greets the daemon before anybody is asked; see `unlock`.
        connection.require_vault()?;
        let mut source = Source::open(&self.password)?;
        let auditor = make()?;
        // Kept before the log is sealed to it: what is sealed to a key that nobody has, nobody checks.
        let text = auditor.text();
        let sending = place.through(&WORDS, &text, |sending| {
            with_password(&mut source, |password| {
                let origin = seal::origin(auditor.expose());
                let origin = Bytes::new(origin.as_slice()).ok_or(Error::Unexpected)?;
                let request = Request::SetAuditor { password, public: auditor.public(), origin };
                sending.send(Fate::after, || seal_to(&mut connection, request))
            })
        })?;
        match place {
            Place::File(path) => notice::done(&format!(
                "the audit log is sealed to a new auditor; their key is in {}. Move it off this machine",
                path.display()
            )),
            Place::Terminal => {
                notice::done(
                    "the audit log is sealed to a new auditor. Their key, which is shown this once and kept nowhere:",
                );
                put(&text)?;
                notice::done("whoever has it checks the seals: ctl audit verify. Keep it off this machine");
            }
        }
        drop(sending);
        Ok(Exit::Ok)
    }
}

fn make() -> Result<Auditor, Error> {
    let mut secret = Zeroizing::new([0; seal::KEY]);
    fill(secret.as_mut_slice())?;
    Ok(Auditor::new(secret))
}

fn seal_to(connection: &mut Connection, request: Request<'_>) -> Result<(), Error> {
    match connection.call(Body::Settings(request))? {
        Answer::Settings(SettingsAnswer::AuditorSet) => Ok(()),
        _ => Err(Error::Unexpected),
    }
}
