//! An installer's processes on Windows, held together by a job: found and ended, whoever of backout has died.
#![cfg(windows)]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "makes the files that tell how far it is, stops at the first surprise"
)]

use backout_machine::{
    Patience, Process,
    group::{self, Lead, Reaped},
    process,
};
use std::{
    ffi::OsString,
    fs,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

const LONG: Duration = Duration::from_secs(60);
const ROLE: &str = "role:";

/// What a role was told, behind its name.
fn told(role: &str) -> Option<Vec<String>> {
    let mut all = std::env::args().skip_while(|a| *a != format!("{ROLE}{role}"));
    all.next().map(|_| all.filter_map(|a| a.strip_prefix('=').map(str::to_owned)).collect())
}

/// This program in a role: with what it is told.
fn role(test: &str, told: &[&str]) -> Vec<OsString> {
    let head = ["--exact".to_owned(), test.to_owned(), "--nocapture".to_owned(), format!("{ROLE}{test}")];
    head.into_iter().chain(told.iter().map(|t| format!("={t}"))).map(OsString::from).collect()
}

fn own() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Not a test of its own: a holder, which says in `done` what it was told of its installer.
#[test]
fn holder() {
    let Some(told) = told("holder") else { return };
    let [run, done, ready, argv @ ..] = &told[..] else { panic!("{told:?}") };
    let mut lead = Lead::of(run).unwrap();
    fs::write(ready, "").unwrap();
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    let argv: Vec<OsString> = argv.iter().map(OsString::from).collect();
    let installer = lead.start_installer(&argv).unwrap();
    loop {
        match lead.reap().unwrap() {
            Reaped::Exited(pid, code) => {
                assert_eq!(pid, installer);
                fs::write(done, code.to_string()).unwrap();
            }
            Reaped::Childless => break,
            _ if lead.is_dissolved() => break,
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    fs::write(Path::new(done).with_extension("gone"), "").unwrap();
}

/// Not a test of its own: an installer, which starts another process that stays, and waits until it may end.
#[test]
fn installer() {
    let Some(told) = told("installer") else { return };
    let [folder, code] = &told[..] else { panic!("{told:?}") };
    let stays = Path::new(folder).join("stays");
    Command::new(own()).args(role("stays", &[stays.to_str().unwrap()])).spawn().unwrap();
    until(&stays);
    println!("from the installer");
    fs::write(Path::new(folder).join("begun"), std::process::id().to_string()).unwrap();
    until(&Path::new(folder).join("go"));
    std::process::exit(code.parse().unwrap());
}

/// Not a test of its own.
#[test]
fn stays() {
    let Some(told) = told("stays") else { return };
    fs::write(&told[0], std::process::id().to_string()).unwrap();
    loop {
        std::thread::park();
    }
}

fn until(file: &Path) {
    while !file.exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn number(file: &Path) -> u32 {
    until(file);
    loop {
        if let Ok(number) = fs::read_to_string(file).unwrap_or_default().parse() {
            return number;
        }
    }
}

/// A group with its installer under way. What is left of it ends with this.
struct Group {
    run: String,
    holder: Child,
    dir: tempfile::TempDir,
}

impl Group {
    fn of(name: &str, code: i32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let run = format!("{name}-{}", std::process::id());
        let installer = role("installer", &[&at(""), &code.to_string()]);
        let installer: Vec<String> = installer.into_iter().map(|w| w.into_string().unwrap()).collect();
        let own = own();
        let mut told = vec![run.as_str()];
        let (done, ready) = (at("done"), at("ready"));
        told.extend([&*done, &*ready, own.to_str().unwrap()]);
        told.extend(installer.iter().map(String::as_str));
        let output = fs::File::create(dir.path().join("output")).unwrap();
        let mut holder = group::start_holder(&own, &role("holder", &told), &run, &output).unwrap();
        until(&dir.path().join("ready"));
        writeln!(holder.stdin.take().unwrap()).unwrap();
        let group = Self { run, holder, dir };
        until(&group.at("begun"));
        group
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// By number.
    fn members(&self) -> Vec<u32> {
        members(&self.run, self.holder.id())
    }

    fn expected(&self) -> Vec<u32> {
        sorted(vec![number(&self.at("begun")), number(&self.at("stays"))])
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
        for file in ["begun", "stays"] {
            let pid = fs::read_to_string(self.at(file)).unwrap_or_default().parse().unwrap_or(0);
            let all = process::below(&[own().parent().unwrap().to_owned()]).unwrap_or_default();
            for left in all.iter().filter(|p| p.pid == pid) {
                let _ = process::end(left, &Patience::firm(LONG));
            }
        }
    }
}

fn sorted(mut pids: Vec<u32>) -> Vec<u32> {
    pids.sort_unstable();
    pids
}

fn members(run: &str, holder: u32) -> Vec<u32> {
    sorted(group::members(run, holder).unwrap().into_iter().map(|m| m.process.pid).collect())
}

fn kill(process: u32) {
    let all = process::below(&[own().parent().unwrap().to_owned()]).unwrap();
    let found: &Process = all.iter().find(|p| p.pid == process).unwrap();
    process::end(found, &Patience::firm(LONG)).unwrap();
}

#[test]
fn all_that_an_installer_starts_is_held_together_and_ended_at_once() {
    let mut group = Group::of("all", 7);
    assert_eq!(group.members(), group.expected());
    let named = group::members(&group.run, group.holder.id()).unwrap();
    assert!(named.iter().all(|m| m.process.path == own() && !m.detached), "{named:?}");
    // The installer's own end is told, the rest is waited for.
    fs::write(group.at("go"), "").unwrap();
    assert_eq!(number(&group.at("done")), 7);
    assert_eq!(group.members(), [number(&group.at("stays"))]);
    assert!(group.holder.try_wait().unwrap().is_none());
    group::end(&group.run, group.holder.id()).unwrap();
    assert!(group.holder.wait().unwrap().success());
    assert!(group.members().is_empty());
    let said = fs::read_to_string(group.at("output")).unwrap();
    assert!(said.contains("from the installer"), "{said}");
}

#[test]
fn a_holder_that_is_told_so_goes_and_what_runs_goes_on() {
    let mut group = Group::of("told", 0);
    fs::write(group.at("go"), "").unwrap();
    assert_eq!(number(&group.at("done")), 0);
    group::dissolve(&group.run, group.holder.id());
    assert!(group.holder.wait().unwrap().success());
    assert!(group.at("done.gone").exists());
    assert_eq!(group.members(), [number(&group.at("stays"))]);
    group::dissolve(&group.run, group.holder.id());
}

/// Not a test of its own: who started the group, and dies.
#[test]
fn guard() {
    let Some(told) = told("guard") else { return };
    let [run, folder] = &told[..] else { panic!("{told:?}") };
    let group = Group::of(run, 0);
    let line = format!("{} {} {}", group.run, group.holder.id(), group.dir.path().display());
    fs::write(Path::new(folder).join("new"), line).unwrap();
    fs::rename(Path::new(folder).join("new"), Path::new(folder).join("group")).unwrap();
    loop {
        std::thread::park();
    }
}

#[test]
fn what_outlives_guard_and_holder_is_found_by_the_jobs_name_and_then_by_its_mark() {
    let dir = tempfile::tempdir().unwrap();
    let mut guard = Command::new(own());
    guard.args(role("guard", &["orphans", dir.path().to_str().unwrap()]));
    let mut guard = guard.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    until(&dir.path().join("group"));
    let line = fs::read_to_string(dir.path().join("group")).unwrap();
    let [run, holder, folder] = line.splitn(3, ' ').collect::<Vec<_>>().try_into().unwrap();
    let (holder, folder) = (holder.parse().unwrap(), Path::new(folder));
    let (installer, stays) = (number(&folder.join("begun")), number(&folder.join("stays")));
    guard.kill().unwrap();
    guard.wait().unwrap();
    kill(holder);
    // Asked by a process each: whoever has looked keeps the name.
    assert_eq!(asked(run, holder, dir.path()), sorted(vec![installer, stays]));
    kill(installer);
    assert_eq!(asked(run, holder, dir.path()), [stays]);
    group::end(run, holder).unwrap();
    assert!(asked(run, holder, dir.path()).is_empty());
    fs::remove_dir_all(folder).unwrap();
}

/// Not a test of its own: who asks.
#[test]
fn asks() {
    let Some(told) = told("asks") else { return };
    let [run, holder, file] = &told[..] else { panic!("{told:?}") };
    let found = members(run, holder.parse().unwrap());
    fs::write(file, found.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")).unwrap();
}

fn asked(run: &str, holder: u32, folder: &Path) -> Vec<u32> {
    let file = folder.join("found");
    let told = [run, &holder.to_string(), file.to_str().unwrap()];
    assert!(Command::new(own()).args(role("asks", &told)).status().unwrap().success());
    fs::read_to_string(file).unwrap().split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn what_the_system_starts_is_told_by_its_name() {
    for program in ["setup.exe", "SETUP.EXE", r"C:\x\run.cmd", "a.bat", "b.com"] {
        assert!(group::can_run(Path::new(program)), "{program}");
    }
    for other in ["setup", "patch.msi", "patch.MSP", "readme.txt", "exe"] {
        assert!(!group::can_run(Path::new(other)), "{other}");
    }
    let how = group::run_by(Path::new(r"C:\p 1\Patch.MSI"));
    assert_eq!(how.as_deref(), Some(r#"msiexec /i "C:\p 1\Patch.MSI" /qn /norestart"#));
    assert_eq!(group::run_by(Path::new("a.exe")), None);
    let meant = group::meant(Path::new(r"C:\x\setup"));
    assert!(meant[0] == Path::new(r"C:\x\setup") && meant.contains(&PathBuf::from(r"C:\x\setup.exe")));
}
