//! The overlay behaves as a file of its own would, and the file below never changes.

use std::io::Write;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Write(u64, Vec<u8>),
    SetLen(u64),
    Read(u64, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = prop::collection::vec(any::<u8>(), 0..9000);
    prop_oneof![
        (0_u64..20_000, bytes).prop_map(|(at, data)| Step::Write(at, data)),
        (0_u64..30_000).prop_map(Step::SetLen),
        (0_u64..20_000, 0_usize..9000).prop_map(|(at, length)| Step::Read(at, length)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn is_a_file_of_its_own(start in prop::collection::vec(any::<u8>(), 0..12_000),
                            steps in prop::collection::vec(step(), 1..20)) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&start).unwrap();
        let overlay = Overlay::new(file.reopen().unwrap()).unwrap();
        let mut model = start.clone();
        for step in steps {
            match step {
                Step::Write(at, data) => {
                    overlay.write(at, &data).unwrap();
                    let at = at as usize;
                    if model.len() < at + data.len() {
                        model.resize(at + data.len(), 0);
                    }
                    model[at..at + data.len()].copy_from_slice(&data);
                }
                Step::SetLen(length) => {
                    overlay.set_len(length).unwrap();
                    model.resize(length as usize, 0);
                }
                Step::Read(at, length) => {
                    let mut out = vec![0xAA; length];
                    let at = at as usize;
                    let read = overlay.read(at as u64, &mut out);
                    match model.get(at..at + length) {
                        Some(expected) => {
                            read.unwrap();
                            prop_assert_eq!(&out, expected);
                        }
                        None => prop_assert!(read.is_err()),
                    }
                }
            }
            prop_assert_eq!(overlay.len().unwrap(), model.len() as u64);
        }
        prop_assert_eq!(std::fs::read(file.path()).unwrap(), start);
    }
}
