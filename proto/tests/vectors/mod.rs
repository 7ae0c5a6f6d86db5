//! How test vectors are written down: one a line, columns between `|`, bytes as hex in groups.
//! `61*513` stands for 513 bytes of 0x61, so that a vector at a limit can still be read. Plain
//! enough that a client in another language can take them for its own tests.

use std::fs;
use std::path::{Path, PathBuf};

/// One line of a file of vectors.
pub struct Vector {
    /// The columns in front of the bytes.
    pub about: Vec<String>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Where the vectors called `name` stand.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name).with_extension("hex")
}

/// Reads the vectors called `name`.
pub fn read(name: &str) -> Vec<Vector> {
    let path = path(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(parse).collect()
}

fn parse(line: &str) -> Vector {
    let mut about: Vec<String> = line.split('|').map(|column| column.trim().to_owned()).collect();
    let bytes = about.pop().expect("a split has at least one part");
    let bytes = bytes.split(' ').filter(|group| !group.is_empty()).flat_map(group).collect();
    Vector { about, bytes }
}

fn group(group: &str) -> Vec<u8> {
    let (hex, times) = group.split_once('*').unwrap_or((group, "1"));
    let bytes: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap_or_else(|_| panic!("not hex: {group}")))
        .collect();
    bytes.repeat(times.parse().unwrap_or_else(|_| panic!("not a count: {group}")))
}

/// Writes bytes as [`read`] reads them, header and payload of the frame apart.
#[allow(dead_code, reason = "only the golden frames are written by a program")]
pub fn hex(frame: &[u8]) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("{} {}", hex(&frame[..4]), hex(&frame[4..]))
}
