//! Reads profiles, sites and saved plans from files that others must not have been able to change.

use crate::refusal::{Refusal, Trusted};
use backout_disk::{ErrorKind, Folder, fingerprint::digest_bytes};
use backout_protocol::{
    Digest, HostPath, Plan, Profile, Site,
    plan::{self, Ask, ProfileRef},
    text::from_ron,
};
use std::{io::Read, path::Path};

/// No profile, site or plan is longer.
const CAP: u64 = 64 * 1024 * 1024;

/// A profile and where it came from.
#[derive(Debug, Clone)]
pub struct LoadedProfile {
    /// The profile.
    pub profile: Profile,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// Its file; `None`: built in.
    pub file: Option<HostPath>,
}

/// Everything a plan is made from.
#[derive(Debug, Clone)]
pub struct Job {
    /// The profile.
    pub profile: LoadedProfile,
    /// The site.
    pub site: Site,
    /// What was asked for.
    pub ask: Ask,
}

impl LoadedProfile {
    /// Reads the profile in `path`.
    ///
    /// # Errors
    /// [`Refusal::Unreadable`], [`Refusal::Distrusted`], [`Refusal::Malformed`], [`Refusal::ProfileInvalid`].
    pub fn from_file(path: &Path) -> Result<Self, Refusal> {
        let text = read_trusted(path, Trusted::Profile)?;
        Self::from_text(&path.display().to_string(), &text, Some(absolute(path)))
    }

    /// Reads a profile from its text; `name` is what errors call it.
    ///
    /// # Errors
    /// [`Refusal::Malformed`], [`Refusal::ProfileInvalid`].
    pub fn from_text(name: &str, text: &str, file: Option<HostPath>) -> Result<Self, Refusal> {
        let profile: Profile = from_ron(name, text).map_err(Refusal::Malformed)?;
        if let Some(why) = backout_protocol::profile::contradiction(&profile) {
            return Err(Refusal::ProfileInvalid { profile: profile.name, why });
        }
        Ok(Self { profile, sha256: digest_bytes(text.as_bytes()), file })
    }

    /// As a plan names it.
    pub fn reference(&self) -> ProfileRef {
        ProfileRef { name: self.profile.name.clone(), sha256: self.sha256, file: self.file.clone() }
    }
}

/// Reads the site in `path`.
///
/// # Errors
/// As [`LoadedProfile::from_file`].
pub fn site(path: &Path) -> Result<Site, Refusal> {
    let text = read_trusted(path, Trusted::Site)?;
    from_ron(&path.display().to_string(), &text).map_err(Refusal::Malformed)
}

/// Reads a saved plan. It is never carried out: it is compared with one made afresh.
///
/// # Errors
/// As [`LoadedProfile::from_file`]; [`Refusal::PlanStale`] for another format.
pub fn plan(path: &Path) -> Result<Plan, Refusal> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: (u16, u16),
    }
    let text = read_trusted(path, Trusted::Plan)?;
    let name = path.display().to_string();
    let version: Version = from_ron(&name, &text).map_err(Refusal::Malformed)?;
    if version.format != plan::FORMAT {
        return Err(Refusal::PlanStale { drift: vec![plan::PlanDrift::Tool] });
    }
    from_ron(&name, &text).map_err(Refusal::Malformed)
}

/// Reads a file of which nothing is carried out, so that anybody may have written it.
///
/// # Errors
/// [`Refusal::Unreadable`].
pub fn text(path: &Path) -> Result<String, Refusal> {
    read(path, |_| Ok(()))
}

fn read_trusted(path: &Path, what: Trusted) -> Result<String, Refusal> {
    read(path, |file| check_trust(file, what))
}

/// Reads a file that passes `check` once it is open.
fn read(path: &Path, check: impl FnOnce(&Path) -> Result<(), Refusal>) -> Result<String, Refusal> {
    let here = absolute(path);
    let unreadable = |why: String| Refusal::Unreadable { path: here.clone(), why };
    let real = std::fs::canonicalize(&here.0).map_err(|e| unreadable(e.to_string()))?;
    let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(unreadable("it is not a regular file".to_owned()));
    };
    // Never waits: opening a pipe would, and opening a device may do something.
    let file = Folder::open_root(folder).and_then(|f| f.open_file(name));
    let file = file.map_err(|e| match e.kind {
        ErrorKind::NotAFile => unreadable("it is not a regular file".to_owned()),
        _ => unreadable(e.to_string()),
    })?;
    check(&here.0)?;
    let mut text = String::new();
    file.take(CAP).read_to_string(&mut text).map_err(|e| unreadable(e.to_string()))?;
    Ok(text)
}

/// Refuses a file that others than root and the effective user could have changed.
///
/// # Errors
/// [`Refusal::Distrusted`].
pub fn check_trust(path: &Path, what: Trusted) -> Result<(), Refusal> {
    backout_disk::trust::check(path).map_err(|e| Refusal::Distrusted {
        what,
        path: HostPath(path.to_owned()),
        why: e.to_string(),
    })
}

/// `path` made absolute without looking at the disk.
pub fn absolute(path: &Path) -> HostPath {
    HostPath(std::path::absolute(path).unwrap_or_else(|_| path.to_owned()))
}
