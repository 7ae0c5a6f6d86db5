//! The audit record of a `get`, beside its bare bytes: what chain and seal add to a write that there is anyway.

use std::fs::File;
use std::io::Write;

use glassdome_audit::chain::{self, Head};
use glassdome_audit::{Claims, Event, Exe, Kernel, Outcome, Peer, Record, WrittenPeer, seal};

use crate::error::Error;
use crate::home::Home;
use crate::rounds::take_turns;
use crate::table::{Budget, Table};

const ROUNDS: usize = 50;
const CALLS: usize = 20;
/// So many in each call.
const EACH: u32 = 50;

/// Measures it, in files beside the daemon's log. Wiping the stack behind it is not in it.
pub(crate) fn of_a_get(home: &Home, table: &mut Table) -> Result<(), Error> {
    let [mut bare, mut ours] = [home.beside_the_log("floor")?, home.beside_the_log("ours")?];
    let peer = WrittenPeer::of(&peer()).map_err(|_| Error::Wrong("the peer"))?;
    let (mut head, mut key, mut line) = (Head::NONE, [7; seal::KEY], Vec::new());
    let written = written(&mut head, &mut key, &peer, &mut line)?.to_vec();
    let append = |file: &mut File, line: &[u8]| file.write_all(line).map_err(Error::system("write"));
    let [floor, ours] = take_turns(
        ROUNDS,
        CALLS,
        [&mut |_| (0..EACH).try_for_each(|_| append(&mut bare, &written)), &mut |_| {
            (0..EACH).try_for_each(|_| {
                let line = self::written(&mut head, &mut key, &peer, &mut line)?;
                append(&mut ours, line)
            })
        }],
    )?
    .map(|samples| samples.each(EACH));
    table.times("the audit record of a `get`, chained and sealed", None, [&floor, &ours], Budget::None);
    Ok(())
}

/// One more record, as the daemon writes them.
fn written<'l>(
    head: &mut Head,
    key: &mut [u8; seal::KEY],
    peer: &WrittenPeer,
    line: &'l mut Vec<u8>,
) -> Result<&'l [u8], Error> {
    let record = Record {
        time: "2026-01-01T00:00:00.000Z".into(),
        boot_ms: 70_453_349,
        session: Some(4),
        secret: Some("aws/prod/key".into()),
        by: Some("rule:3".into()),
        ..Record::new(Event::Get, Outcome::Allowed)
    };
    line.clear();
    *head =
        chain::write(head, record, Some(peer), Some(key), line).map_err(|_| Error::Wrong("the record"))?;
    seal::step(key);
    Ok(line)
}

fn peer() -> Peer<'static> {
    let exe = Exe { path: "/usr/bin/python3.13".into(), dev: 64_768, ino: 1_234_567 };
    Peer {
        kernel: Kernel { pid: Some(12_345), uid: 1_000, gid: Some(1_000), exe: Some(exe) },
        claims: Some(Claims { client: "glassdome-python".into(), version: "0.1.0".into() }),
    }
}
