//! What it takes beside the master password to open the vault: nothing, or a device key in the OS keyring. `ctl storage
//! migrate`, `ctl storage tidy`, and how both are told.

use glassdome_proto::session::Keyring;
use glassdome_proto::settings::{Answer as SettingsAnswer, Request as SettingsRequest, SlotKind};
use glassdome_proto::storage::{Answer as StorageAnswer, DeviceKey, Mode, Request};
use glassdome_proto::{Answer, Body, recovery};
use zeroize::Zeroizing;

use crate::cli::connect;
use crate::connection::Connection;
use crate::error::Error;
use crate::exit::Exit;
use crate::password::{Password, PasswordArgs, Source, TRIES};
use crate::proof::with_password;
use crate::text::notice;

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum To {
    /// To the keyring, where one is open and there is a recovery code; else it stays as it is
    Auto,
    /// The master password opens the vault only with a device key in the keyring
    Keyring,
    /// The master password alone opens the vault
    File,
}

/// The options of `ctl storage migrate`.
#[derive(Debug, clap::Args)]
pub(crate) struct Migrate {
    /// What opens the vault from then on
    #[arg(long, value_enum, default_value = "auto")]
    to: To,
    /// Bind it to the keyring although there is no recovery code: if the keyring is lost, nothing opens the vault
    #[arg(long)]
    without_recovery: bool,
    /// After the recovery code: take a new master password that is easy to guess
    #[arg(long)]
    accept_weak: bool,
    #[command(flatten)]
    password: PasswordArgs,
}

/// What the daemon knows of the device key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Device {
    key: DeviceKey,
    spare: Option<u32>,
}

impl Device {
    /// Asks for it.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub(crate) fn ask(connection: &mut Connection) -> Result<Self, Error> {
        match connection.call(Body::Storage(Request::Device))? {
            Answer::Storage(StorageAnswer::Device { key, spare }) => Ok(Self { key, spare }),
            _ => Err(Error::Unexpected),
        }
    }

    /// For programs.
    pub(crate) fn mode(self) -> &'static str {
        if self.key == DeviceKey::None { "file" } else { "keyring" }
    }

    /// For programs; `None` where there is none.
    pub(crate) fn word(self) -> Option<&'static str> {
        Some(match self.key {
            DeviceKey::None => return None,
            DeviceKey::There => "there",
            DeviceKey::Locked => "locked",
            DeviceKey::Missing => "missing",
            DeviceKey::Wrong => "wrong",
            DeviceKey::Unreachable(_) => "unreachable",
        })
    }

    /// For programs.
    pub(crate) fn spare(self) -> Option<u32> {
        self.spare
    }

    /// For people, of a vault with a recovery code or without.
    pub(crate) fn describe(self, recovery_code: bool) -> String {
        let else_opens = if recovery_code { "only the recovery code opens it" } else { "nothing opens it" };
        let how = match self.key {
            DeviceKey::None => return "file: the master password alone opens it".to_owned(),
            DeviceKey::There => "which is there".to_owned(),
            DeviceKey::Locked => format!("which is locked: {else_opens} until you unlock the keyring"),
            DeviceKey::Missing => format!("which has it no more: {else_opens}"),
            DeviceKey::Wrong => format!("which has another key in its place: {else_opens}"),
            DeviceKey::Unreachable(seen) => {
                return format!(
                    "keyring: the master password opens it only with the device key in the keyring, and {}: \
                     {else_opens} now",
                    seen.why_not()
                );
            }
        };
        format!("keyring: the master password opens it only with the device key in the keyring, {how}")
    }

    /// What is worth knowing beside that.
    pub(crate) fn remind(self) {
        if let Some(spare) = self.spare.filter(|spare| *spare > 0) {
            let keys = if spare == 1 { "a device key".to_owned() } else { format!("{spare} device keys") };
            notice::remind(&format!(
                "the keyring has {keys} of this vault that its password does not need. If no copy or backup needs what \
                 is there: ctl storage tidy"
            ));
        }
    }
}

