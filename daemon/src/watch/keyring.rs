//! Looks at the OS keyring, the Secret Service on the session bus, and ends the session when it locks or
//! goes away. It is asked for one property, which never makes it show a prompt; and under the name that
//! the bus gives to its connection, which unlike its well-known name never makes the bus start it.
//!
//! Names: the [Secret Service API](https://specifications.freedesktop.org/secret-service-spec/0.2/) and
//! the D-Bus specification.

use std::rc::Rc;
use std::time::Duration;

use glassdome_proto::session::LockReason;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use zbus::names::OwnedUniqueName;
use zbus::{Connection, ObjectPath, OwnedObjectPath};

use super::bus::{self, ANSWER, POLL, Place, Retry, SETTLE};
use super::service::{self, Named, Service, Unanswered};
use crate::keyring::{Collection, Sight};
use crate::state::State;

const SERVICE: &str = "org.freedesktop.secrets";
/// The interface of the keyring itself.
pub const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
/// Where it is.
pub const ROOT: &str = "/org/freedesktop/secrets";
/// A daemon that has just started may not have looked yet: whoever needs the keyring waits so long.
pub const FIRST_LOOK: Duration = Duration::from_secs(2);
/// Between two tries to join the bus, however often somebody asks.
const LEAST: Duration = Duration::from_secs(1);

/// How the keyring is called that was there at the last look.
#[derive(Debug, Clone)]
pub struct Reach {
    connection: Connection,
    owner: OwnedUniqueName,
}

impl Reach {
    /// Who is the keyring on that bus now, if anybody is.
    ///
    /// # Errors
    /// Those of the bus.
    pub async fn find(connection: Connection) -> Result<Option<Self>, bus::Error> {
        let owner = service::owner(&connection, SERVICE).await?;
        Ok(owner.map(|owner| Self { connection, owner }))
    }

    /// To call it.
    pub fn service(&self) -> Service<'_> {
        Service { connection: &self.connection, owner: &self.owner }
    }

    /// How that collection of it, or the default one, is seen now.
    pub async fn look(&self, collection: Option<&OwnedObjectPath>) -> Sight {
        look(&self.service(), collection).await.unwrap_or_else(|instead| instead)
    }
}

/// Looks for as long as the daemon runs, at `collection` or the default one, on the bus at this place.
pub async fn watch(state: Rc<State>, bus: Option<Place>, collection: Option<OwnedObjectPath>) {
    let Some(bus) = bus else { return see(&state, Sight::NoBus) };
    let mut retry = Retry::default();
    loop {
        let began = Instant::now();
        let ended = match bus::join(&bus, ANSWER).await {
            Ok(connection) => follow(&state, &connection, collection.as_ref()).await,
            Err(error) => error,
        };
        state.keyring().reach(None);
        if *state.keyring().sight() != Sight::NoBus {
            tracing::info!("the keyring is not watched: {ended}");
        }
        see(&state, Sight::NoBus);
        let pause = retry.pause(began.elapsed());
        sleep(LEAST).await;
        tokio::select! {
            () = sleep(pause.saturating_sub(LEAST)) => {}
            () = state.keyring().asked() => {}
        }
    }
}

fn see(state: &State, sight: Sight) {
    if state.keyring().see(sight) {
        state.lock(LockReason::KeyringLocked);
    }
}

/// Follows the keyring, until the bus is lost.
async fn follow(state: &State, connection: &Connection, collection: Option<&OwnedObjectPath>) -> bus::Error {
    let signals = Rc::new(Notify::new());
    let heard = signals.clone();
    // What a signal says does not matter: it is looked anew.
    let ear = move |_: &_| heard.notify_one();
    let named = Named::follow(connection, SERVICE, |rule| rule.path_namespace(ROOT), ear).await;
    let mut named = match named {
        Ok(named) => named,
        Err(error) => return error.into(),
    };
    loop {
        let owner = match named.owner(connection).await {
            Ok(owner) => owner,
            Err(error) => return error.into(),
        };
        let reach = owner.map(|owner| Reach { connection: connection.clone(), owner });
        state.keyring().reach(reach.clone());
        let sight = match &reach {
            None => Sight::NoKeyring,
            Some(reach) => reach.look(collection).await,
        };
        see(state, sight);
        sleep(SETTLE).await;
        tokio::select! {
            () = signals.notified() => {}
            () = state.keyring().asked() => {}
            () = sleep(POLL) => {}
            () = connection.closed() => return bus::Error::Ended,
        }
    }
}

/// Looks at the collection, or says what was seen instead of one.
async fn look(service: &Service<'_>, collection: Option<&OwnedObjectPath>) -> Result<Sight, Sight> {
    let path = match collection {
        Some(path) => path.clone(),
        None => {
            let root = ObjectPath::from_static_str_unchecked(ROOT);
            service.ask(&root, SERVICE_INTERFACE, "ReadAlias", &"default").await?
        }
    };
    // Thus it says that there is none.
    if path.as_str() == "/" {
        return Err(Sight::NoCollection);
    }
    match service.property(&path, "org.freedesktop.Secret.Collection", "Locked").await? {
        true => Ok(Sight::Locked),
        false => Ok(Sight::Open(Collection { owner: service.owner.to_string(), path: path.to_string() })),
    }
}

impl From<Unanswered> for Sight {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Silent => Self::Silent,
            Unanswered::Lost(_) => Self::NoBus,
            Unanswered::Refused => Self::NoCollection,
        }
    }
}
