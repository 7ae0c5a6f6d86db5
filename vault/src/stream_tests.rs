//! Streams: what goes in comes out, and nothing that was tampered with does.

use proptest::prelude::*;

use super::*;
use crate::SlotKind;
use crate::traceless::CIPHER;
use crate::traceless::tests::assert_shallow;

fn keys(byte: u8) -> Keys {
    let fill = |master: &mut [u8]| {
        master.fill(byte);
        Ok(())
    };
    Keys::from_master(SlotKind::Password, fill).unwrap()
}

fn plain(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

/// Encrypts all of it, as the client cuts it.
fn sealed(keys: &Keys, context: &str, plain: &[u8]) -> Vec<u8> {
    let (mut sealer, header) = Sealer::new(keys, context).unwrap();
    let mut stream = header.to_vec();
    let chunks: Vec<&[u8]> = if plain.is_empty() { vec![&[]] } else { plain.chunks(STREAM_CHUNK).collect() };
    for (at, chunk) in chunks.iter().enumerate() {
        let mut out = vec![0; chunk.len() + STREAM_TAG];
        sealer.seal(keys, chunk, at + 1 == chunks.len(), &mut out).unwrap();
        stream.extend_from_slice(&out);
    }
    stream
}

/// Decrypts all of it, as the client cuts it: what came out, and how it ended.
fn opened(keys: &Keys, context: &str, stream: &[u8]) -> (Vec<u8>, Result<(), StreamError>) {
    let (header, body) = stream.split_at(stream.len().min(STREAM_HEADER));
    let mut plain = Vec::new();
    let mut opener = match Opener::new(keys, context, header) {
        Ok(opener) => opener,
        Err(error) => return (plain, Err(error)),
    };
    let chunks: Vec<&[u8]> =
        if body.is_empty() { vec![&[]] } else { body.chunks(STREAM_CHUNK + STREAM_TAG).collect() };
    for (at, chunk) in chunks.iter().enumerate() {
        let mut out = vec![0; chunk.len().saturating_sub(STREAM_TAG)];
        if let Err(error) = opener.open(keys, chunk, at + 1 == chunks.len(), &mut out) {
            assert!(out.iter().all(|byte| *byte == 0), "nothing of a chunk that is not right");
            assert_eq!(opener.open(keys, chunk, true, &mut out), Err(StreamError::Over));
            return (plain, Err(error));
        }
        plain.extend_from_slice(&out);
    }
    (plain, Ok(()))
}

const BLOCK: usize = STREAM_CHUNK + STREAM_TAG;

#[test]
fn every_size_comes_back_and_has_one_form() {
    let keys = keys(1);
    for length in
        [0, 1, STREAM_CHUNK - 1, STREAM_CHUNK, STREAM_CHUNK + 1, 2 * STREAM_CHUNK, 2 * STREAM_CHUNK + 7]
    {
        let stream = sealed(&keys, "backups", &plain(length));
        let chunks = length.div_ceil(STREAM_CHUNK).max(1);
        assert_eq!(stream.len(), STREAM_HEADER + length + chunks * STREAM_TAG);
        assert_eq!(opened(&keys, "backups", &stream), (plain(length), Ok(())));
    }
    let (mut sealer, _) = Sealer::new(&keys, "a").unwrap();
    let mut out = vec![0; STREAM_CHUNK + STREAM_TAG + 1];
    for (length, last) in [(0, false), (7, false), (STREAM_CHUNK + 1, true), (STREAM_CHUNK + 1, false)] {
        let out = &mut out[..length + STREAM_TAG];
        assert_eq!(sealer.seal(&keys, &plain(length), last, out), Err(StreamError::Size), "{length}");
    }
    assert_eq!(sealer.seal(&keys, b"a", true, &mut out[..16]), Err(StreamError::Size), "no room");
    sealer.seal(&keys, &plain(STREAM_CHUNK), false, &mut out[..BLOCK]).unwrap();
    assert_eq!(sealer.seal(&keys, b"", true, &mut out[..16]), Err(StreamError::Size), "an empty end");
    sealer.seal(&keys, b"a", true, &mut out[..17]).unwrap();
    assert_eq!(sealer.seal(&keys, b"a", true, &mut out[..17]), Err(StreamError::Over));
}

#[test]
fn no_two_streams_are_alike_and_none_shows_its_context() {
    let own = keys(1);
    let [one, two] = [(); 2].map(|()| sealed(&own, "backups", b"the same"));
    assert_eq!(one[..40], two[..40], "magic, key and context");
    assert_ne!(one[40..], two[40..]);
    let other = sealed(&keys(2), "backups", b"the same");
    assert_ne!(one[8..24], other[8..24]);
    assert_ne!(one[24..40], other[24..40], "the id of a context is keyed");
}

#[test]
fn the_bytes_are_what_the_page_says() {
    let own = keys(1);
    let stream = {
        let (mut sealer, header) = Sealer::with(&own, "backups", [7; SALT]);
        let mut out = vec![0; 5 + STREAM_TAG];
        sealer.seal(&own, b"hello", true, &mut out).unwrap();
        [&header[..], &out].concat()
    };
    let contexts = blake3::derive_key("glassdome v1 contexts", &[1; 32]);
    let context = blake3::derive_key("glassdome v1 context", &[&contexts[..], b"backups"].concat());
    let mut hasher = blake3::Hasher::new_derive_key("glassdome v1 message");
    hasher.update(&context).update(&[7; SALT]);
    let mut both = [0; 64];
    hasher.finalize_xof().fill(&mut both);
    let mut text = b"hello".to_vec();
    let key: &[u8; 32] = both.first_chunk().unwrap();
    let tag = ChaCha20Poly1305::new(<&Key>::from(key))
        .encrypt_inout_detached(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1].into(), &[], (&mut text[..]).into())
        .unwrap();
    let expected = [
        b"GLDMENC1",
        &blake3::derive_key("glassdome v1 contexts id", &contexts)[..16],
        &blake3::derive_key("glassdome v1 context id", &context)[..16],
        &[7; SALT],
        &both[32..],
        &text,
        &tag,
    ]
    .concat();
    assert_eq!(stream, expected);
    assert_eq!(nonce(258, false)[..], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0]);
}

