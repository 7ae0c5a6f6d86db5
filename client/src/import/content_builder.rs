//! A secret with its fields, put together from what another program knows of one thing.

use glassdome_proto::{Field, limits};

use super::segment::segment;
use super::{Content, Rest, Value};

/// What is known of one thing so far.
#[derive(Default)]
pub(crate) struct ContentBuilder {
    value: Option<Value>,
    rest: Rest,
    /// Fields that had no room or no possible name.
    over: usize,
}

impl ContentBuilder {
    /// Its value, if there is one and it is not empty.
    pub(crate) fn value(&mut self, value: Option<Value>) {
        self.value = value.filter(|value| !value.is_empty());
    }

    /// Whose it is, which is a field, too, and tells it from others of its name.
    pub(crate) fn user(&mut self, user: Option<Value>) {
        let Some(user) = user.filter(|user| !user.is_empty()) else { return };
        self.tell_apart_by(&user);
        self.field("username", user);
    }

    /// Whose it is.
    pub(crate) fn tell_apart_by(&mut self, user: &[u8]) {
        let user = std::str::from_utf8(user).ok().filter(|user| !user.is_empty());
        self.rest.user = self.rest.user.take().or_else(|| user.map(segment));
    }

    /// A field that is left out if it is empty.
    pub(crate) fn field_if_any(&mut self, name: &str, value: Option<Value>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.field(name, value);
        }
    }

    /// A field; if there is one of that name, with a number behind it.
    pub(crate) fn field(&mut self, name: &str, value: Value) {
        if self.rest.fields.len() == limits::FIELDS {
            self.over += 1;
            return;
        }
        let name = if name.is_empty() { "field".to_owned() } else { without_controls(name) };
        let is_there = |name: &Field<'_>| self.rest.fields.iter().any(|(there, _)| there == name);
        let numbered = (2..).map(|number| format!("{name} ({number})"));
        let mut names = std::iter::once(name.clone()).chain(numbered).map(|name| Field::typed(&name));
        let free = names.find(|name| name.as_ref().map_or(true, |name| !is_there(name)));
        match free {
            Some(Ok(name)) => self.rest.fields.push((name, value)),
            _ => self.over += 1,
        }
    }

    /// How many fields had no room or no possible name.
    pub(crate) fn over(&self) -> usize {
        self.over
    }

    /// All of it; `None` if it is nothing.
    pub(crate) fn content(self) -> Option<Content> {
        let is_something = self.value.is_some() || !self.rest.fields.is_empty();
        is_something.then_some(Content { value: self.value, rest: Some(self.rest) })
    }
}

/// Control characters percent-encoded; a field's name may hold slashes.
fn without_controls(name: &str) -> String {
    name.split('/')
        .map(|part| if part.is_empty() { String::new() } else { segment(part) })
        .collect::<Vec<_>>()
        .join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value {
        Value::new(text.as_bytes().to_vec())
    }

    #[test]
    fn nothing_takes_the_place_of_anything() {
        let mut content = ContentBuilder::default();
        content.user(Some(value("ann")));
        for (name, text) in [("username", "b"), ("username", "c"), ("", "d"), ("a/b\n", "e")] {
            content.field(name, value(text));
        }
        content.field_if_any("empty", Some(value("")));
        content.field_if_any("none", None);
        content.field(&"x".repeat(limits::FIELD + 1), value("f"));
        assert_eq!(content.over(), 1);
        let rest = content.content().unwrap().rest.unwrap();
        let fields: Vec<(&str, &[u8])> =
            rest.fields.iter().map(|(name, value)| (&**name, &value[..])).collect();
        let expected: [(&str, &[u8]); 5] = [
            ("username", b"ann"),
            ("username (2)", b"b"),
            ("username (3)", b"c"),
            ("field", b"d"),
            ("a/b%0A", b"e"),
        ];
        assert_eq!((fields, rest.user.as_deref()), (expected.to_vec(), Some("ann")));
        assert!(ContentBuilder::default().content().is_none());
    }

    #[test]
    fn there_is_room_for_so_many_fields_and_the_rest_is_counted() {
        let mut content = ContentBuilder::default();
        for number in 0..limits::FIELDS + 3 {
            content.field(&number.to_string(), value("x"));
        }
        assert_eq!(content.over(), 3);
    }
}
