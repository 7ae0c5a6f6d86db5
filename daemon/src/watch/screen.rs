//! Listens to the screen savers on the session bus while a session is open, and tells when the screen locks and
//! opens. None is ever started: only whoever has such a name already is asked.
//!
//! Names: the [Idle Inhibition Service](https://specifications.freedesktop.org/idle-inhibit-spec/latest/) and
//! GNOME's own interface, which have both methods and the signal alike.

use std::collections::BTreeSet;
use std::rc::Rc;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use zbus::match_rule::Builder;
use zbus::{Connection, Message, ObjectPath};

use super::bus::{self, ANSWER, POLL, Place, Retry, SETTLE};
use super::service::{Named, Service, Unanswered};
use super::while_open::while_open;
use crate::screens::{Bus, Heed, Source};
use crate::state::State;

/// One who tells of the screen. Its interface has the same name as it has.
struct Saver {
    name: &'static str,
    /// Where it may be.
    paths: &'static [&'static str],
    narrow: fn(Builder<'_>) -> Builder<'_>,
}

const FREEDESKTOP: Saver = Saver {
    name: "org.freedesktop.ScreenSaver",
    paths: &["/org/freedesktop/ScreenSaver", "/ScreenSaver"],
    narrow: |rule| rule.interface("org.freedesktop.ScreenSaver"),
};

const GNOME: Saver = Saver {
    name: "org.gnome.ScreenSaver",
    paths: &["/org/gnome/ScreenSaver"],
    narrow: |rule| rule.interface("org.gnome.ScreenSaver"),
};

/// Listens for as long as the daemon runs, on the session bus at this place.
pub async fn watch(state: Rc<State>, bus: Option<Place>) {
    let heeds = |state: &State| state.screens().heed().is_some_and(|heed| heed != Heed::Off);
    while_open(&state, heeds, async || listen(&state, bus.as_ref()).await).await;
}

/// Listens for as long as it is let.
async fn listen(state: &Rc<State>, bus: Option<&Place>) {
    let Some(bus) = bus else {
        state.screens().lost(Bus::Session);
        return std::future::pending().await;
    };
    let mut retry = Retry::default();
    loop {
        let began = Instant::now();
        let ended = match bus::join(bus, ANSWER).await {
            Ok(connection) => follow(state, &connection).await,
            Err(error) => error,
        };
        tracing::debug!("the screen is not listened to: {ended}");
        state.screens().lost(Bus::Session);
        sleep(retry.pause(began.elapsed())).await;
    }
}

/// Follows them, until the bus is lost.
async fn follow(state: &Rc<State>, connection: &Connection) -> bus::Error {
    let changes = Rc::new(Notify::new());
    let name = |saver: &'static Saver| {
        let (state, changes) = (state.clone(), changes.clone());
        let ear = move |message: &Message| {
            hear(&state, saver, message);
            changes.notify_one();
        };
        Named::follow(connection, saver.name, saver.narrow, ear)
    };
    let mut all = Vec::new();
    for saver in [&FREEDESKTOP, &GNOME] {
        match name(saver).await {
            Ok(named) => all.push((saver, named, None)),
            Err(error) => return error.into(),
        }
    }
    loop {
        for (saver, named, last) in &mut all {
            let owner = match named.owner(connection).await {
                Ok(owner) => owner,
                Err(error) => return error.into(),
            };
            if owner.is_none() || last.is_some() && *last != owner {
                state.see_screen(state.screens().left(Source::Saver(saver.name)));
            }
            last.clone_from(&owner);
            let Some(owner) = owner else { continue };
            match look(&Service { connection, owner: &owner }, saver).await {
                Ok(locked) => state.see_screen(state.screens().see(Source::Saver(saver.name), locked)),
                Err(Unanswered::Lost(error)) => return error,
                // What was seen of it last stands.
                Err(Unanswered::Silent | Unanswered::Refused) => {}
            }
        }
        state.see_screen(state.screens().looked(Bus::Session, &BTreeSet::new()));
        sleep(SETTLE).await;
        tokio::select! {
            () = changes.notified() => {}
            () = sleep(POLL) => {}
            () = connection.closed() => return bus::Error::Ended,
        }
    }
}

fn hear(state: &Rc<State>, saver: &Saver, message: &Message) {
    let header = message.header();
    let member = header.member().map(|member| member.as_str());
    // The bus has no such interface: who has the name is looked at.
    let its = header.interface().map(|interface| interface.as_str()) == Some(saver.name);
    if let (true, Some("ActiveChanged"), Ok(locked)) = (its, member, message.body().deserialize::<bool>()) {
        state.see_screen(state.screens().see(Source::Saver(saver.name), locked));
    }
}

async fn look(service: &Service<'_>, saver: &Saver) -> Result<bool, Unanswered> {
    let mut last = Unanswered::Refused;
    for path in saver.paths {
        let path = ObjectPath::from_static_str_unchecked(path);
        match service.ask(&path, saver.name, "GetActive", &()).await {
            Err(Unanswered::Refused) => last = Unanswered::Refused,
            other => return other,
        }
    }
    Err(last)
}
