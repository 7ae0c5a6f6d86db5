//! The recovery code: a key of its own to a vault, made by a machine and kept on paper. It is known by its form, so
//! that a person can type it wherever the master password is asked for.
//!
//! ```text
//! 26 symbols of 5 random bits each, 2 of check, in groups of four:   7Q2M-0XKD-…-4HZT
//! ```
//!
//! The symbols are Crockford's Base32: no I, L, O or U, and read in either case, with O for 0 and I or L for 1.
//! The check is the number that the 26 symbols make, modulo 1021, a prime: one symbol typed wrongly, or two
//! neighbours exchanged, never passes.

/// Symbols of a code, without what stands between its groups.
pub const LEN: usize = DATA + 2;

/// Symbols that are random: 130 bits.
pub const DATA: usize = 26;

/// Symbols of a group.
pub const GROUP: usize = 4;

/// Crockford's Base32: <https://www.crockford.com/base32.html>.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Greater than 31, so that no exchange is a multiple of it, and less than 32².
const PRIME: u32 = 1021;

/// Writes the code that `random` makes, of whose bytes five bits each are taken.
pub fn write(random: &[u8; DATA], code: &mut [u8; LEN]) {
    let mut check = 0;
    for (symbol, byte) in code.iter_mut().zip(random) {
        let value = byte & 31;
        *symbol = ALPHABET[usize::from(value)];
        check = (check * 32 + u32::from(value)) % PRIME;
    }
    code[DATA] = ALPHABET[(check / 32) as usize];
    code[DATA + 1] = ALPHABET[(check % 32) as usize];
}

/// Writes what was typed as [`write()`] writes it; `false`, and zeros, if it is no code: another length, another symbol,
/// or a check that does not fit. Spaces and dashes count for nothing.
pub fn read(typed: &[u8], code: &mut [u8; LEN]) -> bool {
    let valid = canonical(typed, code);
    if !valid {
        code.fill(0);
    }
    valid
}

fn canonical(typed: &[u8], code: &mut [u8; LEN]) -> bool {
    let mut len = 0;
    let mut check = 0;
    for byte in typed.iter().filter(|byte| !matches!(byte, b' ' | b'-')) {
        let symbol = match byte.to_ascii_uppercase() {
            b'O' => b'0',
            b'I' | b'L' => b'1',
            other => other,
        };
        let Some(value) = ALPHABET.iter().position(|one| *one == symbol) else { return false };
        let Some(place) = code.get_mut(len) else { return false };
        *place = symbol;
        len += 1;
        if len <= DATA {
            check = (check * 32 + value as u32) % PRIME;
        }
    }
    len == LEN
        && code[DATA] == ALPHABET[(check / 32) as usize]
        && code[DATA + 1] == ALPHABET[(check % 32) as usize]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn grouped(code: &[u8; LEN]) -> Vec<u8> {
        code.chunks(GROUP).collect::<Vec<_>>().join(&b"-"[..])
    }

    fn made(random: &[u8; DATA]) -> [u8; LEN] {
        let mut code = [0; LEN];
        write(random, &mut code);
        code
    }

    fn reads(typed: &[u8]) -> Option<[u8; LEN]> {
        let mut code = [b'x'; LEN];
        let valid = read(typed, &mut code);
        assert!(valid || code == [0; LEN]);
        valid.then_some(code)
    }

    #[test]
    fn it_is_read_as_people_type_it() {
        let code = made(&std::array::from_fn(|at| at as u8));
        assert!(grouped(&code).starts_with(b"0123-4567-89AB-CDEF-GHJK-MNPQ-RS"));
        let typed = grouped(&code);
        let lower = typed.to_ascii_lowercase();
        let spaced: Vec<u8> = typed.iter().map(|byte| if *byte == b'-' { b' ' } else { *byte }).collect();
        let mistaken: Vec<u8> = typed
            .iter()
            .map(|byte| match byte {
                b'0' => b'o',
                b'1' => b'l',
                other => *other,
            })
            .collect();
        for typed in [&code[..], &typed, &lower, &spaced, &mistaken] {
            assert_eq!(reads(typed), Some(code), "{}", String::from_utf8_lossy(typed));
        }
    }

    #[test]
    fn what_is_none_is_not_read() {
        let code = made(&[7; DATA]);
        let long = [&code[..], b"0"].concat();
        let other = [&code[..LEN - 1], b"U"].concat();
        for typed in [&b""[..], b"correct horse battery staple", &code[1..], &long, &other, &[0xff; LEN]] {
            assert_eq!(reads(typed), None, "{}", String::from_utf8_lossy(typed));
        }
    }

    proptest! {
        #[test]
        fn a_slip_is_noticed(random: [u8; DATA], at in 0..LEN, by in 1..32usize) {
            let code = made(&random);
            prop_assert_eq!(reads(&grouped(&code)), Some(code));
            let mut wrong = code;
            let value = ALPHABET.iter().position(|one| *one == code[at]).unwrap();
            wrong[at] = ALPHABET[(value + by) % 32];
            prop_assert_eq!(reads(&wrong), None);
            if let Some(next) = code.get(at + 1).copied() && next != code[at] {
                let mut exchanged = code;
                exchanged.swap(at, at + 1);
                prop_assert_eq!(reads(&exchanged), None);
            }
        }

        #[test]
        fn nothing_that_is_typed_breaks_it(typed: Vec<u8>) {
            reads(&typed);
        }
    }
}
