//! Makes a sealed log of many records as the daemon would have written it, and measures how long it takes to check:
//! `cargo run --release -p glassdome-audit --example honest_log DIRECTORY RECORDS`. The auditor's key goes to
//! `auditor.key` beside it, for `ctl audit verify DIRECTORY --key-file`.

use std::error::Error;
use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use glassdome_audit::verify::{Checks, verify};
use glassdome_audit::{Event, files, link};

#[path = "../tests/support/maker.rs"]
#[allow(dead_code, reason = "the tests use the rest")]
mod maker;

use maker::{Kept, Maker, auditor};

/// Records of a session, and bytes of a file as the daemon fills it.
const SESSION: usize = 5_000;
const FULL: usize = 16 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, directory, count] = &args[..] else { return Err("DIRECTORY RECORDS".into()) };
    let (directory, count) = (Path::new(directory), count.parse::<u64>()?);
    fs::create_dir_all(directory)?;
    let mut maker = Maker::sealed(1, &auditor(1));
    while maker.head.seq < count {
        maker.unlock();
        for n in 0..SESSION {
            maker.record(Event::Get, Some(&format!("service{}/password", n % 40)));
            if maker.files.last().is_some_and(|(_, content)| content.len() >= FULL) {
                maker.rotate();
                keep(directory, &mut maker)?;
            }
        }
        maker.lock();
        maker.restart();
    }
    for (name, content) in &maker.files {
        fs::write(directory.join(name), content)?;
    }
    let mut block = [0; link::LEN];
    maker.link.as_ref().map(Kept::link).ok_or("it was left at the lock")?.write(&mut block);
    fs::write(directory.join(files::LINK), block)?;
    fs::write(directory.join("auditor.key"), auditor(1).text())?;
    for with_key in [false, true] {
        let checks = Checks { auditor: with_key.then(|| auditor(1)), ..Checks::default() };
        let list = files::list(directory)?.into_iter().map(|file| (file.path.clone(), File::open(file.path)));
        let start = Instant::now();
        let report = verify(list, &checks)?;
        let took = start.elapsed();
        if let Some(fault) = report.fault() {
            return Err(format!("an honest log is flagged: {fault:?}").into());
        }
        println!("{} records, {} seals checked: {took:.1?}", report.records, report.sealed);
    }
    Ok(())
}

/// Puts the full files on the disk, and out of memory.
fn keep(directory: &Path, maker: &mut Maker) -> std::io::Result<()> {
    let active = maker.files.split_off(maker.files.len() - 1);
    for (name, content) in maker.files.drain(..) {
        fs::write(directory.join(name), content)?;
    }
    maker.files = active;
    Ok(())
}
