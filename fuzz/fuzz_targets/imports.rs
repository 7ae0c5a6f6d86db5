//! Files that other programs wrote, or whoever could write into them: lines, JSON, Bitwarden's export, our own, CSV. The
//! fuzzer is given what each begins with, so that it need not guess that.
#![no_main]

use glassdome_client::read_imports;
use libfuzzer_sys::fuzz_target;

const BEGINNINGS: [&str; 5] = [
    "",
    "{\"encrypted\": false, \"folders\": [{\"id\": \"f\", \"name\": \"a/b\"}], \"items\": [{\"type\": 1, \"folderId\": \"f\", ",
    "{\"glassdome-export\": 1, \"secrets\": [{\"name\": \"a\", ",
    "\"Group\",\"Title\",\"Username\",\"Password\",\"URL\",\"Notes\"\n",
    "\"Account\",\"Login Name\",\"Password\",\"Web Site\",\"Comments\"\n",
];

fuzz_target!(|file: (u8, &[u8])| {
    let (beginning, rest) = file;
    let beginning = BEGINNINGS[usize::from(beginning) % BEGINNINGS.len()];
    read_imports(&[beginning.as_bytes(), rest].concat());
});
