//! Looks at a log that is there: when the daemon starts, at the active file; at an unlock, from the
//! record that the vault remembers to the last. Only the chain: the seals are the auditor's to check.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use glassdome_audit::chain::{self, Head};
use glassdome_audit::{Event, FORMAT, Hex, Log, files};

use super::anchor::Anchor;
use super::open;
use super::vaults::Vaults;

/// The longest line that is read: several times the longest there is.
pub(super) const MAX_LINE: u64 = 64 * 1024;

/// What does not fit, in the word that the alarm records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Written by a version whose logs had no chain.
    EarlierFormat,
    /// A line does not follow the one before.
    Edited,
    /// Records are missing.
    Removed,
    /// Records stand in another order.
    Reordered,
    /// A line is no record.
    Foreign,
    /// It ends before the record that the vault remembers.
    Truncated,
    /// Another log, or another record where the vault remembers one.
    Replaced,
    /// It is sealed to another auditor than the vault names.
    Auditor,
    /// Another file lies at its path, or this one was written to, while it was open.
    Touched,
    /// Something that is no file of ours lay under a name of the log's files, and was moved away.
    Planted,
    /// A file is called as the log's are, and is not of it. It stays where it is.
    ForeignFile,
    /// The log has an auditor, and what ties a run's seals to those before was not there.
    Unlinked,
}

impl Wrong {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::EarlierFormat => "earlier-format",
            Self::Edited => "edited",
            Self::Removed => "removed",
            Self::Reordered => "reordered",
            Self::Foreign => "foreign",
            Self::Truncated => "truncated",
            Self::Replaced => "replaced",
            Self::Auditor => "other-auditor",
            Self::Touched => "touched",
            Self::Planted => "planted",
            Self::ForeignFile => "foreign-file",
            Self::Unlinked => "unlinked",
        }
    }
}

/// What a file of the log holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scan {
    /// Its last record; what is before the file if it has none.
    pub head: Head,
    /// Which log, and whose the seals are: of its first line.
    pub log: Option<Log>,
    /// Its first record.
    pub first: u64,
    /// Bytes of whole lines.
    pub len: u64,
    /// Bytes behind them.
    pub torn: u64,
    /// Whether what is torn is a whole record, but for its newline.
    pub complete: bool,
    /// What is wrong, behind `head`.
    pub wrong: Option<Wrong>,
    /// An alarm that nobody has accepted since, as far as this file says.
    pub alarm: bool,
    /// The states of vaults that it told.
    pub vaults: Vaults,
}

/// Reads a file of the log, which begins behind `before`, if that is known; `vaults` hear what it tells.
pub(super) fn scan(file: impl Read, before: Option<Head>, vaults: Vaults) -> io::Result<Scan> {
    let mut lines = Lines::new(file);
    let mut scan = Scan {
        head: before.unwrap_or(Head::NONE),
        log: None,
        first: 0,
        len: 0,
        torn: 0,
        complete: false,
        wrong: None,
        alarm: false,
        vaults,
    };
    // Whether the first line says that there are seals, and whether they have begun.
    let (mut seals, mut sealed) = (false, false);
    while let Some(line) = lines.next()? {
        let whole = line.ends_with(b"\n");
        let Ok(read) = chain::read(line.strip_suffix(b"\n").unwrap_or(line)) else {
            if whole {
                scan.wrong = Some(Wrong::Foreign);
            } else {
                scan.torn = line.len() as u64;
            }
            break;
        };
        let begins = scan.log.is_none();
        if begins {
            let Some(log) = read.record.log else {
                scan.wrong =
                    Some(if read.record.prev.is_none() { Wrong::EarlierFormat } else { Wrong::Foreign });
                break;
            };
            if log.format != FORMAT {
                return Err(io::Error::other("its format is newer than this version of Glassdome"));
            }
            scan.log = Some(log);
            seals = log.auditor.is_some();
            scan.first = read.record.seq;
            if before.is_none() && read.record.seq > 1 {
                // The file before is gone; that it may be is for whoever verifies the whole log to say.
                scan.head =
                    Head { seq: read.record.seq - 1, hash: read.record.prev.unwrap_or(Head::NONE.hash) };
            }
        }
        let stripped = seals && sealed && read.record.mac.is_none() && read.record.event != Event::Seal;
        if !read.follows(&scan.head) || stripped || (!begins && read.record.log.is_some()) {
            scan.wrong = Some(Wrong::Edited);
            break;
        }
        if !whole {
            scan.torn = line.len() as u64;
            scan.complete = true;
            break;
        }
        scan.vaults.read(&read.record);
        sealed |= read.record.mac.is_some();
        match read.record.event {
            Event::Alarm => scan.alarm = true,
            Event::AcceptLog => scan.alarm = false,
            _ => {}
        }
        scan.head = read.head();
        scan.len += line.len() as u64;
    }
    Ok(scan)
}

