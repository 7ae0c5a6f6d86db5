//! Talks with one program on a bus: under the name that the bus gives to its connection, which unlike a
//! well-known name never makes the bus start anything. Whoever wants to know it listens first and asks then, so
//! that no change falls in between.

use std::future::poll_fn;
use std::pin::Pin;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;
use zbus::export::futures_core::Stream;
use zbus::match_rule::Builder;
use zbus::message::Type as MessageType;
use zbus::names::{BusName, OwnedUniqueName};
use zbus::{Connection, DynamicType, Error, MatchRule, Message, MessageStream, ObjectPath};
use zbus::{OwnedVariant, Type, fdo};

use super::bus;

/// The bus itself: its name, and its interface.
pub const BUS: &str = "org.freedesktop.DBus";
/// The interface of an object's properties.
pub const PROPERTIES: &str = "org.freedesktop.DBus.Properties";

/// A name on the bus, and whoever has it: that one's signals are heard.
pub struct Named<E> {
    name: &'static str,
    narrow: fn(Builder<'_>) -> Builder<'_>,
    ear: E,
    _owners: Ears,
    heard: Option<(OwnedUniqueName, Ears)>,
}

impl<E: Fn(&Message) + Clone + 'static> Named<E> {
    /// Follows `name`. `ear` is told of the signals of whoever has it, as far as `narrow` makes the rule
    /// narrower; and of any change of who that is.
    ///
    /// # Errors
    /// Those of the bus.
    pub async fn follow(
        connection: &Connection,
        name: &'static str,
        narrow: fn(Builder<'_>) -> Builder<'_>,
        ear: E,
    ) -> Result<Self, Error> {
        let changes = MatchRule::builder().sender(BUS).interface(BUS).member("NameOwnerChanged").arg(0, name);
        let owners = Ears::open(connection, changes, ear.clone()).await?;
        Ok(Self { name, narrow, ear, _owners: owners, heard: None })
    }

    /// Who has it now, if anybody has. From then on that one is listened to.
    ///
    /// # Errors
    /// Those of the bus.
    pub async fn owner(&mut self, connection: &Connection) -> Result<Option<OwnedUniqueName>, Error> {
        let owner = owner(connection, self.name).await?;
        if self.heard.as_ref().map(|(of, _)| of) != owner.as_ref() {
            self.heard = None;
            if let Some(owner) = &owner {
                let rule = (self.narrow)(MatchRule::builder().sender(owner));
                let ears = Ears::open(connection, rule, self.ear.clone()).await?;
                self.heard = Some((owner.clone(), ears));
            }
        }
        Ok(owner)
    }
}

/// Who has that name now, if anybody has.
///
/// # Errors
/// Those of the bus.
pub async fn owner(connection: &Connection, of: &str) -> Result<Option<OwnedUniqueName>, Error> {
    let asked = connection.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), "GetNameOwner", &of);
    match asked.await {
        Ok(reply) => reply.body().deserialize().map(Some),
        Err(Error::FDO(error)) if matches!(*error, fdo::Error::NameHasNoOwner(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// Its program, or the bus, says nothing.
    #[error("it does not answer")]
    Silent,
    /// The bus is lost.
    #[error(transparent)]
    Lost(bus::Error),
    /// It was refused, or answered with something else.
    #[error("it has no such answer")]
    Refused,
}

/// The program that has a name now.
pub struct Service<'a> {
    /// To the bus.
    pub connection: &'a Connection,
    /// Its connection to the bus.
    pub owner: &'a OwnedUniqueName,
}

impl Service<'_> {
    /// Calls a method.
    ///
    /// # Errors
    /// [`Unanswered`], when the connection's patience is over at the latest.
    pub async fn ask<T: DeserializeOwned + Type>(
        &self,
        path: &ObjectPath<'_>,
        interface: &str,
        method: &str,
        body: &(impl Serialize + DynamicType),
    ) -> Result<T, Unanswered> {
        let to = BusName::from(self.owner.clone());
        let reply = match self.connection.call_method(Some(to), path, Some(interface), method, body).await {
            Ok(reply) => reply,
            Err(error @ (Error::InputOutput(_) | Error::Connection(..))) => {
                return Err(match bus::Error::from(error) {
                    bus::Error::Silent => Unanswered::Silent,
                    lost => Unanswered::Lost(lost),
                });
            }
            Err(_) => return Err(Unanswered::Refused),
        };
        // Nobody answers for it.
        if reply.header().sender() != Some(self.owner.inner()) {
            return Err(Unanswered::Silent);
        }
        reply.body().deserialize_ignore_signature().map_err(|_| Unanswered::Refused)
    }

    /// Reads a property.
    ///
    /// # Errors
    /// As [`Service::ask`].
    pub async fn property<T: TryFrom<OwnedVariant>>(
        &self,
        path: &ObjectPath<'_>,
        interface: &str,
        name: &str,
    ) -> Result<T, Unanswered> {
        let value: OwnedVariant = self.ask(path, PROPERTIES, "Get", &(interface, name)).await?;
        T::try_from(value).map_err(|_| Unanswered::Refused)
    }
}

/// Hears signals for as long as this is held. They are taken out at once, so that however many come, no answer
/// waits behind them.
struct Ears(#[expect(dead_code, reason = "dropping it ends the task")] JoinSet<()>);

impl Ears {
    /// Has `hear` told of each signal that `rule` is about.
    async fn open(
        connection: &Connection,
        rule: Builder<'_>,
        hear: impl Fn(&Message) + 'static,
    ) -> Result<Self, Error> {
        let rule = rule.msg_type(MessageType::Signal).build()?;
        let mut stream = MessageStream::for_match_rule(rule, connection, None).await?;
        let mut task = JoinSet::new();
        task.spawn_local(async move {
            while let Some(Ok(message)) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
                hear(&message);
            }
        });
        Ok(Self(task))
    }
}
