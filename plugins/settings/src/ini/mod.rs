//! Values of INI files, as planned files.

mod edit;
mod text;

pub use edit::set;

use crate::config::{self, Config};
use backout_plugin::{
    Ask, Kind, Machine, failure,
    protocol::{
        Place,
        message::{Failure, Proposed},
        path::encode,
    },
};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// No INI file is longer.
const CAP: u64 = 1024 * 1024;

/// One file and all that is set in it.
struct Edited {
    path: PathBuf,
    bytes: Option<Vec<u8>>,
    set: Vec<(String, String)>,
}

/// A step for each file.
pub(crate) fn steps(ask: &Ask<Config>, machine: &Machine) -> Result<Vec<Proposed>, Failure> {
    let names = ask.request.names;
    let mut files: Vec<Edited> = Vec::new();
    for wanted in &ask.config.ini {
        let value = config::text(ask, &wanted.value)?;
        let path = spelled(&ask.folder(&wanted.file)?.0, ask, machine)?;
        let at = match files.iter().position(|f| names.path_key(&f.path) == names.path_key(&path)) {
            Some(at) => at,
            None => {
                let bytes = read(&path)?;
                files.push(Edited { path, bytes, set: Vec::new() });
                files.len() - 1
            }
        };
        let file = &mut files[at];
        let about = |why: String| failure(format!("`{}`: {why}", encode(file.path.as_os_str())));
        let name = (wanted.section.to_ascii_lowercase(), wanted.key.to_ascii_lowercase());
        if file.set.contains(&name) {
            return Err(about(format!("[{}] {} is set twice", wanted.section, wanted.key)));
        }
        let edited = set(file.bytes.as_deref(), &wanted.section, &wanted.key, &value).map_err(about)?;
        file.bytes = Some(edited);
        file.set.push(name);
    }
    let step = |file: Edited| {
        let target: Place = ask.place(&file.path)?;
        Ok(Proposed::WriteFile { target, bytes: file.bytes.unwrap_or_default() })
    };
    files.into_iter().map(step).collect()
}

/// The path as the file is spelled that is there, if one is.
fn spelled(path: &Path, ask: &Ask<Config>, machine: &Machine) -> Result<PathBuf, Failure> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failure(format!("`{}` is no file", encode(path.as_os_str()))));
    };
    let names = ask.request.names;
    let same = |found: &Path| found.file_name().is_some_and(|n| names.key(n) == names.key(name));
    let listed = machine.list(folder)?;
    let mut found = listed.iter().filter(|e| e.kind == Kind::File && same(e.rel.as_path()));
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => {
            Err(failure(format!("two files are called `{}` but for their case", encode(path.as_os_str()))))
        }
        (Some(one), None) => Ok(folder.join(one.rel.as_path())),
        (None, _) => Ok(path.to_owned()),
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let said = |e: std::io::Error| failure(format!("`{}`: {e}", encode(path.as_os_str())));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(said(e)),
    };
    let mut bytes = Vec::new();
    file.take(CAP + 1).read_to_end(&mut bytes).map_err(said)?;
    if bytes.len() as u64 > CAP {
        let why = format!("`{}` is longer than an INI file", encode(path.as_os_str()));
        return Err(failure(why));
    }
    Ok(Some(bytes))
}