/// When the record was made that the vault remembers; `None` if the log in `dir` does not have it.
pub fn time_of(dir: &Path, anchor: &Anchor) -> io::Result<Option<String>> {
    let (files, from, skip) = match holding(dir, anchor)? {
        Some(found) => found,
        None => return Ok(None),
    };
    let mut lines = Lines::new(open::to_read(&files[from].path)?);
    for _ in 0..skip {
        lines.next()?;
    }
    let Some(line) = lines.next()? else { return Ok(None) };
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let time = chain::read(line).ok().map(|line| line.record.time.into_owned());
    Ok(time.filter(|_| chain::hash(line) == anchor.head.hash))
}

/// The files of the log in `dir`, which of them has the record that the vault remembers by its number, and how many are
/// before it there.
fn holding(dir: &Path, anchor: &Anchor) -> io::Result<Option<(Vec<files::LogFile>, usize, u64)>> {
    let files = files::list(dir)?;
    let firsts =
        files.iter().map(|file| file.first.map_or_else(|| first_of(&file.path), |first| Ok(Some(first))));
    let firsts: Vec<Option<u64>> = firsts.collect::<io::Result<_>>()?;
    let holds = |first: &Option<u64>| first.is_some_and(|first| first <= anchor.head.seq);
    let from = firsts.iter().rposition(holds);
    Ok(from.and_then(|from| Some((files, from, anchor.head.seq - firsts[from]?))))
}

/// Whether the log in `dir`, whose last record is `head`, goes on from what the vault remembers.
/// What was recorded since `head` is not looked at.
pub fn goes_on(dir: &Path, anchor: &Anchor, log: Hex<16>, head: Head) -> io::Result<Option<Wrong>> {
    if anchor.log != log {
        return Ok(Some(Wrong::Replaced));
    }
    if head.seq < anchor.head.seq {
        return Ok(Some(Wrong::Truncated));
    }
    let Some((files, from, mut skip)) = holding(dir, anchor)? else { return Ok(Some(Wrong::Truncated)) };
    let mut at = None;
    for file in &files[from..] {
        let mut lines = Lines::new(open::to_read(&file.path)?);
        while let Some(line) = lines.next()? {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            match &mut at {
                None if chain::hash(line) != anchor.head.hash => return Ok(Some(Wrong::Replaced)),
                None => at = Some(anchor.head),
                Some(at) => match chain::read(line) {
                    Err(_) => return Ok(Some(Wrong::Foreign)),
                    Ok(line) if !line.follows(at) => return Ok(Some(Wrong::Edited)),
                    Ok(line) => *at = line.head(),
                },
            }
            if at.is_some_and(|at| at.seq == head.seq) {
                return Ok((at != Some(head)).then_some(Wrong::Edited));
            }
        }
    }
    Ok(Some(Wrong::Truncated))
}

/// The first record of a file, by its first line.
fn first_of(path: &Path) -> io::Result<Option<u64>> {
    let line = first_line(path)?;
    Ok(chain::read(line.trim_ascii_end()).ok().map(|line| line.record.seq))
}

/// The first line of a file, with its newline; empty if it has none.
pub(super) fn first_line(path: &Path) -> io::Result<Vec<u8>> {
    let mut lines = Lines::new(open::to_read(path)?);
    Ok(lines.next()?.map(<[u8]>::to_vec).unwrap_or_default())
}

/// The last record of a file of `len` bytes.
pub(super) fn last_of(file: &File, len: u64, buffer: &mut Vec<u8>) -> io::Result<Option<Head>> {
    let text = read(file, len.saturating_sub(MAX_LINE), buffer)?;
    let Some(lines) = text.strip_suffix(b"\n") else { return Ok(None) };
    let line = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    Ok(chain::read(line).ok().map(|line| line.head()))
}

/// As much as the longest line has, from `at` on.
pub(super) fn read<'b>(file: &File, at: u64, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
    buffer.resize(usize::try_from(MAX_LINE).map_err(io::Error::other)?, 0);
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(&buffer[..read])
}

/// The lines of a file, in bounded memory.
struct Lines<R> {
    from: BufReader<R>,
    line: Vec<u8>,
}

impl<R: Read> Lines<R> {
    fn new(from: R) -> Self {
        Self { from: BufReader::with_capacity(64 * 1024, from), line: Vec::new() }
    }

    /// The next, with its newline, unless it is torn or too long to be one.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let read = self.from.by_ref().take(MAX_LINE).read_until(b'\n', &mut self.line)?;
        if read as u64 == MAX_LINE && !self.line.ends_with(b"\n") {
            // No record, whatever it is: it must not be taken for a torn one and cut off.
            self.line.truncate(1);
            self.line.push(b'\n');
        }
        Ok((read > 0).then_some(&*self.line))
    }
}

/// When an alarm began, as the anchor has it: to the second.
pub(super) fn to_the_second(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs().max(1))
}
