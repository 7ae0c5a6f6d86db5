//! Listens to logind on the system bus while a session is open, and ends it when the machine goes to sleep or its
//! owner logs out; and tells when the screen of one of the owner's logins locks and opens. The machine is held up
//! until the key is wiped: as long as a session is open this keeps one of logind's delay locks, and lets go of it
//! behind the end of the session.
//!
//! Names: [org.freedesktop.login1(5)](https://www.freedesktop.org/software/systemd/man/org.freedesktop.login1.html).

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use glassdome_proto::session::Logind as Heard;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Message, ObjectPath, OwnedFd, OwnedObjectPath, OwnedVariant};

use super::bus::{self, ANSWER, POLL, Place, Retry, SETTLE};
use super::service::{BUS, Named, PROPERTIES, Service, Unanswered};
use super::while_open::while_open;
use crate::logind::{Heed, Login, Logins, Said};
use crate::screens::{self, Bus, Source};
use crate::state::State;

const NAME: &str = "org.freedesktop.login1";
const ROOT: ObjectPath<'static> = ObjectPath::from_static_str_unchecked("/org/freedesktop/login1");
const MANAGER: &str = "org.freedesktop.login1.Manager";
const SESSION: &str = "org.freedesktop.login1.Session";
/// So many logins of the owner's are looked at.
const LOGINS: usize = 64;

/// Listens for as long as the daemon runs, on the system bus at this place.
pub async fn watch(state: Rc<State>, bus: Option<Place>) {
    while_open(&state, is_heeded, async || listen(&state, bus.as_ref()).await).await;
}

fn is_heeded(state: &State) -> bool {
    let screen = state.screens().heed().is_some_and(|heed| heed != screens::Heed::Off);
    screen || state.logind().heed().is_some_and(Heed::is_any)
}

/// Listens for as long as it is let.
async fn listen(state: &Rc<State>, bus: Option<&Place>) {
    let Some(bus) = bus else {
        state.screens().lost(Bus::System);
        state.logind().note(Heard::NoBus);
        return std::future::pending().await;
    };
    let mut retry = Retry::default();
    loop {
        let began = Instant::now();
        let ended = match bus::join(bus, ANSWER).await {
            Ok(connection) => follow(state, bus, &connection).await,
            Err(error) => error,
        };
        if state.logind().state() != Heard::NoBus {
            tracing::info!("logind is not listened to: {ended}");
        }
        state.logind().note(Heard::NoBus);
        state.screens().lost(Bus::System);
        sleep(retry.pause(began.elapsed())).await;
    }
}

/// Follows logind, until the bus is lost.
async fn follow(state: &Rc<State>, bus: &Place, connection: &Connection) -> bus::Error {
    let changes = Rc::new(Notify::new());
    let ear = {
        let (state, changes) = (state.clone(), changes.clone());
        move |message: &Message| {
            if hear(&state, message) {
                changes.notify_one();
            }
        }
    };
    let named = Named::follow(connection, NAME, |rule| rule.path_namespace(ROOT), ear).await;
    let mut named = match named {
        Ok(named) => named,
        Err(error) => return error.into(),
    };
    let mut delay = Delay::default();
    loop {
        let owner = match named.owner(connection).await {
            Ok(owner) => owner,
            Err(error) => return error.into(),
        };
        let heard = match &owner {
            None => {
                state.screens().lost(Bus::System);
                Heard::NoLogind
            }
            Some(owner) => {
                let delays = state.logind().heed().is_some_and(|heed| heed.sleep);
                if delays {
                    delay.take(bus, owner).await;
                } else {
                    delay = Delay::default();
                }
                match look(state, &Service { connection, owner }).await {
                    Ok(()) if !delays || delay.is_of(owner) => Heard::Watched,
                    Ok(()) => Heard::Undelayed,
                    Err(Unanswered::Lost(error)) => return error,
                    Err(Unanswered::Silent) => Heard::Silent,
                    Err(Unanswered::Refused) => Heard::NoLogind,
                }
            }
        };
        state.logind().note(heard);
        sleep(SETTLE).await;
        tokio::select! {
            () = changes.notified() => {}
            () = sleep(POLL) => {}
            () = connection.closed() => return bus::Error::Ended,
        }
    }
}

/// Does at once what a signal asks for. Whether there may be more to be seen.
fn hear(state: &Rc<State>, message: &Message) -> bool {
    let header = message.header();
    let interface = header.interface().map(|interface| interface.as_str());
    let member = header.member().map(|member| member.as_str());
    let begins = || message.body().deserialize::<bool>().unwrap_or_default();
    match (interface, member) {
        (Some(MANAGER), Some("PrepareForSleep")) if begins() => tell(state, Said::Sleep),
        (Some(MANAGER), Some("PrepareForShutdown")) if begins() => tell(state, Said::Shutdown),
        (Some(SESSION), Some(asked @ ("Lock" | "Unlock"))) => {
            if let Some(path) = header.path() {
                state.see_screen(state.screens().ask(path.as_str(), asked == "Lock"));
            }
        }
        _ => {}
    }
    // From the bus comes who has the name.
    matches!(interface, Some(MANAGER | SESSION | PROPERTIES | BUS))
}

