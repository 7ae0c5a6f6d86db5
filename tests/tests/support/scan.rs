//! Looks for secrets in everything that root can read of a process.
//!
//! A secret is cut into pieces of eight bytes at each multiple of eight, and a piece counts wherever
//! it stands: so fifteen bytes in a row are found however they lie, and also what is left of a buffer
//! that was overwritten in part. The secrets are random: that a piece turns up by chance is as good
//! as impossible.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::{self, File};
use std::ops::Range;
use std::os::unix::fs::FileExt;

const PIECE: usize = 8;
const READ: usize = 1 << 20;
static EMPTY: [u8; 4096] = [0; 4096];
/// Bits of the filter that most places do not pass; 2 MiB.
const FILTER: u32 = 24;

/// What to look for.
pub struct Needles {
    names: Vec<String>,
    pieces: Vec<usize>,
    places: HashMap<u64, (usize, usize)>,
    filter: Vec<u64>,
}

/// What was found of one needle.
#[derive(Debug, Default)]
pub struct Found {
    /// Which of its pieces.
    pub pieces: BTreeSet<usize>,
    /// Where: mapping, address and piece; the first few.
    pub at: Vec<String>,
}

/// What a process's memory told.
pub struct Scan {
    /// By the needle's name: those of which anything was found.
    pub found: BTreeMap<String, Found>,
    /// Mappings that even root could not read, by name.
    pub unreadable: Vec<String>,
    /// Bytes that were read.
    pub bytes: usize,
}

impl Needles {
    /// None yet.
    pub fn new() -> Self {
        let filter = vec![0; 1 << (FILTER - 6)];
        Self { names: Vec::new(), pieces: Vec::new(), places: HashMap::new(), filter }
    }

    /// One more.
    pub fn add(&mut self, name: &str, bytes: &[u8]) {
        let (pieces, _) = bytes.as_chunks::<PIECE>();
        assert!(!pieces.is_empty(), "{name} is too short to be looked for");
        for (index, piece) in pieces.iter().enumerate() {
            let piece = u64::from_le_bytes(*piece);
            let (word, bit) = bucket(piece);
            self.filter[word] |= bit;
            self.places.insert(piece, (self.names.len(), index));
        }
        self.names.push(name.to_owned());
        self.pieces.push(pieces.len());
    }

    /// The needles of which not every piece is in `scan`.
    pub fn missing(&self, scan: &Scan) -> Vec<&str> {
        let found = |name: &String| scan.found.get(name).map_or(0, |found| found.pieces.len());
        let all = self.names.iter().zip(&self.pieces);
        all.filter(|(name, pieces)| found(name) != **pieces).map(|(name, _)| &**name).collect()
    }

    /// Reads all of a process's memory through `/proc/PID/mem`.
    #[track_caller]
    pub fn scan(&self, pid: i32) -> Scan {
        let maps = maps(pid);
        let memory = File::open(format!("/proc/{pid}/mem")).expect("root opens mem");
        let mut scan = Scan { found: BTreeMap::new(), unreadable: Vec::new(), bytes: 0 };
        let mut buffer = vec![0; READ + PIECE];
        for line in maps.lines() {
            let (range, rest) = line.split_once(' ').expect("a line of maps has a range");
            let name = rest.split_ascii_whitespace().skip(4).collect::<Vec<_>>().join(" ");
            // Guards hold nothing, and the kernel's own clock pages are not memory of the process.
            if rest.starts_with("---") || name.starts_with("[v") {
                continue;
            }
            let Range { start, end } = addresses(range);
            let mut at = start;
            while at < end {
                let wanted = usize::try_from(end - at).expect("64 bits").min(buffer.len());
                match memory.read_at(&mut buffer[..wanted], at) {
                    Ok(len) if len > 0 => {
                        self.look(&buffer[..len], at, &name, &mut scan);
                        scan.bytes += len.min(READ);
                        // The next read begins early enough to see what lies across.
                        at += if len > READ { READ as u64 } else { len as u64 };
                    }
                    _ => {
                        // What was given back since the list was read is no memory of the process any more.
                        if mapped(pid, at) {
                            scan.unreadable.push(name.clone());
                        }
                        break;
                    }
                }
            }
        }
        scan
    }

    fn look(&self, bytes: &[u8], address: u64, mapping: &str, scan: &mut Scan) {
        // Most of memory is zeros, in which no secret is: they are passed over by the page.
        for start in (0..bytes.len()).step_by(EMPTY.len()) {
            let end = bytes.len().min(start + EMPTY.len() + PIECE - 1);
            let (empty, next) = bytes[start..end].split_at(EMPTY.len().min(end - start));
            if empty != &EMPTY[..empty.len()] || next != &EMPTY[..next.len()] {
                self.look_at(&bytes[start..end], address + start as u64, mapping, scan);
            }
        }
    }

    fn look_at(&self, bytes: &[u8], address: u64, mapping: &str, scan: &mut Scan) {
        let mut piece = 0_u64;
        for (offset, byte) in bytes.iter().enumerate() {
            // The last eight bytes, as they lie in memory.
            piece = (piece >> 8) | (u64::from(*byte) << 56);
            let (word, bit) = bucket(piece);
            if self.filter[word] & bit == 0 || offset < PIECE - 1 {
                continue;
            }
            if let Some((needle, index)) = self.places.get(&piece) {
                let found = scan.found.entry(self.names[*needle].clone()).or_default();
                found.pieces.insert(*index);
                if found.at.len() < 8 {
                    let at = address + (offset + 1 - PIECE) as u64;
                    found.at.push(format!("{mapping} {at:#x} piece {index}"));
                }
            }
        }
    }
}

fn maps(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/maps")).expect("root reads maps")
}

fn addresses(range: &str) -> Range<u64> {
    let hex = |text| u64::from_str_radix(text, 16).expect("addresses are hexadecimal");
    range.split_once('-').map(|(start, end)| hex(start)..hex(end)).expect("a range has two ends")
}

fn mapped(pid: i32, address: u64) -> bool {
    maps(pid)
        .lines()
        .filter_map(|line| line.split(' ').next())
        .any(|range| addresses(range).contains(&address))
}

fn bucket(piece: u64) -> (usize, u64) {
    // The high bits of a product depend on all bits (Knuth's multiplicative hashing).
    let hash = piece.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - FILTER);
    ((hash >> 6) as usize, 1 << (hash & 63))
}
