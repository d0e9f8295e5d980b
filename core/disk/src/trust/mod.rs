//! Trust: could anybody but root and the effective user have changed this file, or put another in its place?

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod rights;

use backout_protocol::path::encode;
use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// Why a file is not to be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` {why}{}", encode(path.as_os_str()), mending(self))]
pub struct Distrust {
    /// The file or the folder above it that is at fault.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: Fault,
}

/// What makes a file or folder untrustworthy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It belongs to somebody else.
    #[error("belongs to user {0}, not to root or the user who runs this")]
    Owner(u32),
    /// Others may write to it.
    #[error("may be written to by others (mode {0:04o})")]
    Writable(u32),
    /// It belongs to somebody else, where users have no numbers.
    #[error("belongs to {0}, not to the system, its administrators or the user who runs this")]
    OwnedBy(String),
    /// Somebody else may change it, where users have no numbers.
    #[error("may be changed by {0}, who is neither the system, an administrator nor the user who runs this")]
    ChangeableBy(String),
    /// It is not there.
    #[error("is not there")]
    Missing,
    /// It cannot be looked at.
    #[error("cannot be looked at: {0}")]
    Unreadable(String),
}

impl Distrust {
    /// The command that mends it, where one is known that takes nothing else away: as an administrator of Windows types
    /// it.
    pub fn mend(&self) -> Option<String> {
        let path = self.path.display().to_string();
        // People's form of it; a backslash before the quotation mark would make that part of the path.
        let path = path.strip_prefix(r"\\?\").unwrap_or(&path);
        let path = path.strip_suffix('\\').map_or_else(|| path.to_owned(), |root| format!(r"{root}\\"));
        match &self.why {
            Fault::OwnedBy(_) => Some(format!("icacls \"{path}\" /setowner *S-1-5-32-544")),
            Fault::ChangeableBy(sid) if sid.starts_with("S-1-") => {
                Some(format!("icacls \"{path}\" /inheritance:d /remove:g *{sid}"))
            }
            Fault::ChangeableBy(_) => Some(format!("icacls \"{path}\" /reset")),
            Fault::Owner(_) | Fault::Writable(_) | Fault::Missing | Fault::Unreadable(_) => None,
        }
    }
}

fn mending(distrust: &Distrust) -> String {
    distrust.mend().map_or_else(String::new, |command| format!("; `{command}` mends that"))
}

/// How many links are followed before it is called a loop.
const LINKS: usize = 40;

/// Checks `path`, every folder above it, and, where it leads through a link, both ways.
///
/// # Errors
/// [`Distrust`], naming the first that is at fault from the root down.
pub fn check(path: &Path) -> Result<(), Distrust> {
    let mut links = LINKS;
    let whole = std::path::absolute(path).map_err(|e| fault(path, &e))?;
    walk(&whole, &mut links)
}

/// Checks a file below `folder`, which is trusted itself. One that nobody else can get at may have whatever owner it was copied with.
///
/// # Errors
/// As [`check`].
pub fn check_within(folder: &Path, path: &Path) -> Result<(), Distrust> {
    let meta = |path: &Path| fs::symlink_metadata(path).map_err(|e| fault(path, &e));
    let file = meta(path)?;
    if file.is_file() && rights::is_private(&meta(folder)?, &file) {
        return Ok(());
    }
    check(path)
}

/// What a name on the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// What was asked about.
    Itself,
    /// A folder above it.
    Above,
    /// A link on the way, or at its end.
    Link,
}

fn walk(path: &Path, links: &mut usize) -> Result<(), Distrust> {
    let mut at = PathBuf::new();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        match part {
            Component::ParentDir => {
                at.pop();
                continue;
            }
            Component::CurDir => continue,
            // A drive alone is that drive's current folder: its root comes next.
            Component::Prefix(prefix) => {
                at.push(prefix.as_os_str());
                continue;
            }
            Component::RootDir | Component::Normal(_) => at.push(part),
        }
        let meta = fs::symlink_metadata(&at).map_err(|e| fault(&at, &e))?;
        if meta.is_symlink() {
            judge(&at, &meta, Part::Link)?;
            *links = links.checked_sub(1).ok_or_else(|| loops(&at))?;
            let target = fs::read_link(&at).map_err(|e| fault(&at, &e))?;
            let parent = at.parent().map(Path::to_owned).unwrap_or_default();
            return walk(&parent.join(target).join(parts.collect::<PathBuf>()), links);
        }
        judge(&at, &meta, if parts.peek().is_none() { Part::Itself } else { Part::Above })?;
    }
    Ok(())
}

fn fault(path: &Path, error: &io::Error) -> Distrust {
    let why = match error.kind() {
        io::ErrorKind::NotFound => Fault::Missing,
        _ => Fault::Unreadable(error.to_string()),
    };
    Distrust { path: path.to_owned(), why }
}

fn loops(path: &Path) -> Distrust {
    Distrust { path: path.to_owned(), why: Fault::Unreadable("too many symbolic links".to_owned()) }
}

fn judge(path: &Path, meta: &fs::Metadata, part: Part) -> Result<(), Distrust> {
    match rights::fault(path, meta, part) {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(Distrust { path: path.to_owned(), why }),
        Err(e) => Err(fault(path, &e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_windows_mends_is_said_as_it_is_typed() {
        let said = |path: &str, why: Fault| Distrust { path: path.into(), why }.to_string();
        let users = Fault::ChangeableBy("S-1-5-32-545".to_owned());
        let wanted = r#"; `icacls "C:\a b" /inheritance:d /remove:g *S-1-5-32-545` mends that"#;
        assert!(said(r"\\?\C:\a b", users.clone()).ends_with(wanted));
        assert!(said(r"C:\", users).contains(r#"icacls "C:\\" /inheritance:d"#));
        let owned = said(r"D:\x", Fault::OwnedBy("S-1-5-21-1".to_owned()));
        assert!(owned.ends_with(r#"; `icacls "D:\x" /setowner *S-1-5-32-544` mends that"#), "{owned}");
        assert!(!said("/x", Fault::Writable(0o777)).contains("mends"));
    }
}
