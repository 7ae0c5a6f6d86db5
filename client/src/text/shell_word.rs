//! What is shown as part of a command that a person may copy into a shell.

/// As a shell takes it for one word.
pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_one_word() {
        for (text, typed) in
            [("/home/ann/all.json", "/home/ann/all.json"), ("my file", "'my file'"), ("", "''")]
        {
            assert_eq!(quoted(text), typed);
        }
        assert_eq!(quoted("it's;x"), r"'it'\''s;x'");
    }
}
