//! Who is who: what the daemon sees of a process, and what that would be given.

use std::os::fd::AsFd;
use std::time::Instant;

use glassdome_audit::Event;
use glassdome_lockmem::LockedBytes;
use glassdome_proto::policy::{self as wire, Claims, Exe, Picture, Process, Script};
use glassdome_proto::{Answer, List, Refusal, Text};

use super::{Asking, policy};
use crate::attest::lineage::{self, Member};
use crate::attest::program::{self, FileFacts, Program, Want};
use crate::attest::{self, Ours};
use crate::grants::Uncovered;
use crate::policy::Standing;
use crate::standing::{self, Asker};
use crate::{clock, refuse};

/// The picture of the process that asks, or of another.
pub async fn picture(
    asking: Asking,
    pid: Option<u32>,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    let picture = match pid {
        None => own(&asking).await?,
        Some(pid) => {
            policy::right(&asking, Event::WhoAmI, proof).await?;
            other(&asking, pid.cast_signed()).await?
        }
    };
    Ok(Answer::Policy(wire::Answer::Picture(picture)))
}

async fn own(asking: &Asking) -> Result<Picture<'static>, Refusal<'static>> {
    let evidence = asking.peer.evidence();
    let pid = evidence.kernel.pid;
    let (standing, asker) = asking.stand.now(&asking.state);
    let claims = Claims {
        client: Text::cut(evidence.claims.client.clone()),
        version: Text::cut(evidence.claims.version.clone()),
    };
    let client = asking.peer.ours();
    let chain = chain(asking, pid).await?;
    asking.peer.still().map_err(|_| refuse::gone(pid))?;
    Ok(Picture { claims: Some(claims), ..draw(asking, chain, client, &standing, &asker)? })
}

async fn other(asking: &Asking, pid: i32) -> Result<Picture<'static>, Refusal<'static>> {
    let gone = |_| refuse::usage("there is no such process");
    let member = Member::of(pid).map_err(gone)?;
    let client = member.exe().filter(attest::is_client_file).map(|_| Ours::File);
    let (standing, asker) = match (client, lineage::ran(&member)) {
        (Some(_), subject) => match asking.state.grants().covering(&member, None) {
            Ok(id) => (Standing { grant: Some(id), rules: Vec::new() }, Asker::default()),
            Err(uncovered) => match subject {
                Some(subject) => standing::judge(&asking.state, subject, None, Some(uncovered)).await?,
                None => (
                    Standing::default(),
                    Asker { uncovered: Some(Uncovered::NotGranted), ..Asker::default() },
                ),
            },
        },
        (None, _) => standing::judge(&asking.state, member, None, None).await?,
    };
    let chain = chain(asking, pid).await?;
    draw(asking, chain, client, &standing, &asker)
}

type Seen = (Member, Option<Program>);

/// The processes from this one upwards, each with its files, on a thread of its own.
async fn chain(asking: &Asking, pid: i32) -> Result<Vec<Seen>, Refusal<'static>> {
    let look = move |until: Instant| {
        let subject = lineage::ran_by(pid);
        let with_files = |member: Member| {
            // Of the others it is enough to know which file they are.
            let exe_digest = member.stat.pid == pid || subject == Some(member.stat.pid);
            let read =
                |exe_digest| program::read(member.dir.as_fd(), Want { exe_digest, script: true }, until);
            // Without the bytes there is still the file.
            let program = read(exe_digest).or_else(|_| read(false)).ok();
            (member, program)
        };
        lineage::line(pid).map(with_files).collect::<Vec<_>>()
    };
    standing::look_on_request(&asking.state, look).await
}

fn draw(
    asking: &Asking,
    chain: Vec<Seen>,
    client: Option<Ours>,
    standing: &Standing,
    asker: &Asker,
) -> Result<Picture<'static>, Refusal<'static>> {
    let first = chain.first().map(|(member, _)| member.stat.pid);
    let ran_by = first.filter(|_| client.is_some()).and_then(lineage::ran_by);
    let subject = chain.iter().position(|(member, _)| Some(member.stat.pid) == ran_by).unwrap_or(0);
    let open = asking.state.is_open(clock::now());
    let unserved = standing.grant.is_none() && standing.rules.is_empty();
    let missing = match (open, unserved) {
        (false, _) => Some(refuse::locked(asking.state.last_lock()).message.to_string()),
        (true, true) => Some(refuse::lacking(asker)),
        (true, false) => None,
    };
    let rules = standing.rules.iter().map(|rule| Text::cut(rule.id.clone()));
    let chain = chain.iter().map(|(member, program)| process(member, program.as_ref()));
    let picture = Picture {
        chain: List::new(chain.collect()).ok_or_else(unsendable)?,
        subject: u8::try_from(subject).unwrap_or(0),
        client: client.map(|ours| match ours {
            Ours::Stamp => wire::Ours::Stamp,
            Ours::File => wire::Ours::File,
        }),
        claims: None,
        grant: standing.grant,
        missing: missing.map(Text::cut),
        rules: List::new(rules.take(glassdome_proto::limits::PICTURE_RULES).collect())
            .ok_or_else(unsendable)?,
    };
    Ok(picture)
}

fn process(member: &Member, program: Option<&Program>) -> Process<'static> {
    let stat = &member.stat;
    let now = clock::now();
    let ticks = rustix::param::clock_ticks_per_second().max(1);
    let age = now.boot.as_secs().saturating_sub(stat.start / ticks);
    Process {
        pid: stat.pid.cast_unsigned(),
        uid: member.uid().unwrap_or(u32::MAX),
        started: now.wall.as_secs().saturating_sub(age),
        name: Text::cut(stat.name.clone()),
        session: stat.session.cast_unsigned(),
        tty: Text::cut(stat.tty_name()),
        forked: stat.forked,
        launcher: member.is_launcher(),
        exe: program.map(|program| exe(&program.exe)),
        script: program
            .and_then(|program| program.script.as_ref())
            .map(|script| Script { path: Text::cut(script.path.clone()), sha256: script.sha256 }),
    }
}

fn exe(file: &FileFacts) -> Exe<'static> {
    Exe {
        path: Text::cut(file.path.clone()),
        dev: file.dev,
        ino: file.ino,
        owner: file.owner,
        writable: file.writable,
        sha256: file.sha256,
    }
}

fn unsendable() -> Refusal<'static> {
    Refusal::new(glassdome_proto::Code::Error, "the picture does not fit a message")
}