#[test]
fn each_thing_that_can_be_done_to_a_stream_has_its_name() {
    use StreamError::{
        Altered, CutOrAltered, ForeignContext, ForeignKey, Header, NotAStream, Trailing, Truncated,
    };
    let own = keys(1);
    let text = plain(3 * STREAM_CHUNK + 100);
    let stream = sealed(&own, "backups", &text);
    let block = |number: usize| STREAM_HEADER + number * BLOCK;
    let altered = |number: usize| Altered { offset: block(number) as u64 };
    let ended = |number: usize| CutOrAltered { offset: block(number) as u64 };
    let check = |what: &str, stream: &[u8], verified: usize, expected: StreamError| {
        let (plain, result) = opened(&own, "backups", stream);
        assert_eq!(result, Err(expected), "{what}");
        assert_eq!(plain, text[..verified * STREAM_CHUNK], "{what}: only what is verified");
    };
    assert_eq!(opened(&own, "backup", &stream).1, Err(ForeignContext));
    assert_eq!(opened(&keys(2), "backups", &stream).1, Err(ForeignKey));
    for cut in 0..STREAM_HEADER {
        check("a cut header", &stream[..cut], 0, NotAStream);
    }
    for at in 0..STREAM_HEADER {
        let mut flipped = stream.clone();
        flipped[at] ^= 1;
        let expected = match at {
            0..8 => NotAStream,
            8..24 => ForeignKey,
            24..40 => ForeignContext,
            _ => Header,
        };
        check("a flipped header", &flipped, 0, expected);
    }
    for number in 0..=3 {
        check("cut between chunks", &stream[..block(number)], number.saturating_sub(1), Truncated);
        let within = block(number) + 50;
        check("cut in a chunk", &stream[..within], number, ended(number));
        check("cut in a tag", &stream[..block(number) + 3], number, Truncated);
        // The first chunk alone may hold nothing but its tag.
        let expected = if number == 0 { ended(0) } else { Truncated };
        check("cut behind as much as a tag", &stream[..block(number) + STREAM_TAG], number, expected);
    }
    check("a byte behind the end", &[&stream[..], b"x"].concat(), 3, ended(3));
    let whole = sealed(&own, "backups", &text[..3 * STREAM_CHUNK]);
    check("something behind a whole last chunk", &[&whole[..], &[0; 40]].concat(), 2, Trailing);
    let again = [&stream[..block(1)], &stream[block(0)..block(1)], &stream[block(1)..]].concat();
    check("a repeated chunk", &again, 1, altered(1));
    let without = [&stream[..block(1)], &stream[block(2)..]].concat();
    check("a chunk left out", &without, 1, altered(1));
    let swapped =
        [&stream[..block(1)], &stream[block(2)..block(3)], &stream[block(1)..block(2)], &stream[block(3)..]]
            .concat();
    check("two chunks swapped", &swapped, 1, altered(1));
    let other = sealed(&own, "backups", &text);
    let mixed = [&stream[..block(1)], &other[block(1)..]].concat();
    check("another message's chunks", &mixed, 1, altered(1));
}

