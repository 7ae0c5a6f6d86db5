//! What can be asked, and what is done: one file for each family of requests. Here each message
//! finds its operation; a message that no arm names does not compile.
//!
//! | answered | by | needs |
//! |---|---|---|
//! | at once, locked or not | [`status`], [`doctor`], [`storage`], lock, stop, [`mod@panic`] | nothing |
//! | after the password | [`unlock`], [`password`], [`settings`], [`recovery`], [`device`], [`pin`], [`rotation`], [`mod@export`] | the master password, throttled; the PIN, throttled apart |
//! | after a look at the program | [`picture`] | nothing, of oneself |
//! | by a granted terminal or the password | [`policy`], [`question`], [`picture`], [`leftovers`] | either |
//! | by whoever may get what it names | [`handle`] | a granted terminal, or a rule |
//! | by the policy | [`read`], [`many`], [`change`], [`batch`], [`settings`], [`mod@crypto`] | a [`Permit`](crate::gate::Permit) |

mod arriving;
mod audit;
mod batch;
mod change;
mod crypto;
mod device;
mod doctor;
mod edit;
mod explain;
mod export;
mod find_out;
mod handle;
mod hidden;
pub(crate) mod keyring;
mod leftovers;
mod many;
mod new_rule;
mod opener;
mod panic;
mod parts;
mod password;
mod picture;
mod pin;
mod policy;
mod question;
mod read;
mod recovery;
pub(crate) mod rollback;
mod rotation;
mod settings;
mod status;
mod storage;
mod storage_test;
mod turn;
mod typed_rule;
mod unlisted;
mod unlock;

use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::pin::Proof;
use glassdome_proto::session::LockReason;
use glassdome_proto::{
    Answer, Body, Field, Refusal, Text, policy as wire_policy, secrets, session, settings as wire,
};
use glassdome_vault::STREAM_HEADER;
use zeroize::Zeroizing;

use crate::attest::Peer;
use crate::backups;
use crate::clock;
use crate::gate;
use crate::handles::Handle;
use crate::journal::{Entry, Who};
use crate::policy::{Action, Asked, Clearance};
use crate::rotations;
use crate::standing::{self, Stand};
use crate::state::State;
use crate::storage_tests;
use crate::watch::leftovers::Held;

pub use arriving::{Arriving, arrived};
use arriving::{begun, store_many};
use batch::Batch;
pub use change::Renaming;
use change::Store;
pub use crypto::{Chunk, Stream, go_on, length as chunk_length};
pub use edit::Editing;
pub use export::{Export, Parcel};
pub use handle::beyond as beyond_handle;
pub use many::Values;
pub use opener::{Openers, Untriable};
pub use picture::process as shown_process;
pub use question::{answered, crowded, wait, whoever_asks};
pub use read::Value;
pub use status::seen;
pub use storage::Part as BackupPart;
use turn::Turn;
pub use unlisted::Unlisted;

/// Who asks, and of what.
#[derive(Clone)]
pub struct Asking {
    /// The daemon.
    pub state: Rc<State>,
    /// The peer.
    pub peer: Rc<Peer>,
    /// What speaks for it.
    pub stand: Rc<Stand>,
    /// A person's yes to the request that is under way.
    pub cleared: Option<Clearance>,
    /// The renaming that is under way: all records of it tell both names.
    pub renames: Option<Rc<Renaming>>,
    /// For how long its requests may wait for a person.
    pub wait: Duration,
    /// Where its listing was left.
    pub listing: Rc<Cell<Option<secrets::Cursor>>>,
    /// What is damaged of what it was to list.
    pub unlisted: Rc<RefCell<Unlisted>>,
    /// A person's yes to that listing.
    pub listing_cleared: Rc<RefCell<Option<Clearance>>>,
    /// The text of rules that came.
    pub editing: Rc<RefCell<Editing>>,
    /// The backup that it has begun.
    pub backup: backups::Place,
    /// The test that it waits for.
    pub tested: storage_tests::Place,
    /// The stream that it has begun.
    pub stream: Rc<RefCell<Option<Stream>>>,
    /// The rotation that it has begun.
    pub rotation: rotations::Place,
}

