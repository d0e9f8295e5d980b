//! Who has files open for writing, asked of the real system.
#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "makes the files that are held, stops at the first surprise"
)]

use backout_machine::writers::{self, Identity};
use std::{
    collections::BTreeSet,
    fs,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
};

const PYTHON: &str = "/usr/bin/python3";

/// A process that was started by one that is gone, so that it is none of ours; ended with its test.
struct Stranger(String);

impl Stranger {
    /// Runs `code`, which has `path`, and waits until it has said that it is there.
    fn new(dir: &Path, path: &Path, code: &str) -> Option<Self> {
        if !Path::new(PYTHON).exists() {
            eprintln!("skipped: no python here");
            return None;
        }
        let there = dir.join("there");
        let code = format!(
            "import os,sys,time,mmap\npath,there=sys.argv[1:]\nif os.fork(): os._exit(0)\nos.setsid()\n{code}\n\
             open(there+'.new','w').write(str(os.getpid()))\nos.rename(there+'.new',there)\ntime.sleep(600)"
        );
        let words = [Path::new("-c"), Path::new(&code), path, &there];
        let mut command = Command::new(PYTHON);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child: Child = command.spawn().unwrap();
        child.wait().unwrap();
        loop {
            match fs::read_to_string(&there) {
                Ok(pid) => {
                    fs::remove_file(&there).unwrap();
                    return Some(Self(pid));
                }
                Err(_) => std::thread::yield_now(),
            }
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-9", &self.0]).status();
    }
}

fn identity(path: &Path) -> Identity {
    fs::metadata(path).map(|m| (m.dev(), m.ino())).unwrap()
}

/// The files' names of which `stranger` is a writer.
fn seen(stranger: &Stranger, files: &[&Path]) -> Vec<String> {
    let wanted: BTreeSet<Identity> = files.iter().map(|file| identity(file)).collect();
    let writers = writers::of(&wanted).unwrap();
    let mine = writers.found.iter().filter(|(_, holder)| holder.pid.to_string() == stranger.0);
    mine.map(|(file, _)| {
        let path = files.iter().find(|path| identity(path) == *file).unwrap();
        path.file_name().unwrap().to_str().unwrap().to_owned()
    })
    .collect()
}

#[test]
fn a_writer_is_seen_under_any_name_of_the_file_and_a_reader_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (file, read, alias) = (dir.path().join("log"), dir.path().join("read"), dir.path().join("alias"));
    fs::write(&file, "x").unwrap();
    fs::write(&read, "x").unwrap();
    fs::hard_link(&file, &alias).unwrap();
    let code = "f=open(path,'a')\ng=open(os.path.dirname(path)+'/read')";
    let Some(writer) = Stranger::new(dir.path(), &file, code) else { return };
    assert_eq!(seen(&writer, &[&alias, &read]), ["alias"]);
    // It writes on, whatever the file is called by now.
    fs::rename(&alias, dir.path().join("moved")).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(seen(&writer, &[&dir.path().join("moved")]), ["moved"]);
}

#[test]
fn a_shared_mapping_writes_also_when_its_file_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("data");
    fs::write(&file, vec![0; 4096]).unwrap();
    let shared = "f=open(path,'r+b')\nm=mmap.mmap(f.fileno(),4096)\nf.close()";
    // `mmap` keeps a duplicate of the descriptor; it is closed behind its back.
    let shared = format!("{shared}\nfor d in range(3,20):\n  try: os.close(d)\n  except OSError: pass");
    let Some(writer) = Stranger::new(dir.path(), &file, &shared) else { return };
    assert_eq!(seen(&writer, &[&file]), ["data"]);
    let private = shared.replace("4096)", "4096,flags=mmap.MAP_PRIVATE)");
    let Some(reader) = Stranger::new(dir.path(), &file, &private) else { return };
    assert!(seen(&reader, &[&file]).is_empty());
}

#[test]
fn a_child_of_ours_does_not_count() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out");
    let out = fs::File::create(&file).unwrap();
    let mut child = Command::new("sleep").arg("600").stdout(out).spawn().unwrap();
    let writers = writers::of(&BTreeSet::from([identity(&file)])).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(writers.found.is_empty(), "{writers:?}");
}
