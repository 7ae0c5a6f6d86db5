//! One payload, read as each type of message and written again.
#![no_main]

use glassdome_proto::limits;
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|payload: &[u8]| -> Corpus {
    if payload.len() > limits::FRAME {
        return Corpus::Reject;
    }
    glassdome_fuzz::messages::every_message(payload);
    Corpus::Keep
});