fn tell(state: &State, said: Said) {
    if let Some(reason) = state.logind().hear(said) {
        state.lock(reason);
    }
}

/// The lock that keeps the machine from sleeping for as long as it is open, or as logind's patience lasts.
#[derive(Debug, Default)]
struct Delay {
    /// With whose it is.
    held: Option<(OwnedUniqueName, OwnedFd)>,
    /// Since the last try came to nothing.
    refused: Option<Instant>,
}

impl Delay {
    fn is_of(&self, owner: &OwnedUniqueName) -> bool {
        self.held.as_ref().is_some_and(|(of, _)| of == owner)
    }

    /// Takes that of this owner, unless it is there. A former one's is held until there is another; and who
    /// refuses is not asked again at each signal.
    async fn take(&mut self, bus: &Place, owner: &OwnedUniqueName) {
        if self.is_of(owner) || self.refused.is_some_and(|refused| refused.elapsed() < POLL) {
            return;
        }
        match hold_up(bus, owner).await {
            Ok(lock) => *self = Self { held: Some((owner.clone(), lock)), refused: None },
            Err(error) => {
                if self.refused.replace(Instant::now()).is_none() {
                    tracing::warn!("the machine is not held up before it sleeps: {error}");
                }
            }
        }
    }
}

async fn hold_up(bus: &Place, owner: &OwnedUniqueName) -> Result<OwnedFd, Unanswered> {
    // A connection of its own, for as long as it takes: the other takes no descriptors from anybody.
    let connection = bus::join_for_descriptors(bus, ANSWER).await.map_err(Unanswered::Lost)?;
    let service = Service { connection: &connection, owner };
    let why = "The key is wiped";
    service.ask(&ROOT, MANAGER, "Inhibit", &("sleep", "Glassdome", why, "delay")).await
}

/// Looks at what logind says if it is asked.
async fn look(state: &Rc<State>, service: &Service<'_>) -> Result<(), Unanswered> {
    if service.property(&ROOT, MANAGER, "PreparingForSleep").await? {
        tell(state, Said::Sleep);
    }
    if service.property(&ROOT, MANAGER, "PreparingForShutdown").await? {
        tell(state, Said::Shutdown);
    }
    let all: Vec<(String, u32, String, String, OwnedObjectPath)> =
        service.ask(&ROOT, MANAGER, "ListSessions", &()).await?;
    let own = all.into_iter().filter(|(_, uid, ..)| *uid == state.owner()).take(LOGINS);
    let (mut logins, mut seen) = (Logins::new(), BTreeMap::new());
    for (id, _, _, _, path) in own {
        match service.ask(&path, PROPERTIES, "GetAll", &SESSION).await {
            Ok(properties) => {
                if let Some(login) = login(&properties) {
                    logins.insert(id, login);
                    seen.insert(path.to_string(), is_locked(&properties));
                }
            }
            // It ended meanwhile.
            Err(Unanswered::Refused) => {}
            Err(error) => return Err(error),
        }
    }
    for (path, locked) in &seen {
        state.see_screen(state.screens().see(Source::Login(path.clone()), *locked));
    }
    state.see_screen(state.screens().looked(Bus::System, &seen.into_keys().collect()));
    // Last: a logout has the last word on why it ends.
    tell(state, Said::Logins(logins));
    Ok(())
}

/// What a session of logind's is, if a person has logged in by it and not out of it.
fn login(properties: &HashMap<String, OwnedVariant>) -> Option<Login> {
    let text = |name| properties.get(name).and_then(|value| <&str>::try_from(&**value).ok());
    // Others are those of the user's own manager, of cron, and of the screen where one logs in.
    let is_persons = text("Class")?.starts_with("user");
    // What was left running keeps a session that was ended in the list.
    let lasts = text("State")? != "closing";
    let desktop = matches!(text("Type"), Some("x11" | "wayland" | "mir"));
    (is_persons && lasts).then_some(Login { desktop })
}

/// Whether its screen says that it is locked.
fn is_locked(properties: &HashMap<String, OwnedVariant>) -> bool {
    properties.get("LockedHint").is_some_and(|value| bool::try_from(&**value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use zbus::Variant;

    fn of(class: &str, state: &str, kind: &str) -> Option<Login> {
        let all = [("Class", class), ("State", state), ("Type", kind)];
        login(
            &all.map(|(key, value)| (key.to_owned(), OwnedVariant::try_from(Variant::from(value)).unwrap()))
                .into(),
        )
    }

    #[test]
    fn a_login_is_a_persons_and_lasts() {
        assert_eq!(of("user", "active", "wayland"), Some(Login { desktop: true }));
        assert_eq!(of("user", "online", "x11"), Some(Login { desktop: true }));
        assert_eq!(of("user-early", "active", "tty"), Some(Login { desktop: false }));
        for class in
            ["manager", "manager-early", "background", "background-light", "greeter", "lock-screen", ""]
        {
            assert_eq!(of(class, "active", "unspecified"), None, "{class}");
        }
        assert_eq!(of("user", "closing", "wayland"), None);
        assert_eq!(login(&HashMap::new()), None);
    }
}
