//! The notification command as a person types it: words, split as a shell splits them, and no shell. So nothing
//! that is put into it later can be more than part of a word.

/// In a word: what is it about.
const TITLE: &str = "{title}";
/// In a word: what to do.
const BODY: &str = "{body}";

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command(Vec<String>);

impl Command {
    /// Reads one: `'…'` is taken as it stands, `"…"` but for `\"` and `\\`, elsewhere `\` takes the next character as
    /// it stands. `None` of an open quotation, of nothing, and of a program that is named neither by its whole path
    /// nor by a plain name to be looked up in `PATH`.
    pub fn parse(text: &str) -> Option<Self> {
        let words = split(text)?;
        let program = words.first()?;
        let named = !program.is_empty() && (program.starts_with('/') || !program.contains('/'));
        let fixed = !program.contains(['{', '}']);
        let whole = words.iter().all(|word| !word.contains(char::is_control));
        (named && fixed && whole).then_some(Self(words))
    }

    /// The words to run, the program first.
    pub fn filled(&self, title: &str, body: &str) -> Vec<String> {
        self.0.iter().map(|word| fill(word, title, body)).collect()
    }
}

/// What is put in is not looked at again.
fn fill(word: &str, title: &str, body: &str) -> String {
    let mut filled = String::new();
    let mut rest = word;
    loop {
        let places = [(TITLE, title), (BODY, body)];
        let found = places.iter().filter_map(|(place, text)| Some((rest.find(place)?, *place, *text))).min();
        let Some((at, place, text)) = found else { return filled + rest };
        filled.push_str(&rest[..at]);
        filled.push_str(text);
        rest = &rest[at + place.len()..];
    }
}

fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        for (text, words) in [
            ("notify-send {title} {body}", &["notify-send", "{title}", "{body}"][..]),
            ("  a\t b ", &["a", "b"]),
            (r#"a 'b "c' "d 'e" f\ g"#, &["a", "b \"c", "d 'e", "f g"]),
            (r#"a "\"\\\n" '\'"#, &["a", "\"\\\\n", "\\"]),
            ("a ''", &["a", ""]),
            ("a$HOME;b|c>d`e`*", &["a$HOME;b|c>d`e`*"]),
            ("/usr/bin/x y", &["/usr/bin/x", "y"]),
        ] {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(Command::parse(text), Some(Command(words)), "{text}");
        }
        for bad in ["", "  ", "''", "a 'b", "a \"b", "a \\", "./a", "bin/a", "{title}", "a{body} b", "a b\nc"]
        {
            assert_eq!(Command::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_is_put_in_stays_part_of_its_word() {
        let command = Command::parse("n -t {title} 'x{body}y{title}' {other}").unwrap();
        let filled = command.filled("{body} '; rm", "-- {title}\"");
        assert_eq!(filled, ["n", "-t", "{body} '; rm", "x-- {title}\"y{body} '; rm", "{other}"]);
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec("[^\\p{Cc}]{0,12}", 1..6)) {
            let quoted: Vec<String> =
                words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
            prop_assert_eq!(split(&quoted.join(" ")), Some(words));
        }

        #[test]
        fn it_never_makes_more_words(title in ".*", body in ".*") {
            let command = Command::parse("n {title}{body} '{body} {title}'").unwrap();
            prop_assert_eq!(command.filled(&title, &body).len(), 3);
        }
    }
}
