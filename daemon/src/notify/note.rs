//! What a notification says: that there is something to look at, and what to type. No name of a secret is in it,
//! and of words that others chose only the name of a program, from letters that mean nothing to anybody's markup.

/// How much of a program's name is told, in characters.
const NAME: usize = 32;

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// What it is about.
    pub title: String,
    /// What to do.
    pub body: String,
    /// Whether it goes before others, and is never left out.
    pub urgent: bool,
}

impl Note {
    /// A question was opened: `program` would do `deed` with so many secrets, none being all names.
    pub fn question(id: u32, program: &str, pid: i32, deed: &str, secrets: usize) -> Self {
        let what = match secrets {
            0 => format!("{deed} all names"),
            1 => format!("{deed} a secret"),
            n => format!("{deed} {n} secrets"),
        };
        let program = plain(program);
        Self {
            title: format!("Glassdome: question {id}"),
            body: format!(
                "program {program} (pid {pid}) wants to {what}. Answer: ctl approve {id}, ctl refuse {id}"
            ),
            urgent: false,
        }
    }

    /// Bait was touched.
    pub fn alarm() -> Self {
        Self {
            title: "Glassdome: locked".to_owned(),
            body: "a program asked for bait, and the session has ended. Who it was is in the audit log"
                .to_owned(),
            urgent: true,
        }
    }
}

fn plain(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '_' };
    name.chars().take(NAME).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_says_who_and_what_to_type() {
        let note = Note::question(3, "python3.13", 4711, "get", 2);
        assert_eq!(note.title, "Glassdome: question 3");
        let body =
            "program python3.13 (pid 4711) wants to get 2 secrets. Answer: ctl approve 3, ctl refuse 3";
        assert_eq!((note.body.as_str(), note.urgent), (body, false));
        assert!(
            Note::question(3, "a", 1, "remove for good", 1)
                .body
                .contains("wants to remove for good a secret.")
        );
        assert!(Note::question(3, "a", 1, "list", 0).body.contains("wants to list all names."));
        assert!(Note::alarm().urgent);
    }

    proptest! {
        #[test]
        fn no_name_is_more_than_a_name(name in ".*") {
            let body = Note::question(1, &name, 2, "get", 1).body;
            // No option of the command, whatever the name begins with.
            prop_assert!(body.starts_with("program "));
            let (told, rest) = body["program ".len()..].split_once(" (pid 2) ").unwrap();
            prop_assert!(told.len() <= NAME && told.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b)));
            prop_assert_eq!(rest, "wants to get a secret. Answer: ctl approve 1, ctl refuse 1");
        }
    }
}
