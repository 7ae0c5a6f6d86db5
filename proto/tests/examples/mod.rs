//! One message of each kind and form, with a name: what the golden frames are made of.

mod crypto;
mod leftovers;
mod moving;
mod policy_replies;
mod replies;
mod requests;
mod rotation;
mod secrets_replies;
mod session_replies;
mod settings_replies;
mod vault;

use glassdome_proto::secrets::Cursor;
use glassdome_proto::session::Lifetime;
use glassdome_proto::{Bytes, Challenge, Field, Hello, List, Name, Nonce, Range, Text};

pub use replies::{REPLIES, replies, reply_name};
pub use requests::{REQUESTS, request_name, requests};

const NONCE: Nonce = *b"0123456789abcdefghijklmnopqrstuv";
const CURSOR: Cursor = *b"0123456789abcdef";
const PASSWORD: &[u8] = b"correct horse battery staple";
const RECOVERY_CODE: &[u8] = b"0123456789ABCDEFGHJKMNPQRSJR";
const WHOLE: Lifetime = Lifetime { total_s: None, idle_s: None };
const SHORT: Lifetime = Lifetime { total_s: Some(28_800), idle_s: Some(600) };
/// 2026-11-22 00:00:00 UTC.
const THEN: u64 = 1_795_305_600;

fn bytes<const MAX: usize>(bytes: &[u8]) -> Bytes<'_, MAX> {
    Bytes::new(bytes).unwrap()
}

fn list<T, const MAX: usize>(elements: Vec<T>) -> List<T, MAX> {
    List::new(elements).unwrap()
}

fn name(text: &str) -> Name<'_> {
    Name::parse(text).unwrap()
}

fn field(text: &str) -> Field<'_> {
    Field::parse(text).unwrap()
}

fn text<const MAX: usize>(text: &str) -> Text<'_, MAX> {
    Text::new(text).unwrap()
}

pub fn challenge() -> Challenge {
    Challenge { protocol: Range { min: 1, max: 300 }, nonce: NONCE }
}

pub fn hello() -> Hello<'static> {
    Hello { protocol: 1, nonce: NONCE, client: text("ctl"), version: text("0.1.0"), wait_s: 60 }
}
