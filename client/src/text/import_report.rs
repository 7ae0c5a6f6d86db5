//! What an import did: in one line for a person, as a document for programs. It names names and
//! lines, never a value.

use glassdome_proto::secrets::Stored;
use serde::Serialize;

use crate::error::printable;
use crate::exit::Exit;
use crate::import::twins::Renamed;
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
    /// What has another name than in its file, since two had that.
    renamed: Vec<Renamed>,
    /// Details of items that have no place in a secret.
    left_out: Vec<Detail>,
    #[serde(skip)]
    names: Names,
}

/// How many there were of one kind.
#[derive(Serialize)]
struct Detail {
    count: usize,
    what: &'static str,
}

/// The names of what was stored.
#[derive(Default, Serialize)]
struct Names {
    created_names: Vec<String>,
    replaced_names: Vec<String>,
}

/// A report with every name in it: for what any program may have put where it was read.
#[derive(Serialize)]
pub(crate) struct ByName<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(flatten)]
    names: &'a Names,
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
        let names = |what| {
            let those = results.iter().filter(move |(_, stored)| *stored == what);
            those.map(|(name, _)| (*name).to_owned()).collect()
        };
        Self {
            dry_run,
            created: count(Stored::Created),
            replaced: count(Stored::Replaced),
            same: count(Stored::Same),
            left: names(Stored::Exists),
            skipped: skipped.into_iter().map(Reason::of).collect(),
            renamed: Vec::new(),
            left_out: Vec::new(),
            names: Names { created_names: names(Stored::Created), replaced_names: names(Stored::Replaced) },
        }
    }

    /// With what was called otherwise, and what of the items was left out.
    pub(crate) fn with(self, renamed: Vec<Renamed>, details: Vec<(usize, &'static str)>) -> Self {
        let left_out = details.into_iter().map(|(count, what)| Detail { count, what }).collect();
        Self { renamed, left_out, ..self }
    }

    /// Whether anything is in that was not there.
    pub(crate) fn stored_any(&self) -> bool {
        !self.dry_run && self.created + self.replaced > 0
    }

    /// All that would be done and not done, a line each: for whoever only wanted to know.
    pub(crate) fn plan(&self) -> Vec<String> {
        let left = self
            .left
            .iter()
            .map(|name| format!("would be left: {}: another value is there", printable(name)));
        let renamed =
            self.renamed.iter().map(|renamed| format!("of one name: {}", printable(&renamed.describe())));
        let skipped = self.skipped.iter().map(|reason| format!("would be skipped: {}", reason.describe()));
        self.lines().chain(left).chain(renamed).chain(skipped).collect()
    }

    /// The same with its names, for programs.
    pub(crate) fn by_name(&self) -> ByName<'_> {
        ByName { report: self, names: &self.names }
    }

    /// A line for each name that was stored, or would be.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let would_be = if self.dry_run { "would be " } else { "" };
        let Names { created_names, replaced_names } = &self.names;
        [("created", created_names), ("replaced", replaced_names)].into_iter().flat_map(
            move |(what, names)| {
                names.iter().map(move |name| format!("{would_be}{what}: {}", printable(name)))
            },
        )
    }

    /// Whether not one thing was read.
    pub(crate) fn is_empty(&self) -> bool {
        self.created + self.replaced + self.same + self.left.len() + self.skipped.len() == 0
    }

    /// Whether everything is in, to the last detail.
    pub(crate) fn is_whole(&self) -> bool {
        self.left.is_empty() && self.skipped.is_empty() && self.left_out.is_empty()
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
    if !report.renamed.is_empty() {
        let names = some(report.renamed.iter().map(|renamed| printable(&renamed.describe())));
        text.push_str(&format!(", {} of one name told apart ({names})", report.renamed.len()));
    }
    if !report.left_out.is_empty() {
        let details: Vec<String> =
            report.left_out.iter().map(|detail| format!("{} {}", detail.count, detail.what)).collect();
        text.push_str(&format!(", left out: {}", details.join(", ")));
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
    fn only_what_is_all_in_is_whole() {
        let whole = || report(&[("a", Stored::Created), ("b", Stored::Same)], &[]);
        assert!(whole().is_whole());
        assert!(!whole().with(Vec::new(), vec![(1, "passkeys")]).is_whole());
        assert!(!report(&[("a", Stored::Created)], &[1]).is_whole());
        assert!(!report(&[("a", Stored::Created), ("b", Stored::Exists)], &[]).is_whole());
    }

    #[test]
    fn documents_have_their_shape() {
        let json = serde_json::to_string(&report(&[("a", Stored::Exists)], &[3])).unwrap();
        assert_eq!(
            json,
            r#"{"dry_run":false,"created":0,"replaced":0,"same":0,"left":["a"],"skipped":[{"line":3,"path":null,"reason":"no ="}],"renamed":[],"left_out":[]}"#
        );
    }

    #[test]
    fn every_name_is_named_where_that_is_asked_for() {
        let all: Vec<String> = (0..20).map(|at| format!("n{at}")).collect();
        let mut results: Vec<(&str, Stored)> = all.iter().map(|name| (&**name, Stored::Created)).collect();
        results[0] = ("was\u{1b}[2J", Stored::Replaced);
        let named = report(&results, &[]);
        let lines: Vec<String> = named.lines().collect();
        assert_eq!((lines.len(), &*lines[0], &*lines[18]), (20, "created: n1", "created: n19"));
        assert!(lines[19].starts_with("replaced: was") && !lines[19].contains('\x1b'), "{lines:?}");
        let json = serde_json::to_value(named.by_name()).unwrap();
        assert_eq!((&json["created"], &json["created_names"][18]), (&19.into(), &"n19".into()));
        assert_eq!(json["replaced_names"], serde_json::json!(["was\u{1b}[2J"]));
        let dry = Report::new(&[("a", Stored::Created)], Vec::new(), true);
        assert_eq!(dry.lines().collect::<Vec<_>>(), ["would be created: a"]);
    }
}