impl Asking {
    /// Records what became of a request.
    ///
    /// # Errors
    /// The refusal to send instead of any answer.
    pub fn record(
        &self,
        event: Event,
        outcome: Outcome,
        secret: Option<&str>,
        by: &str,
    ) -> Result<(), Refusal<'static>> {
        let judged = self.stand.judged();
        let evidence = self.peer.evidence();
        let peer = judged.as_deref().map_or(Who::Peer(evidence), |asker| Who::Ran(evidence, asker));
        let (secret, to) = match self.renames.as_deref().filter(|_| event == Event::Move) {
            Some(Renaming { from, to }) => (Some(&**from), Some(&**to)),
            None => (secret, None),
        };
        self.state.record(Entry { event, outcome, secret, to, by: Some(by), peer }).map(drop)
    }

    /// Whether `body` changes nothing and is judged by what is known: then a peer that is found to be as it was
    /// before the answer leaves need not be looked at when its request comes. What is done for one that is not
    /// is a lookup, a decryption, and a line in the log; it is told nothing.
    pub fn only_looks(&self, body: &Body<'_>) -> bool {
        matches!(body, Body::Secrets(secrets::Request::Get { .. }))
            && self.stand.is_current(&self.state, clock::now())
    }

    /// Finds out what speaks for the peer, if that has changed.
    ///
    /// # Errors
    /// The refusal to send.
    pub async fn find_out_again(&self) -> Result<(), Refusal<'static>> {
        standing::find_out(&self.state, &self.peer, &self.stand).await
    }
}

/// A request that waits for a person.
pub struct Pending {
    /// What is to be recorded.
    pub event: Event,
    /// What the person is asked.
    pub asked: Asked,
    /// That, in a word or two: of several deeds that one action covers.
    pub deed: &'static str,
    /// The rule that wants it so.
    pub rule: Option<String>,
    /// The renaming that it is.
    pub renames: Option<Rc<Renaming>>,
    /// The request, when the answer is there: judged anew.
    pub then: Then,
}

/// What is done once it may be.
pub type Then = Box<dyn FnOnce(&Asking) -> Result<Work, Refusal<'static>>>;

/// How a request is answered.
pub enum Work {
    /// When a person has said yes.
    Ask(Pending),
    /// Now.
    Now(Done),
    /// When something else is done: other requests go on meanwhile.
    Later(Later),
    /// As [`Work::Later`], but a lock does not end the waiting: the answer says what became of it. What it does before it
    /// can no longer be undone, it does in [`unless_locked`].
    ToEnd(Later),
    /// When the rest of the value has arrived.
    Upload(Arriving),
    /// Now, and again whenever the session changes.
    Watch,
}

/// An answer to come.
pub type Later = Pin<Box<dyn Future<Output = Result<Done, Refusal<'static>>>>>;

