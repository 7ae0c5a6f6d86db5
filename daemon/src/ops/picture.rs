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
use crate::policy::Standing;
use crate::standing::{self, Asker, Came};
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
    let line = line(asking, pid).await?;
    asking.peer.still().map_err(|_| refuse::gone(pid))?;
    Ok(Picture { claims: Some(claims), ..draw(asking, &line, client, &standing, &asker)? })
}

async fn other(asking: &Asking, pid: i32) -> Result<Picture<'static>, Refusal<'static>> {
    let gone = |_| refuse::usage("there is no such process");
    let member = Member::of(pid).map_err(gone)?;
    let client = member.exe().filter(attest::is_client_file).map(|_| Ours::File);
    let judged = match client {
        Some(_) => {
            let judged = standing::judge_caller(&asking.state, &member, None).await;
            judged.map(|(settled, asker)| (settled.standing.clone(), asker))
        }
        None => {
            let unit = standing::unit_of(&member);
            standing::judge(&asking.state, member, unit, None, Came::Itself).await
        }
    };
    let (standing, asker) = judged.map_err(|unjudged| unjudged.refusal)?;
    let standing = standing.at(clock::now().wall.as_secs());
    let line = line(asking, pid).await?;
    draw(asking, &line, client, &standing, &asker)
}

/// The processes from one upwards, each with its files.
struct Line {
    seen: Vec<(Member, Option<Program>)>,
    /// Which of them ran the first, if that can be seen.
    ran: Option<usize>,
}

async fn line(asking: &Asking, pid: i32) -> Result<Line, Refusal<'static>> {
    let look = move |until: Instant| {
        let members: Vec<Member> = lineage::line(pid).collect();
        let ran = members.first().and_then(lineage::ran).map(|member| member.stat.pid);
        let ran = members.iter().position(|member| Some(member.stat.pid) == ran);
        let with_files = |(at, member): (usize, Member)| {
            // Of the others it is enough to know which file they are.
            let exe_digest = at == 0 || Some(at) == ran;
            let read =
                |exe_digest| program::read(member.dir.as_fd(), Want { exe_digest, script: true }, until);
            // Without the bytes there is still the file.
            let program = read(exe_digest).or_else(|_| read(false)).ok();
            (member, program)
        };
        Line { seen: members.into_iter().enumerate().map(with_files).collect(), ran }
    };
    asking.state.looks_on_request().run(look).await
}

fn draw(
    asking: &Asking,
    line: &Line,
    client: Option<Ours>,
    standing: &Standing,
    asker: &Asker,
) -> Result<Picture<'static>, Refusal<'static>> {
    let subject = line.ran.filter(|_| client.is_some()).unwrap_or(0);
    let open = asking.state.is_open(clock::now());
    let unserved = standing.grant.is_none() && standing.rules.is_empty();
    let missing = match (open, unserved) {
        (false, _) => Some(asking.state.locked().message.to_string()),
        (true, true) => Some(refuse::lacking(asker)),
        (true, false) => None,
    };
    let rules = standing.rules.iter().map(|rule| Text::cut(rule.id.clone()));
    let chain = line.seen.iter().map(|(member, program)| process(member, program.as_ref()));
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

/// A process as it is shown to people.
pub fn process(member: &Member, program: Option<&Program>) -> Process<'static> {
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