#[test]
fn what_former_keys_sealed_is_read_and_a_stream_goes_on_over_a_rotation() {
    let former = keys(1);
    let text = plain(STREAM_CHUNK + 9);
    let stream = sealed(&former, "backups", &text);
    let mut now = keys(2);
    assert_eq!(opened(&now, "backups", &stream).1, Err(StreamError::ForeignKey));
    contexts::inherit(&mut now, &former).unwrap();
    assert_eq!(opened(&now, "backups", &stream), (text.clone(), Ok(())));

    let (mut sealer, header) = Sealer::new(&former, "backups").unwrap();
    let mut blocks = vec![0; BLOCK + 9 + STREAM_TAG];
    let (first, last) = blocks.split_at_mut(BLOCK);
    sealer.seal(&former, &text[..STREAM_CHUNK], false, first).unwrap();
    sealer.seal(&now, &text[STREAM_CHUNK..], true, last).unwrap();
    assert_eq!(opened(&now, "backups", &[&header[..], &blocks].concat()), (text, Ok(())));
}

#[test]
fn it_reaches_no_deeper_into_the_stack_than_is_wiped() {
    let keys = keys(1);
    let mut out = vec![0; BLOCK];
    let (mut sealer, header) = Sealer::new(&keys, "a").unwrap();
    let text = plain(STREAM_CHUNK);
    assert_shallow("beginning", CIPHER, || drop(Sealer::with(&keys, "a", [1; SALT])));
    assert_shallow("sealing", CIPHER, || {
        let cipher = sealer.0.derive(&keys).unwrap().cipher();
        cipher
            .encrypt_inout_detached(
                &nonce(0, true),
                &[],
                InOutBuf::new(&text, &mut out[..STREAM_CHUNK]).unwrap(),
            )
            .unwrap();
    });
    sealer.seal(&keys, &text, true, &mut out).unwrap();
    let opener = Opener::new(&keys, "a", &header).unwrap();
    let mut back = vec![0; STREAM_CHUNK];
    assert_shallow("opening", CIPHER, || opener.open_next(&keys, &out, true, &mut back).unwrap());
    assert_eq!(back, text);
    assert_eq!(format!("{opener:?}"), "Opener(Message { next: 0, over: false, .. })");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is done to a stream at a boundary of its chunks or anywhere else: what comes out is its beginning, in
    /// whole chunks, and it does not end well unless it is the stream.
    #[test]
    fn nothing_tampered_with_opens(
        length in 0..4 * STREAM_CHUNK,
        what in 0..6,
        a in 0..6_usize,
        b in 0..6_usize,
        shift in -2..3_isize,
        bit in 0..8_u32,
        junk in proptest::collection::vec(any::<u8>(), 1..40),
    ) {
        let keys = keys(1);
        let text = plain(length);
        let stream = sealed(&keys, "c", &text);
        let at = |number: usize| {
            let place = (STREAM_HEADER + number * BLOCK).saturating_add_signed(shift);
            place.min(stream.len())
        };
        let (a, b) = (at(a.min(b)), at(a.max(b)));
        let mut bad = stream.clone();
        match what {
            0 => bad.truncate(a),
            1 => {
                if let Some(byte) = bad.get_mut(a) {
                    *byte ^= 1 << bit;
                }
            }
            2 => drop(bad.drain(a..b)),
            3 => bad = [&stream[..b], &stream[a..]].concat(),
            4 => drop(bad.splice(a..a, junk)),
            _ => {
                let end = (b + BLOCK).min(stream.len());
                bad = [&stream[..a], &stream[b..end], &stream[a..b], &stream[end..]].concat();
            }
        }
        let (plain, ended) = opened(&keys, "c", &bad);
        prop_assert!(text.starts_with(&plain));
        if bad == stream {
            prop_assert_eq!((plain.len(), ended), (text.len(), Ok(())));
        } else {
            // Never that whoever cut it into chunks did so wrongly.
            prop_assert!(!matches!(ended, Ok(()) | Err(StreamError::Size | StreamError::Over)), "{:?}", ended);
            prop_assert_eq!(plain.len() % STREAM_CHUNK, 0);
        }
    }
}
