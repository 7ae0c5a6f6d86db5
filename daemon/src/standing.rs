//! How a connection stands with the policy: what speaks for whoever asks. It is found out once, with
//! the first request that needs it, and again only when something changed that could change it.
//!
//! Not `ctl` is judged but whoever ran it: else every program could simply run `ctl`. What takes long
//! to look at (files, on whatever file system) is looked at on threads of its own, of which there are
//! only so many: they can be hung by whoever serves the file system, and nobody else is held up then.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use glassdome_audit::{Event, Outcome};
use glassdome_proto::Refusal;
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use crate::attest::Peer;
use crate::attest::lineage::{self, Member};
use crate::attest::matching::{self, Found};
use crate::clock;
use crate::grants::{Token, Uncovered};
use crate::journal::{Entry, Who};
use crate::policy::Standing;
use crate::policy::rule::Rule;
use crate::refuse;
use crate::state::State;

/// How long the look at a program's files may take.
pub const LOOK: Duration = Duration::from_secs(5);
/// Looks at files at one time, to judge who asks.
pub const LOOKS: usize = 16;
/// Looks at files at one time that anybody may ask for: pictures and drafts. They take nothing from the
/// others.
pub const LOOKS_ON_REQUEST: usize = 2;

/// Of one connection.
#[derive(Debug, Default)]
pub struct Stand {
    known: RefCell<Option<Known>>,
    token: RefCell<Option<Token>>,
}

#[derive(Debug)]
struct Known {
    /// What was in force when it was found out.
    generation: u64,
    standing: Standing,
    asker: Rc<Asker>,
}

/// Who asks, for the line of a refusal.
#[derive(Debug, Default)]
pub struct Asker {
    /// The one that is judged.
    pub pid: i32,
    /// Its name: its executable's, or the one it gave itself.
    pub name: String,
    /// The script that it runs, by its own word.
    pub script: Option<String>,
    /// Its executable, unless the first line of its script leads to that.
    pub exe: Option<String>,
    /// Whether it runs what others wrote: then only a script of its own gives it an identity.
    pub interpreter: bool,
    /// Its terminal; empty without one.
    pub tty: String,
    /// Whether it asks itself, or ran one of ours.
    pub itself: bool,
    /// The names from the first of its session down to it.
    pub line: Vec<String>,
    /// Why no grant covers it.
    pub uncovered: Option<Uncovered>,
    /// A rule about it whose files have changed since.
    pub changed: Option<Arc<Rule>>,
}

impl Stand {
    /// The token that was handed over.
    pub fn bring(&self, token: Token) {
        *self.token.borrow_mut() = Some(token);
        *self.known.borrow_mut() = None;
    }

    /// The token, for a grant.
    pub fn token(&self) -> Option<Token> {
        self.token.borrow().clone()
    }

    /// Whoever is judged, where that is not the peer itself.
    pub fn judged(&self) -> Option<Rc<Asker>> {
        let known = self.known.borrow();
        known.as_ref().map(|known| known.asker.clone()).filter(|asker| !asker.itself && asker.pid > 0)
    }

    /// What still speaks for it now, and who it is. Nothing that was ended since is in it.
    pub fn now(&self, state: &State) -> (Standing, Rc<Asker>) {
        let known = self.known.borrow();
        let Some(known) = &*known else { return (Standing::default(), Rc::default()) };
        let grant = known.standing.grant.filter(|id| state.grants().holds(*id));
        let rules = known.standing.rules.iter().filter(|rule| state.has_rule(rule)).cloned().collect();
        (Standing { grant, rules }, known.asker.clone())
    }

    fn is_current(&self, state: &State) -> bool {
        let known = self.known.borrow();
        known.as_ref().is_some_and(|known| {
            known.generation == state.generation()
                && known.standing.grant.is_none_or(|id| state.grants().holds(id))
        })
    }
}

/// Finds out what speaks for this peer, if that is not known. While locked nothing is looked at.
///
/// # Errors
/// The refusal to send: it is gone or traced, or its files could not be looked at in time.
pub async fn find_out(state: &Rc<State>, peer: &Peer, stand: &Stand) -> Result<(), Refusal<'static>> {
    if !state.is_open(clock::now()) || stand.is_current(state) {
        return Ok(());
    }
    let generation = state.generation();
    let (standing, asker) = look(state, peer, stand).await?;
    peer.still().map_err(|_| refuse::gone(peer.evidence().kernel.pid))?;
    *stand.known.borrow_mut() = Some(Known { generation, standing, asker: Rc::new(asker) });
    Ok(())
}

