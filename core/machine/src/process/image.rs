//! Whether what a process runs is what is looked for.

use super::{Image, os};
use backout_protocol::NameRule;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// What is looked for.
pub(super) struct Wanted {
    /// Folded; `None`: whatever it is called.
    images: Option<Vec<String>>,
    /// As they really lie.
    under: Vec<PathBuf>,
}

impl Wanted {
    pub(super) fn new(images: &[String], under: &[PathBuf]) -> Self {
        let images = images.iter().map(|i| key(OsStr::new(i))).collect();
        Self { images: Some(images), ..Self::any(under) }
    }

    pub(super) fn any(under: &[PathBuf]) -> Self {
        // A folder that is gone may still be named by processes that run from it: then its name as given.
        let under = under.iter().map(|u| u.canonicalize().unwrap_or_else(|_| u.clone())).collect();
        Self { images: None, under }
    }

    /// The first that is looked for: its base name and path.
    pub(super) fn find(&self, images: &[Image]) -> Option<(String, PathBuf)> {
        images.iter().find_map(|image| {
            if !self.under.iter().any(|folder| os::within(&image.path, folder)) {
                return None;
            }
            let own = image.path.file_name()?;
            // A file swapped out under a running process lies in `.backout-<id>/`, perhaps under another name.
            let earlier = image.started_as.as_deref().filter(|_| set_aside(&image.path)).map(OsStr::new);
            let is_wanted = |n: &&OsStr| self.images.as_ref().is_none_or(|images| images.contains(&key(n)));
            let name = [Some(own), earlier].into_iter().flatten().find(is_wanted)?;
            Some((name.to_string_lossy().into_owned(), image.path.clone()))
        })
    }
}

fn key(name: &OsStr) -> String {
    NameRule::Folded.key(name)
}

fn set_aside(path: &Path) -> bool {
    path.iter().any(|name| name.as_encoded_bytes().starts_with(b".backout-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_and_folders_are_compared_name_by_name() {
        let wanted = Wanted::new(&["EarthAgent.exe".to_owned()], &[PathBuf::from("/nowhere/sp")]);
        let found = |path: &str, started_as: Option<&str>| {
            let image = Image { path: path.into(), started_as: started_as.map(str::to_owned) };
            wanted.find(&[image]).is_some()
        };
        assert!(found("/nowhere/sp/EARTHAGENT.EXE", None));
        assert!(found("/nowhere/sp/.backout-1/saved/Earthagent.exe", None));
        assert!(found("/nowhere/sp/.backout-1/saved/7", Some("earthagent.exe")));
        assert!(!found("/nowhere/sp/7", Some("earthagent.exe")));
        assert!(!found("/nowhere/sp2/EarthAgent.exe", None));
        assert!(!found("/nowhere/EarthAgent.exe", None));
        let any = Wanted::any(&[PathBuf::from("/nowhere/sp")]);
        let image = |path: &str| [Image { path: path.into(), started_as: None }];
        assert!(any.find(&image("/nowhere/sp/bin/whatever")).is_some());
        assert!(any.find(&image("/nowhere/sp2/whatever")).is_none());
    }
}