/// An answer.
pub enum Done {
    /// In one message.
    Answer(Answer<'static>),
    /// A value, in as many messages as it takes.
    Value(Value),
    /// Many values, in one message.
    Values(Values),
    /// Secrets as a whole, in as many messages as it takes.
    Export(Box<Export>),
    /// A part of a backup.
    Backup(BackupPart),
    /// What a stream begins with.
    Header([u8; STREAM_HEADER]),
    /// What the predecessor left.
    Leftover(Held),
    /// A handle, with its tap.
    Handle(Rc<Handle>),
    /// The last one before the daemon ends.
    Last(Answer<'static>),
}

/// Begins what `body` asks for.
///
/// # Errors
/// The refusal to send.
pub fn start(asking: &Asking, body: Body<'_>) -> Result<Work, Refusal<'static>> {
    match body {
        Body::Session(request) => session(asking, request),
        Body::Secrets(request) => secrets(asking, request),
        Body::Settings(wire::Request::Show) => settings::show(asking).map(now),
        Body::Settings(wire::Request::Set { password, key, value }) => {
            let password = password::lock_in(password)?;
            let (key, value) = (key.into_owned(), value.into_owned());
            Ok(later(settings::set(asking.clone(), password, key, value)))
        }
        Body::Settings(wire::Request::SetAuditor { password, public, origin }) => {
            let (password, origin) = (password::lock_in(password)?, audit::lock_in(origin)?);
            Ok(later(audit::set_auditor(asking.clone(), password, public, origin)))
        }
        Body::Settings(wire::Request::AcceptLog { password }) => {
            Ok(later(audit::accept(asking.clone(), password::lock_in(password)?)))
        }
        Body::Settings(wire::Request::AuditHead) => audit::head(asking).map(now),
        Body::Settings(wire::Request::Slots) => recovery::slots(asking).map(now),
        Body::Settings(wire::Request::SetRecovery { password, change }) => {
            let (password, change) = (password::lock_in(password)?, recovery::Change::lock_in(change)?);
            Ok(to_end(recovery::set(asking.clone(), password, change)))
        }
        Body::Policy(request) => rules_and_grants(asking, request),
        Body::Storage(request) => storage::start(asking, request),
        Body::Crypto(request) => crypto::start(asking, request),
        Body::Rotation(request) => rotation::start(asking, request),
        Body::More(_) => Err(crate::refuse::protocol("a part of a value that nothing began")),
    }
}

fn session(asking: &Asking, request: session::Request<'_>) -> Result<Work, Refusal<'static>> {
    use session::Request;
    let unlock = |password, mode, lifetime| {
        Ok(later(unlock::unlock(asking.clone(), password::lock_in(password)?, mode, lifetime)))
    };
    match request {
        Request::Status => Ok(now(status::status(&asking.state))),
        Request::Doctor => Ok(now(doctor::doctor(&asking.state))),
        Request::Watch => Ok(Work::Watch),
        Request::Create { password, accept_weak, lifetime } => {
            let password = password::lock_in(password)?;
            Ok(later(unlock::create(asking.clone(), password, accept_weak, lifetime)))
        }
        Request::Unlock { password, lifetime } => unlock(password, unlock::Mode::Keep, lifetime),
        Request::Renew { password, lifetime } => unlock(password, unlock::Mode::Renew, lifetime),
        Request::Lock => {
            asking.state.lock(LockReason::Requested);
            Ok(now(Answer::Session(session::Answer::Locked)))
        }
        Request::Stop => {
            asking.state.lock(LockReason::Requested);
            Ok(Work::Now(Done::Last(Answer::Session(session::Answer::Stopping))))
        }
        Request::ChangePassword { old, new, accept_weak } => {
            let (old, new) = (password::lock_in(old)?, password::lock_in(new)?);
            Ok(later(password::change(asking.clone(), old, new, accept_weak)))
        }
        Request::Panic => Ok(later(panic::begin(asking)?)),
        Request::EndPanic { password, lifetime } => unlock(password, unlock::Mode::EndPanic, lifetime),
        Request::AcceptRollback { password, lifetime } => {
            unlock(password, unlock::Mode::AcceptRollback, lifetime)
        }
        Request::Token { token } => {
            asking.stand.bring(Zeroizing::new(token.expose().to_vec()));
            Ok(now(Answer::Session(session::Answer::TokenTaken)))
        }
        Request::Prove { proof: Proof::Pin(pin) } => pin::prove(asking, pin).map(now),
        Request::Prove { proof: Proof::Password(password) } => {
            Ok(later(pin::prove_by_password(asking.clone(), password::lock_in(password)?)))
        }
        Request::PinState => Ok(now(pin::state(asking))),
        Request::SetPin { password, pin } => {
            let (password, pin) = (password::lock_in(password)?, pin.map(pin::lock_in).transpose()?);
            Ok(later(pin::set(asking.clone(), password, pin)))
        }
        Request::Leftovers { after } => {
            Ok(later(leftovers::find(asking.clone(), after.map(Text::into_owned))))
        }
        Request::Leftover { item } => {
            Ok(Work::Later(Box::pin(leftovers::read(asking.clone(), item.into_owned()))))
        }
        Request::RemoveLeftover { item, mark } => {
            Ok(later(leftovers::remove(asking.clone(), item.into_owned(), mark)))
        }
    }
}

fn rules_and_grants(asking: &Asking, request: wire_policy::Request<'_>) -> Result<Work, Refusal<'static>> {
    use wire_policy::Request;
    let proof = |proof: Option<session::Password<'_>>| proof.map(password::lock_in).transpose();
    let asking = asking.clone();
    Ok(match request {
        Request::WhoAmI { pid, proof: given } => later(picture::picture(asking, pid, proof(given)?)),
        Request::Rules { skip, proof: given } => later(policy::rules(asking, skip, proof(given)?)),
        Request::Draft(rule) => later(policy::draft(asking, new_rule::Wanted::from(*rule))),
        Request::Allow { password, rule, shown } => {
            let (password, shown) = (password::lock_in(password)?, shown.map(new_rule::Shown::from));
            later(policy::allow(asking, password, new_rule::Wanted::from(*rule), shown))
        }
        Request::RemoveRule { password, id } => {
            later(policy::remove(asking, password::lock_in(password)?, id.into_owned()))
        }
        Request::Test { pid, action, name, skip, proof: given } => {
            let name = (*name).to_owned();
            later(explain::test(asking, pid.cast_signed(), action, name, skip, proof(given)?))
        }
        Request::Grants { proof: given } => later(policy::grants(asking, proof(given)?)),
        Request::Handle { secrets, lasts_s, script } => {
            let script = script.map(Into::into);
            let handle = handle::give(&asking, secrets.into_vec(), lasts_s, script)?;
            Work::Now(Done::Handle(handle))
        }
        Request::Handles { skip, proof: given } => later(handle::handles(asking, skip, proof(given)?)),
        Request::Answers { skip, proof: given } => later(question::answers(asking, skip, proof(given)?)),
        Request::Questions { unlike, proof: given } => {
            later(question::questions(asking, unlike, proof(given)?))
        }
        Request::Approve { id, scope, proof: given } => {
            later(question::approve(asking, id, scope, proof(given)?))
        }
        Request::Refuse { id, proof: given } => later(question::refuse(asking, id, proof(given)?)),
        Request::Revoke { id, proof: given } => later(policy::revoke(asking, id, proof(given)?)),
        Request::Edit { at, part, more, base, proof: given } => {
            later(edit::take(asking, edit::Part::new(at, part, more, base), proof(given)?))
        }
        Request::Edits { skip } => later(edit::edits(asking, skip)),
        Request::SealEdits { password } => later(edit::seal(asking, password::lock_in(password)?)),
        Request::Explain { id, name, skip, proof: given } => {
            later(explain::request(asking, id, name, skip, proof(given)?))
        }
    })
}

fn secrets(asking: &Asking, request: secrets::Request<'_>) -> Result<Work, Refusal<'static>> {
    use secrets::Request;
    let value = |value| Work::Now(Done::Value(value));
    let values = |values| Work::Now(Done::Values(values));
    match request {
        // The one that must be quick: nothing is copied unless a person is asked.
        Request::Get { name, field } => match gate::asks(asking, Action::Get, [&*name]) {
            None => read::get(asking, &name, field.as_deref()).map(value),
            ask => {
                let (name, field) = (name.into_owned(), field.map(Field::into_owned));
                when_allowed(asking, (Event::Get, "get"), ask, move |asking| {
                    read::get(asking, &name, field.as_deref()).map(value)
                })
            }
        },
        Request::List { glob, after } => {
            // A page that goes on where this connection was left is part of what was asked.
            let goes_on = after.is_some() && asking.listing.get() == after;
            let cleared = goes_on.then(|| asking.listing_cleared.borrow().clone()).flatten();
            let asking = &Asking { cleared, ..asking.clone() };
            when_allowed(asking, (Event::List, "list"), gate::asks_to_list(asking), move |asking| {
                read::list(asking, glob.as_ref(), after).map(now)
            })
        }
        Request::Info { name } => {
            let name = name.into_owned();
            let ask = gate::asks(asking, Action::List, [&*name]);
            when_allowed(asking, (Event::Info, "list"), ask, move |asking| read::info(asking, &name).map(now))
        }
        Request::History { name } => {
            let name = name.into_owned();
            let ask = gate::asks(asking, Action::List, [&*name]);
            when_allowed(asking, (Event::Info, "list"), ask, move |asking| {
                read::history(asking, &name).map(now)
            })
        }
        Request::GetMany { items } => {
            match gate::asks(asking, Action::Get, items.iter().map(|item| &*item.name)) {
                None => many::get_many(asking, items).map(values),
                ask => {
                    let items = many::into_owned(items);
                    when_allowed(asking, (Event::Get, "get"), ask, move |asking| {
                        many::get_many(asking, items).map(values)
                    })
                }
            }
        }
        Request::Set { name, field, expires, expect, canary, total, first } => {
            let store = Store::begin(name, field, expires, expect, total, first.expose(), canary)?;
            begun(asking, Arriving::One(store))
        }
        Request::SetMany { items, overwrite, dry_run } => {
            store_many(asking, Batch::of(items, overwrite, dry_run))
        }
        Request::SetWholes { overwrite, dry_run, total, first } => {
            begun(asking, Arriving::Many(Batch::begin(total, first.expose(), overwrite, dry_run)?))
        }
        Request::Export { password, globs } => {
            let password = password::lock_in(password)?;
            Ok(Work::Later(Box::pin(export::begin(asking.clone(), password, globs.into_vec()))))
        }
        Request::Remove { name, purge } => {
            let name = name.into_owned();
            let ask = gate::asks(asking, Action::Remove, [&*name]);
            let deed = if purge { "remove for good" } else { "remove" };
            when_allowed(asking, (Event::Remove, deed), ask, move |asking| {
                Ok(later(change::remove(asking.clone(), name, purge)))
            })
        }
        Request::Move { from, to } => {
            let (from, to) = (from.into_owned(), to.into_owned());
            let ask = gate::asks(asking, Action::Set, [&*from, &*to]);
            let renames = Rc::new(Renaming { from, to });
            let asking = &Asking { renames: Some(renames.clone()), ..asking.clone() };
            when_allowed(asking, (Event::Move, "rename"), ask, move |asking| {
                Ok(later(change::rename(asking.clone(), renames)))
            })
        }
        Request::Restore { name, version } => {
            let name = name.into_owned();
            let ask = gate::asks(asking, Action::Set, [&*name]);
            when_allowed(asking, (Event::Restore, "restore"), ask, move |asking| {
                Ok(later(change::restore(asking.clone(), name, version)))
            })
        }
    }
}

/// Begins `work` now, or when a person has said yes.
fn when_allowed(
    asking: &Asking,
    (event, deed): (Event, &'static str),
    ask: Option<(Asked, Option<String>)>,
    work: impl FnOnce(&Asking) -> Result<Work, Refusal<'static>> + 'static,
) -> Result<Work, Refusal<'static>> {
    match ask {
        None => work(asking),
        Some((asked, rule)) => {
            let renames = asking.renames.clone();
            Ok(Work::Ask(Pending { event, asked, deed, rule, renames, then: Box::new(work) }))
        }
    }
}

fn now(answer: Answer<'static>) -> Work {
    Work::Now(Done::Answer(answer))
}

fn later(work: impl Future<Output = Result<Answer<'static>, Refusal<'static>>> + 'static) -> Work {
    Work::Later(Box::pin(async { work.await.map(Done::Answer) }))
}

fn to_end(work: impl Future<Output = Result<Answer<'static>, Refusal<'static>>> + 'static) -> Work {
    Work::ToEnd(Box::pin(async { work.await.map(Done::Answer) }))
}

/// Does `work`, unless a lock comes first: then what it has is gone.
async fn unless_locked<T>(
    state: &State,
    work: impl Future<Output = Result<T, Refusal<'static>>>,
) -> Result<T, Refusal<'static>> {
    let mut locks = state.locks();
    tokio::select! {
        biased;
        _ = locks.changed() => Err(crate::refuse::lock_came()),
        done = work => done,
    }
}
