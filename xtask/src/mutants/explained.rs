//! The mutants that no test needs to notice, as the page about them tells.

/// The page: in its tables, what stands in the first two cells between back quotes is read, the rest is for people.
const PAGE: &str = include_str!("../../../docs/src/design/mutants.md");
/// Where the files of all rows are.
const BELOW: &str = "core/";

/// What the page explains.
pub(crate) struct Explained<'p> {
    rows: Vec<Row<'p>>,
}

/// Mutants of one file that are let be for one reason.
struct Row<'p> {
    /// Below [`BELOW`].
    file: &'p str,
    /// As the tool names them behind the place; a star stands for anything.
    changes: Vec<&'p str>,
}

impl Explained<'static> {
    pub(crate) fn from_page() -> Self {
        Self::read(PAGE)
    }
}

impl<'p> Explained<'p> {
    fn read(page: &'p str) -> Self {
        let row = |line: &'p str| {
            let mut cells = line.strip_prefix('|')?.split('|').map(quoted);
            let (file, changes) = (cells.next()?, cells.next()?);
            Some(Row { file: file.first()?, changes })
        };
        Self { rows: page.lines().filter_map(row).collect() }
    }

    /// Whether some row explains it.
    pub(crate) fn covers(&self, mutant: &str) -> bool {
        self.rows.iter().any(|row| row.changes.iter().any(|change| is(mutant, row.file, change)))
    }

    /// What explains none of these any more: files and changes.
    pub(crate) fn stale(&self, mutants: &[String]) -> Vec<String> {
        let all = self.rows.iter().flat_map(|row| row.changes.iter().map(|change| (row.file, *change)));
        let stale = all.filter(|(file, change)| !mutants.iter().any(|mutant| is(mutant, file, change)));
        stale.map(|(file, change)| format!("{file}: {change}")).collect()
    }
}

/// What stands between back quotes.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether a mutant, `FILE:LINE:COLUMN: CHANGE`, is that change of that file.
fn is(mutant: &str, file: &str, change: &str) -> bool {
    let mut parts = mutant.splitn(4, ':');
    let at = parts.next().and_then(|path| path.strip_prefix(BELOW));
    at == Some(file) && parts.nth(2).is_some_and(|said| fits(change, said.trim_start()))
}

/// Whether `text` is `pattern`, in which a star stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, rest)) => text.strip_prefix(before).is_some_and(|left| {
            left.char_indices().map(|(at, _)| &left[at..]).chain([""]).any(|l| fits(rest, l))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "
| where | the change | why |
|---|---|---|
| `a/src/b.rs` | `replace < with <= in c`, `replace d -> * with Ok(*)` | `e` is none |
";

    #[test]
    fn a_row_explains_its_changes_of_its_file_and_nothing_else() {
        let explained = Explained::read(TABLE);
        for mutant in [
            "core/a/src/b.rs:1:2: replace < with <= in c",
            "core/a/src/b.rs:33:44: replace d -> Result<(), X::Y> with Ok(Default::default())",
        ] {
            assert!(explained.covers(mutant), "{mutant}");
        }
        for mutant in [
            "core/a/src/b.rs:1:2: replace < with <= in cc",
            "core/a/src/bb.rs:1:2: replace < with <= in c",
            "a/src/b.rs:1:2: replace < with <= in c",
            "core/a/src/b.rs:1:2: replace d -> Result<(), X> with Err(Default::default())",
            "core/a/src/b.rs",
            "e",
        ] {
            assert!(!explained.covers(mutant), "{mutant}");
        }
    }

    #[test]
    fn what_explains_nothing_any_more_is_named() {
        let mutants = ["core/a/src/b.rs:1:2: replace < with <= in c".to_owned()];
        assert_eq!(Explained::read(TABLE).stale(&mutants), ["a/src/b.rs: replace d -> * with Ok(*)"]);
    }

    #[test]
    fn the_page_has_rows() {
        let rows = Explained::from_page().rows;
        assert!(!rows.is_empty());
        let odd = rows.iter().find(|row| row.changes.is_empty() || !row.file.ends_with(".rs"));
        assert!(odd.is_none(), "{:?}", odd.map(|row| row.file));
    }
}