async fn look(state: &Rc<State>, peer: &Peer, stand: &Stand) -> Result<(Standing, Asker), Refusal<'static>> {
    let kernel = &peer.evidence().kernel;
    let pid = kernel.pid;
    if peer.ours().is_none()
        && let Some(exe) = &kernel.exe
        && let Some(rules) = state.rule_files().rules_at_once(exe, &state.rules(), Instant::now())
    {
        let name = lineage::file_name(&exe.path).to_owned();
        let uncovered = Some(Uncovered::Program);
        let exe = Some(exe.path.clone());
        let asker = Asker { pid, name, exe, itself: true, uncovered, ..Asker::default() };
        return Ok((Standing { grant: None, rules }, asker));
    }
    let client = Member::of(pid).map_err(|_| refuse::gone(pid))?;
    if peer.ours().is_none() {
        let expected = kernel.exe.as_ref().map(|exe| (exe.dev, exe.ino));
        return judge(state, client, expected, None).await;
    }
    let covering = state.grants().covering(&client, stand.token.borrow().as_ref());
    match covering {
        Ok(id) => Ok((Standing { grant: Some(id), rules: Vec::new() }, Asker::default())),
        Err(uncovered) => match lineage::ran(&client) {
            Some(member) => {
                untraced(state, peer, &member)?;
                judge(state, member, None, Some(uncovered)).await
            }
            None => {
                let asker =
                    Asker { pid, name: client.stat.name, uncovered: Some(uncovered), ..Asker::default() };
                Ok((Standing::default(), asker))
            }
        },
    }
}

/// Whoever holds the one that is judged by a debugger is who acts in it.
fn untraced(state: &State, peer: &Peer, member: &Member) -> Result<(), Refusal<'static>> {
    let pid = member.stat.pid;
    if !member.is_traced().map_err(|_| refuse::gone(pid))? {
        return Ok(());
    }
    let (event, outcome, by) = (Event::Connect, Outcome::Denied, Some("traced"));
    state.record(Entry { event, outcome, secret: None, by, peer: Who::Peer(peer.evidence()) })?;
    Err(refuse::traced(pid))
}

/// Compares a process with the rules, on a thread of its own. `uncovered` says why no grant helps one
/// that ran a program of ours, `expected` which executable it must still show.
///
/// # Errors
/// As [`look_at`].
pub async fn judge(
    state: &Rc<State>,
    member: Member,
    expected: Option<(u64, u64)>,
    uncovered: Option<Uncovered>,
) -> Result<(Standing, Asker), Refusal<'static>> {
    let rules = state.rules();
    let look = move |until| {
        let (found, files) = matching::find(&member, expected, &rules, until);
        (judged(found, &member, uncovered), files)
    };
    let (judged, files) = look_at(state, look).await?;
    state.set_rule_files(files);
    Ok(judged)
}

/// Runs a look at files, which may take long or never end.
///
/// # Errors
/// The refusal to send, when too many are under way or it did not end in time.
pub async fn look_at<T: Send + 'static>(
    state: &Rc<State>,
    look: impl FnOnce(Instant) -> T + Send + 'static,
) -> Result<T, Refusal<'static>> {
    within(state.looks(), look).await
}

/// As [`look_at`], for what needs no right.
///
/// # Errors
/// As [`look_at`].
pub async fn look_on_request<T: Send + 'static>(
    state: &Rc<State>,
    look: impl FnOnce(Instant) -> T + Send + 'static,
) -> Result<T, Refusal<'static>> {
    within(state.looks_on_request(), look).await
}

async fn within<T: Send + 'static>(
    room: Arc<Semaphore>,
    look: impl FnOnce(Instant) -> T + Send + 'static,
) -> Result<T, Refusal<'static>> {
    let until = Instant::now() + LOOK;
    let late =
        |_| refuse::throttled("the program's files could not be looked at in time", Duration::from_secs(1));
    let room = timeout_at(until.into(), room.acquire_owned()).await.map_err(late)?;
    let room = room.map_err(|_| refuse::lost(crate::worker::Lost))?;
    let looking = tokio::task::spawn_blocking(move || {
        let seen = look(until);
        // Only now: a look that hangs keeps its place.
        drop(room);
        seen
    });
    timeout_at(until.into(), looking).await.map_err(late)?.map_err(|_| refuse::lost(crate::worker::Lost))
}

fn judged(found: Found, member: &Member, uncovered: Option<Uncovered>) -> (Standing, Asker) {
    let Found { rules, changed, program, by_first_line } = found;
    let program = program.as_ref();
    let exe = program.map(|program| lineage::file_name(&program.exe.path).to_owned());
    let asker = Asker {
        pid: member.stat.pid,
        name: exe.unwrap_or_else(|| member.stat.name.clone()),
        script: program.and_then(|program| Some(program.script.as_ref()?.path.clone())),
        exe: program.filter(|_| !by_first_line).map(|program| program.exe.path.clone()),
        interpreter: program.is_some_and(|program| program.interpreter.is_some()),
        tty: member.stat.tty_name(),
        itself: uncovered.is_none(),
        line: line_of(member),
        uncovered: Some(uncovered.unwrap_or(Uncovered::Program)),
        changed,
    };
    (Standing { grant: None, rules }, asker)
}

/// Names from the leader of its session down to it.
fn line_of(member: &Member) -> Vec<String> {
    let mut names = vec![member.stat.name.clone()];
    let mut at = member.parent().filter(|_| member.stat.session != member.stat.pid);
    while let Some(member) = at.filter(|_| names.len() < lineage::DEPTH) {
        names.push(member.stat.name.clone());
        at = member.parent().filter(|_| member.stat.session != member.stat.pid);
    }
    names.reverse();
    names
}
