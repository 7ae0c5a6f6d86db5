//! All rules as one text: sent in parts, answered rule by rule, and sealed as it was answered.

use glassdome_proto::policy::{Answer as Policy, Change, Digest, Edit, Request};
use glassdome_proto::session::Password;
use glassdome_proto::{Bytes, List, limits};

use super::{rule_into_owned, text_into_owned};
use crate::connection::Connection;
use crate::error::Error;

/// What a text would change.
#[derive(Debug)]
pub struct Edits {
    /// The rules that are sealed, as one number.
    pub base: Digest,
    /// What becomes of each rule of which there is something to tell.
    pub all: Vec<Edit<'static>>,
}

impl Edits {
    /// Whether any rule would be another one.
    pub fn is_change(&self) -> bool {
        self.all.iter().any(|edit| edit.change != Change::None)
    }
}

impl Connection {
    /// Has the daemon look at a text of all rules; nothing is sealed. With `base`, only if the rules that are
    /// sealed are still those.
    ///
    /// # Errors
    /// As [`Connection::rules`]; a refusal with [`Code::Usage`](glassdome_proto::Code::Usage) of a text that
    /// cannot be sealed.
    pub fn edit(
        &mut self,
        text: &[u8],
        base: Option<Digest>,
        proof: Option<Password<'_>>,
    ) -> Result<Edits, Error> {
        let mut parts = text.chunks(limits::CHUNK);
        let (mut part, mut at) = (parts.next().unwrap_or_default(), 0);
        let mut told = loop {
            let next = parts.next();
            let bytes = Bytes::new(part).expect("it was cut to that length");
            let from = u32::try_from(at).map_err(|_| too_long())?;
            let proof = proof.filter(|_| at == 0);
            let request = Request::Edit { at: from, part: bytes, more: next.is_some(), base, proof };
            match (self.ask(request)?, next) {
                (Policy::PartTaken, Some(next)) => {
                    at += part.len();
                    part = next;
                }
                (Policy::Edits { base, edits, more }, None) => {
                    break Told { edits: Edits { base, all: into_owned(edits) }, more };
                }
                _ => return Err(Error::Unexpected),
            }
        };
        while told.more {
            let known = told.edits.all.len();
            let skip = u16::try_from(known).map_err(|_| Error::Unexpected)?;
            let Policy::Edits { edits, more, .. } = self.ask(Request::Edits { skip })? else {
                return Err(Error::Unexpected);
            };
            // Each rule may come, and each may go.
            if edits.is_empty() || known >= 2 * limits::RULES {
                return Err(Error::Unexpected);
            }
            told.edits.all.extend(into_owned(edits));
            told.more = more;
        }
        Ok(told.edits)
    }

    /// Seals what [`Connection::edit`] told.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn seal_edits(&mut self, password: Password<'_>) -> Result<(), Error> {
        match self.ask(Request::SealEdits { password })? {
            Policy::EditsSealed => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }
}

struct Told {
    edits: Edits,
    more: bool,
}

/// What is no text of rules any more.
pub(crate) fn too_long() -> Error {
    Error::TooLong { what: "the text of all rules", max: limits::EDIT }
}

fn into_owned(edits: List<Edit<'_>, { limits::EDITS_PAGE }>) -> Vec<Edit<'static>> {
    let owned = |edit: Edit<'_>| {
        let warnings = edit.warnings.into_vec().into_iter().map(text_into_owned).collect();
        Edit {
            change: edit.change,
            rule: rule_into_owned(edit.rule),
            was: edit.was.map(rule_into_owned),
            warnings: List::new(warnings).unwrap_or_else(|| unreachable!("as many as there were")),
        }
    };
    edits.into_vec().into_iter().map(owned).collect()
}

#[cfg(test)]
mod tests {
    use glassdome_proto::{Answer, Body, Outcome, decode};

    use super::*;
    use crate::connection_tests::{Daemon, told};
    use crate::text::rule::tests::rule;

    fn page(count: usize, more: bool) -> Outcome<'static> {
        let edit =
            || Edit { change: Change::New, rule: rule(), was: None, warnings: List::new(vec![]).unwrap() };
        let edits = List::new((0..count).map(|_| edit()).collect()).unwrap();
        Outcome::Ok(Answer::Policy(Policy::Edits { base: [7; 32], edits, more }))
    }

    #[test]
    fn a_text_goes_in_parts_and_its_edits_come_in_pages() {
        let text: Vec<u8> = (0..2 * limits::CHUNK + 10).map(|at| (at % 251) as u8).collect();
        let sent = text.clone();
        let served = move |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let mut arrived = Vec::new();
            loop {
                let frame = daemon.receive();
                let glassdome_proto::Request { id, body: Body::Policy(request) } = decode(&frame).unwrap()
                else {
                    panic!("not about rules");
                };
                match request {
                    Request::Edit { at, part, more, base, proof } => {
                        assert_eq!((at as usize, base), (arrived.len(), Some([1; 32])));
                        assert_eq!(proof.is_some(), at == 0, "the password goes once");
                        arrived.extend_from_slice(part.expose());
                        let taken = Outcome::Ok(Answer::Policy(Policy::PartTaken));
                        daemon.reply(id, if more { taken } else { page(2, true) });
                    }
                    Request::Edits { skip: 2 } => {
                        daemon.reply(id, page(1, false));
                        break;
                    }
                    _ => panic!("not about the text"),
                }
            }
            assert_eq!(arrived, sent);
        };
        let edits =
            told(served, |mut connection| connection.edit(&text, Some([1; 32]), Password::new(b"pw")));
        let edits = edits.unwrap();
        assert_eq!((edits.all.len(), edits.base, edits.is_change()), (3, [7; 32], true));
    }

    #[test]
    fn pages_that_do_not_end_are_refused() {
        let served = |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            for count in [1, 0] {
                let id = decode::<glassdome_proto::Request<'_>>(&daemon.receive()).unwrap().id;
                daemon.reply(id, page(count, true));
            }
        };
        let edits = told(served, |mut connection| connection.edit(b"", None, None));
        assert!(matches!(edits, Err(Error::Unexpected)));
    }
}
