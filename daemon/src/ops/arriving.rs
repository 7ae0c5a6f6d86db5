//! What is stored, from its first message to its last: who may is judged when all of it is there.

use glassdome_audit::Event;
use glassdome_proto::Refusal;

use super::batch::Batch;
use super::change::Store;
use super::parts::Parts;
use super::{Asking, Done, Later, Work, later, when_allowed};
use crate::gate;
use crate::policy::Action;

/// What is to be stored and has not all arrived.
pub enum Arriving {
    /// A value.
    One(Store),
    /// Secrets as a whole.
    Many(Batch),
}

impl Arriving {
    /// Takes the next part.
    ///
    /// # Errors
    /// A part that is empty, or goes past the announced total.
    pub fn add(&mut self, part: &[u8]) -> Result<(), Refusal<'static>> {
        self.parts().map_or(Ok(()), |parts| parts.add(part))
    }

    /// Whether all of it is here.
    pub fn is_whole(&mut self) -> bool {
        self.parts().is_none_or(|parts| parts.is_whole())
    }

    fn parts(&mut self) -> Option<&mut Parts> {
        match self {
            Self::One(store) => Some(store.parts()),
            Self::Many(batch) => batch.parts(),
        }
    }
}

/// Stores what has arrived in parts. Nobody is asked about it: it would be held meanwhile.
pub fn arrived(asking: &Asking, arrived: Arriving) -> Later {
    let asking = asking.clone();
    Box::pin(async {
        let answer = match arrived {
            Arriving::One(store) => store.run(asking).await,
            Arriving::Many(batch) => batch.run(asking).await,
        };
        answer.map(Done::Answer)
    })
}

/// Stores what came, or waits for the rest of it.
///
/// # Errors
/// The refusal to send.
pub fn begun(asking: &Asking, mut arriving: Arriving) -> Result<Work, Refusal<'static>> {
    if !arriving.is_whole() {
        return Ok(Work::Upload(arriving));
    }
    match arriving {
        Arriving::One(store) => {
            let ask = gate::asks(asking, Action::Set, [store.name()]);
            when_allowed(asking, (Event::Set, "set"), ask, move |asking| Ok(later(store.run(asking.clone()))))
        }
        Arriving::Many(batch) => store_many(asking, batch),
    }
}

/// Stores many, when it may.
///
/// # Errors
/// The refusal to send.
pub fn store_many(asking: &Asking, batch: Batch) -> Result<Work, Refusal<'static>> {
    let ask = gate::asks(asking, Action::Set, batch.names()?.iter().map(|name| &**name));
    when_allowed(asking, (Event::Set, "set"), ask, move |asking| Ok(later(batch.run(asking.clone()))))
}
