//! What a snapshot leaves out.

use crate::refusal::Refusal;
use backout_protocol::{NameRule, RelPath, path::encode};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::path::{Path, is_separator};

/// Globs over the path below a root. `*` and `?` stay within one name, `**` crosses names; a glob without `/` is of a
/// name at any depth. What is left out is left out with all that lies in it.
#[derive(Debug, Clone)]
pub struct Exclude {
    globs: Vec<String>,
    paths: GlobSet,
    names: GlobSet,
}

impl Exclude {
    /// # Errors
    /// [`Refusal::BadGlob`].
    pub fn new(globs: &[String], rule: NameRule) -> Result<Self, Refusal> {
        let (mut paths, mut names) = (GlobSetBuilder::new(), GlobSetBuilder::new());
        let bad = |glob: &str, e: globset::Error| Refusal::BadGlob {
            glob: glob.to_owned(),
            why: e.kind().to_string(),
        };
        for text in globs {
            let given = text.trim_end_matches(is_separator);
            let glob = GlobBuilder::new(given)
                .literal_separator(true)
                .case_insensitive(rule == NameRule::Folded)
                .build()
                .map_err(|e| bad(text, e))?;
            if given.contains(is_separator) {
                paths.add(glob)
            } else {
                names.add(glob)
            };
        }
        let all = globs.join(" ");
        Ok(Self {
            globs: globs.to_vec(),
            paths: paths.build().map_err(|e| bad(&all, e))?,
            names: names.build().map_err(|e| bad(&all, e))?,
        })
    }

    /// Whether `path`, or a folder that it lies in, is left out.
    pub fn leaves_out(&self, path: &RelPath) -> bool {
        let mut at: Option<&Path> = Some(path.as_path());
        while let Some(path) = at.filter(|p| !p.as_os_str().is_empty()) {
            let name = path.file_name().unwrap_or_default();
            // As names are written in files: every name can be spelled so.
            if self.paths.is_match(encode(path.as_os_str())) || self.names.is_match(encode(name)) {
                return true;
            }
            at = path.parent();
        }
        false
    }

    /// As they were given.
    pub fn globs(&self) -> &[String] {
        &self.globs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(globs: &[&str], rule: NameRule, path: &str) -> bool {
        let globs: Vec<String> = globs.iter().map(|g| (*g).to_owned()).collect();
        Exclude::new(&globs, rule).unwrap().leaves_out(&RelPath::new(path).unwrap())
    }

    #[test]
    fn a_name_is_left_out_at_any_depth_and_a_path_only_there() {
        let exact = NameRule::Exact;
        assert!(left_out(&["*.log"], exact, "a/b/c.log"));
        assert!(left_out(&["cache"], exact, "a/cache/x/y"));
        assert!(!left_out(&["a/*.log"], exact, "a/b/c.log"));
        assert!(left_out(&["a/**/*.log"], exact, "a/b/c.log"));
        assert!(left_out(&["a/b/"], exact, "a/b/c"));
        assert!(!left_out(&["b/c"], exact, "a/b/c"));
        assert!(!left_out(&["*.LOG"], exact, "a.log") && left_out(&["*.LOG"], NameRule::Folded, "a.log"));
        assert!(!left_out(&[], exact, "a"));
    }

    #[test]
    fn a_glob_that_is_none_is_refused_by_name() {
        let bad = Exclude::new(&["a[".to_owned()], NameRule::Exact);
        assert!(matches!(bad, Err(Refusal::BadGlob { glob, .. }) if glob == "a["));
    }
}
