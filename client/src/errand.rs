//! What is asked of the daemon in more than one message, and what becomes of each answer: said once, for whoever waits
//! for answers ([`Connection`](crate::Connection)) and for whoever is told of them ([`Evented`](crate::Evented)).

use glassdome_proto::{Answer, Body};

use crate::error::Error;

/// Something that is asked for.
pub(crate) trait Errand {
    /// What comes of it.
    type Told;

    /// The first message, or that for the next page.
    ///
    /// # Errors
    /// [`Error::TooLong`].
    fn ask(&self) -> Result<Body<'_>, Error>;

    /// What follows the first message under its id, counted from zero.
    fn part(&self, _number: usize) -> Option<Body<'_>> {
        None
    }

    /// Takes an answer. What is kept of a value lies in memory that is wiped.
    ///
    /// # Errors
    /// [`Error::Unexpected`].
    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<Self::Told>, Error>;
}

/// What an answer was.
pub(crate) enum Heard<T> {
    /// The last one.
    All(T),
    /// Another one follows under the same id.
    Part,
    /// All there is now; another one follows under the same id whenever there is more.
    Now(T),
    /// There is more, and it must be asked for.
    Page,
}
