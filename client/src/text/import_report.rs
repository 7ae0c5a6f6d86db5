//! What an import did: in one line for a person, as a document for programs. It names names and
//! lines, never a value.

use glassdome_proto::secrets::Stored;
use serde::Serialize;

use crate::error::printable;
use crate::exit::Exit;
use crate::import::{Place, Skipped};

/// How many names or lines are told before the rest is only counted.
const TOLD: usize = 5;

/// What became of a file's secrets. Keys are never renamed or taken away.
#[derive(Serialize)]
pub(crate) struct Report {
    dry_run: bool,
    created: usize,
    replaced: usize,
    same: usize,
    /// Names that hold another value, which was left.
    left: Vec<String>,
    skipped: Vec<Reason>,
}

#[derive(Serialize)]
struct Reason {
    line: Option<usize>,
    path: Option<String>,
    reason: String,
}

impl Report {
    pub(crate) fn new(results: &[(&str, Stored)], skipped: Vec<Skipped>, dry_run: bool) -> Self {
        let count = |what| results.iter().filter(|(_, stored)| *stored == what).count();
        let left = results.iter().filter(|(_, stored)| *stored == Stored::Exists);
        Self {
            dry_run,
            created: count(Stored::Created),
            replaced: count(Stored::Replaced),
            same: count(Stored::Same),
            left: left.map(|(name, _)| (*name).to_owned()).collect(),
            skipped: skipped.into_iter().map(Reason::of).collect(),
        }
    }

    /// A conflict when something was left, since it is not in; usage when nothing could be read.
    pub(crate) fn exit(&self) -> Exit {
        let read = self.created + self.replaced + self.same;
        match (self.left.is_empty(), read, self.skipped.is_empty()) {
            (false, ..) => Exit::Conflict,
            (true, 0, false) => Exit::Usage,
            _ => Exit::Ok,
        }
    }
}

impl Reason {
    fn of(skipped: Skipped) -> Self {
        let (line, path) = match skipped.place {
            Place::Line(line) => (Some(line), None),
            Place::Path(path) => (None, Some(path)),
        };
        Self { line, path, reason: skipped.reason }
    }

    fn describe(&self) -> String {
        let place = match (self.line, &self.path) {
            (Some(line), _) => format!("line {line}"),
            (None, path) => printable(path.as_deref().unwrap_or_default()),
        };
        format!("{place}: {}", self.reason)
    }
}

/// `14 in, 1 skipped (line 9: no =)`.
pub(crate) fn describe(report: &Report) -> String {
    let read = report.created + report.replaced + report.same;
    let mut text = format!("{read} {}in", if report.dry_run { "would be " } else { "" });
    let details = [(report.replaced, "replaced"), (report.same, "the same already")];
    let details: Vec<String> =
        details.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    if !details.is_empty() {
        text.push_str(&format!(" ({})", details.join(", ")));
    }
    if !report.left.is_empty() {
        let names = some(report.left.iter().cloned());
        text.push_str(&format!(
            ", {} left ({names}: another value is there; replace it: --overwrite)",
            report.left.len()
        ));
    }
    if !report.skipped.is_empty() {
        let reasons = some(report.skipped.iter().map(Reason::describe));
        text.push_str(&format!(", {} skipped ({reasons})", report.skipped.len()));
    }
    text
}

fn some(items: impl ExactSizeIterator<Item = String>) -> String {
    let rest = items.len().saturating_sub(TOLD);
    let mut told: Vec<String> = items.take(TOLD).collect();
    if rest > 0 {
        told.push(format!("{rest} more: see --json"));
    }
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(results: &[(&str, Stored)], lines: &[usize]) -> Report {
        let skipped = lines.iter().map(|&line| Skipped { place: Place::Line(line), reason: "no =".into() });
        Report::new(results, skipped.collect(), false)
    }

    #[test]
    fn one_line_tells_it_all() {
        let created = [("a", Stored::Created), ("b", Stored::Created)];
        assert_eq!(describe(&report(&created, &[9])), "2 in, 1 skipped (line 9: no =)");
        assert_eq!(describe(&report(&created, &[])), "2 in");
        let mixed =
            [("a", Stored::Created), ("b", Stored::Replaced), ("c", Stored::Same), ("d", Stored::Exists)];
        assert_eq!(
            describe(&report(&mixed, &[])),
            "3 in (1 replaced, 1 the same already), 1 left (d: another value is there; replace it: --overwrite)"
        );
        let many = describe(&report(&[], &[1, 2, 3, 4, 5, 6, 7]));
        assert!(many.ends_with("line 5: no =; 2 more: see --json)"), "{many}");
        let dry = Report::new(&created, Vec::new(), true);
        assert_eq!(describe(&dry), "2 would be in");
    }

    #[test]
    fn what_is_not_in_has_its_code() {
        assert_eq!(report(&[("a", Stored::Created)], &[1]).exit(), Exit::Ok);
        assert_eq!(report(&[("a", Stored::Exists)], &[]).exit(), Exit::Conflict);
        assert_eq!(report(&[], &[1]).exit(), Exit::Usage);
        assert_eq!(report(&[], &[]).exit(), Exit::Ok);
    }

    #[test]
    fn documents_have_their_shape() {
        let json = serde_json::to_string(&report(&[("a", Stored::Exists)], &[3])).unwrap();
        assert_eq!(
            json,
            r#"{"dry_run":false,"created":0,"replaced":0,"same":0,"left":["a"],"skipped":[{"line":3,"path":null,"reason":"no ="}]}"#
        );
    }
}