/// `ctl storage migrate`.
///
/// # Errors
/// As [`Connection::call`].
pub(crate) fn migrate(options: &Migrate) -> Result<Exit, Error> {
    let mut connection = connect()?;
    // Greets the daemon before anybody is asked; see `unlock`.
    connection.require_vault()?;
    let to = match options.to {
        To::Keyring => Mode::Keyring,
        To::File => Mode::File,
        To::Auto => match choose(&mut connection, options.without_recovery)? {
            Ok(to) => to,
            Err(stays) => {
                notice::done(&stays);
                return Ok(Exit::Ok);
            }
        },
    };
    let (changed, left) = with_either(&mut connection, options, to)?;
    if !changed {
        let line = match to {
            Mode::Keyring => {
                "the master password opens the vault only with the keyring already: nothing was changed"
            }
            Mode::File => "the master password alone opens the vault already: nothing was changed",
        };
        notice::done(line);
        return Ok(Exit::Ok);
    }
    match to {
        Mode::Keyring => {
            notice::done("the master password opens the vault only with the device key in your keyring now");
            notice::remind(
                "copies and backups from before are opened by what opened them then. Make a new one: ctl storage backup \
                 FILE; elsewhere it takes the recovery code",
            );
        }
        Mode::File => {
            notice::done("the master password alone opens the vault now");
            if !left {
                notice::remind(
                    "backups from before take the recovery code, since their device key is gone. Make a new one: ctl \
                     storage backup FILE",
                );
            }
        }
    }
    if left {
        notice::remind(
            "the former device key is still in the keyring: backups from before need it, or the recovery code of that \
             time. When you have a new one, take it away: ctl storage tidy",
        );
    }
    Ok(Exit::Ok)
}

/// Where `auto` leads: to the keyring, or nowhere, with the line that says why.
fn choose(connection: &mut Connection, without_recovery: bool) -> Result<Result<Mode, String>, Error> {
    let device = Device::ask(connection)?;
    let seen = connection.status()?.keyring;
    let recovery = without_recovery || has_recovery(connection)?;
    Ok(match device.key {
        DeviceKey::There => {
            Err("the master password opens the vault only with the keyring already: nothing was changed".to_owned())
        }
        DeviceKey::None if seen != Keyring::Unlocked => {
            let why = seen.why_not();
            Err(format!("the master password alone opens the vault, and that stays so, since {why}"))
        }
        DeviceKey::None if !recovery => Err(
            "the master password alone opens the vault, and that stays so: with a lost keyring and no recovery code, \
             nothing would open it. Make one: ctl slots add recovery"
                .to_owned(),
        ),
        _ => Ok(Mode::Keyring),
    })
}

/// Whether there is a recovery code.
fn has_recovery(connection: &mut Connection) -> Result<bool, Error> {
    match connection.call(Body::Settings(SettingsRequest::Slots))? {
        Answer::Settings(SettingsAnswer::Slots(slots)) => {
            Ok(slots.iter().any(|slot| slot.kind == SlotKind::Recovery))
        }
        _ => Err(Error::Unexpected),
    }
}

/// With the master password, or with the recovery code and a master password from then on. Whether anything was changed,
/// and whether the former device key is still there.
fn with_either(connection: &mut Connection, options: &Migrate, to: Mode) -> Result<(bool, bool), Error> {
    let mut source = Source::open(&options.password)?;
    for rest in (0..TRIES).rev() {
        let typed = source.present("Master password, or recovery code: ")?;
        let new = match is_code(&typed) {
            true => Some(source.new_password()?),
            false => None,
        };
        let request = Request::Migrate {
            password: typed.wire(),
            to,
            new: new.as_ref().map(Password::wire),
            accept_weak: options.accept_weak,
            without_recovery: options.without_recovery,
        };
        match connection.call(Body::Storage(request)) {
            Ok(Answer::Storage(StorageAnswer::Migrated { changed, left })) => return Ok((changed, left)),
            Ok(_) => return Err(Error::Unexpected),
            Err(error) if rest > 0 && source.can_ask_again() => source.retry(error)?,
            Err(error) => return Err(error),
        }
    }
    unreachable!("the last try returns")
}

/// Whether what was typed can be a recovery code.
fn is_code(typed: &Password) -> bool {
    let mut code = Zeroizing::new([0; recovery::LEN]);
    recovery::read(typed.wire().expose(), &mut code)
}

/// `ctl storage tidy`.
///
/// # Errors
/// As [`Connection::call`].
pub(crate) fn tidy(password: &PasswordArgs) -> Result<Exit, Error> {
    let mut connection = connect()?;
    connection.require_vault()?;
    if Device::ask(&mut connection)?.spare == Some(0) {
        notice::done("the keyring has no device key of this vault that its password does not need");
        return Ok(Exit::Ok);
    }
    let (removed, left) = with_password(&mut Source::open(password)?, |password| {
        match connection.call(Body::Storage(Request::Tidy { password }))? {
            Answer::Storage(StorageAnswer::Tidied { removed, left }) => Ok((removed, left)),
            _ => Err(Error::Unexpected),
        }
    })?;
    let keys = |count| if count == 1 { "1 device key".to_owned() } else { format!("{count} device keys") };
    if removed > 0 || left == 0 {
        notice::done(&format!("{} taken out of the keyring", keys(removed)));
    }
    if left > 0 {
        return Err(Error::KeyringKeeps { what: keys(left) });
    }
    Ok(Exit::Ok)
}
