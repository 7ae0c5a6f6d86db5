//! Looks at the OS keyring, the Secret Service on the session bus, and ends the session when it locks or
//! goes away. It is asked for one property, which never makes it show a prompt; and under the name that
//! the bus gives to its connection, which unlike its well-known name never makes the bus start it.
//!
//! Names: the [Secret Service API](https://specifications.freedesktop.org/secret-service-spec/0.2/) and
//! the D-Bus specification.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use glassdome_proto::session::LockReason;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use zbus::export::futures_core::Stream;
use zbus::message::Type as MessageType;
use zbus::names::{BusName, OwnedUniqueName};
use zbus::{Connection, DynamicType, Error, MatchRule, MessageStream, ObjectPath, OwnedObjectPath};
use zbus::{OwnedVariant, Type, fdo};

use super::bus::{self, Retry};
use crate::keyring::{Collection, Sight};
use crate::state::State;

const BUS: &str = "org.freedesktop.DBus";
const SERVICE: &str = "org.freedesktop.secrets";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const ROOT: &str = "/org/freedesktop/secrets";
/// What signals miss is seen after this long: not every keyring sends them.
const POLL: Duration = Duration::from_secs(5);
/// Who has not answered after this long counts as gone.
const ANSWER: Duration = Duration::from_secs(5);
/// Between two looks, however many signals come.
const SETTLE: Duration = Duration::from_millis(20);
/// Between two tries to join the bus, however often somebody asks.
const LEAST: Duration = Duration::from_secs(1);

/// Looks for as long as the daemon runs, at `collection` or the default one, on the bus at this socket.
pub async fn watch(state: Rc<State>, bus: Option<PathBuf>, collection: Option<OwnedObjectPath>) {
    let Some(socket) = bus else { return see(&state, Sight::NoBus) };
    let mut retry = Retry::default();
    loop {
        let began = Instant::now();
        let ended = match bus::join(&socket, state.owner(), ANSWER).await {
            Ok(connection) => follow(&state, &connection, collection.as_ref()).await,
            Err(error) => error,
        };
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
    let owners = MatchRule::builder().sender(BUS).interface(BUS).member("NameOwnerChanged").arg(0, SERVICE);
    let _owners = match Ears::open(connection, owners, &signals).await {
        Ok(ears) => ears,
        Err(error) => return error.into(),
    };
    let mut heard: Option<(OwnedUniqueName, Ears)> = None;
    loop {
        let owner = match owner(connection).await {
            Ok(owner) => owner,
            Err(error) => return error.into(),
        };
        // Listened to before it is asked, so that no change falls in between.
        if heard.as_ref().map(|(of, _)| of) != owner.as_ref() {
            heard = match &owner {
                None => None,
                Some(owner) => {
                    let changes = MatchRule::builder().sender(owner).path_namespace(ROOT);
                    match Ears::open(connection, changes, &signals).await {
                        Ok(ears) => Some((owner.clone(), ears)),
                        Err(error) => return error.into(),
                    }
                }
            };
        }
        let sight = match &owner {
            None => Sight::NoKeyring,
            Some(owner) => look(connection, owner, collection).await.unwrap_or_else(|instead| instead),
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

/// Tells of signals for as long as this is held. What they say does not matter: it is looked anew. They are
/// taken out at once, so that however many come, no answer waits behind them.
struct Ears(#[expect(dead_code, reason = "dropping it ends the task")] JoinSet<()>);

impl Ears {
    async fn open(
        connection: &Connection,
        rule: zbus::match_rule::Builder<'_>,
        signals: &Rc<Notify>,
    ) -> Result<Self, Error> {
        let rule = rule.msg_type(MessageType::Signal).build()?;
        let mut stream = MessageStream::for_match_rule(rule, connection, None).await?;
        let signals = signals.clone();
        let mut task = JoinSet::new();
        task.spawn_local(async move {
            while let Some(Ok(_)) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
                signals.notify_one();
            }
        });
        Ok(Self(task))
    }
}

/// Who is the keyring, if anybody is.
async fn owner(connection: &Connection) -> Result<Option<OwnedUniqueName>, Error> {
    let asked =
        connection.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), "GetNameOwner", &SERVICE);
    match asked.await {
        Ok(reply) => reply.body().deserialize().map(Some),
        Err(Error::FDO(error)) if matches!(*error, fdo::Error::NameHasNoOwner(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Looks at the collection, or says what was seen instead of one.
async fn look(
    connection: &Connection,
    owner: &OwnedUniqueName,
    collection: Option<&OwnedObjectPath>,
) -> Result<Sight, Sight> {
    let service = Service { connection, owner };
    let path = match collection {
        Some(path) => path.clone(),
        None => {
            service
                .ask(ObjectPath::from_static_str_unchecked(ROOT), SERVICE_INTERFACE, "ReadAlias", &"default")
                .await?
        }
    };
    // Thus it says that there is none.
    if path.as_str() == "/" {
        return Err(Sight::NoCollection);
    }
    let locked = &("org.freedesktop.Secret.Collection", "Locked");
    let locked: OwnedVariant =
        service.ask(path.as_ref(), "org.freedesktop.DBus.Properties", "Get", locked).await?;
    match bool::try_from(locked) {
        Ok(true) => Ok(Sight::Locked),
        Ok(false) => Ok(Sight::Open(Collection { owner: owner.to_string(), path: path.to_string() })),
        Err(_) => Err(Sight::NoCollection),
    }
}

/// The program that is the keyring now.
struct Service<'a> {
    connection: &'a Connection,
    owner: &'a OwnedUniqueName,
}

impl Service<'_> {
    async fn ask<T: DeserializeOwned + Type>(
        &self,
        path: ObjectPath<'_>,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<T, Sight> {
        let to = BusName::from(self.owner.clone());
        let reply = match self.connection.call_method(Some(to), path, Some(interface), method, body).await {
            Ok(reply) => reply,
            Err(error @ (Error::InputOutput(_) | Error::Connection(..))) => {
                return Err(match bus::Error::from(error) {
                    bus::Error::Silent => Sight::Silent,
                    _ => Sight::NoBus,
                });
            }
            Err(_) => return Err(Sight::NoCollection),
        };
        // Nobody answers for it.
        if reply.header().sender() != Some(self.owner.inner()) {
            return Err(Sight::Silent);
        }
        reply.body().deserialize_ignore_signature().map_err(|_| Sight::NoCollection)
    }
}
