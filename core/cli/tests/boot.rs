//! The recovery at boot as Windows runs it: a real service of the real service manager, started by hand as the boot
//! would start it.
//!
//! The managed service's program is this test itself: the manager starts it with the test [`serve`] alone and an argument
//! that names a file; told to stop, it goes on until that file is there.
#![cfg(windows)]
#![expect(unsafe_code, reason = "the service's end of the manager's calls")]
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests make files, read the environment and stop at the first surprise"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    ptr,
    sync::atomic::{AtomicBool, AtomicPtr, Ordering},
    time::{Duration, Instant},
};
use windows_sys::Win32::System::Services::{
    ChangeServiceConfigW, CloseServiceHandle, OpenSCManagerW, OpenServiceW, QueryServiceStatus,
    RegisterServiceCtrlHandlerExW, SC_MANAGER_CONNECT, SERVICE_ACCEPT_STOP, SERVICE_CHANGE_CONFIG,
    SERVICE_CONTROL_STOP, SERVICE_NO_CHANGE, SERVICE_QUERY_STATUS, SERVICE_RUNNING, SERVICE_STATUS,
    SERVICE_STOP_PENDING, SERVICE_STOPPED, SERVICE_TABLE_ENTRYW, SERVICE_WIN32_OWN_PROCESS, SetServiceStatus,
    StartServiceCtrlDispatcherW,
};

const MARK: &str = "stops-with:";
const RECOVERY: &str = "backout-recovery";
/// An error of the service's own.
const SPECIFIC: u32 = 1066;

static HANDLE: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(ptr::null_mut());
static STOP: AtomicBool = AtomicBool::new(false);

/// Not a test of its own: the service's program.
#[test]
fn serve() {
    if gate().is_none() {
        return;
    }
    let name = [0u16];
    let table = [
        SERVICE_TABLE_ENTRYW { lpServiceName: name.as_ptr().cast_mut(), lpServiceProc: Some(main) },
        SERVICE_TABLE_ENTRYW::default(),
    ];
    // SAFETY: the table ends with an empty entry and lives until the call returns.
    unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
}

fn gate() -> Option<PathBuf> {
    std::env::args().find_map(|a| a.strip_prefix(MARK).map(PathBuf::from))
}

fn say(state: u32) {
    let status = SERVICE_STATUS {
        dwServiceType: SERVICE_WIN32_OWN_PROCESS,
        dwCurrentState: state,
        dwControlsAccepted: if state == SERVICE_RUNNING { SERVICE_ACCEPT_STOP } else { 0 },
        dwWaitHint: if state == SERVICE_STOP_PENDING { 60_000 } else { 0 },
        ..SERVICE_STATUS::default()
    };
    // SAFETY: the handle is the manager's own.
    unsafe { SetServiceStatus(HANDLE.load(Ordering::SeqCst), &status) };
}

unsafe extern "system" fn main(_: u32, _: *mut *mut u16) {
    let name = [0u16];
    // SAFETY: the name of the only service of a process is not looked at.
    HANDLE.store(
        unsafe { RegisterServiceCtrlHandlerExW(name.as_ptr(), Some(told), ptr::null()) },
        Ordering::SeqCst,
    );
    say(SERVICE_RUNNING);
    while !STOP.load(Ordering::SeqCst) || gate().is_some_and(|file| !file.exists()) {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    say(SERVICE_STOPPED);
}

unsafe extern "system" fn told(
    control: u32,
    _: u32,
    _: *mut std::ffi::c_void,
    _: *mut std::ffi::c_void,
) -> u32 {
    if control == SERVICE_CONTROL_STOP {
        say(SERVICE_STOP_PENDING);
        STOP.store(true, Ordering::SeqCst);
    }
    0
}

#[track_caller]
fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(120);
    while !seen() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

fn sc(arguments: &[&str]) -> bool {
    Command::new("sc").args(arguments).stdout(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Sets what a service needs; the names end with a NUL each.
fn set_needs(key: &str, names: &str) {
    let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
    let (key, names) = (wide(key), wide(names));
    let (same, none) = (SERVICE_NO_CHANGE, ptr::null());
    // SAFETY: the name ends with a NUL, the list with two; nothing else is changed.
    unsafe {
        let manager = OpenSCManagerW(none, none, SC_MANAGER_CONNECT);
        let service = OpenServiceW(manager, key.as_ptr(), SERVICE_CHANGE_CONFIG);
        let (tag, names) = (ptr::null_mut(), names.as_ptr());
        let done = ChangeServiceConfigW(service, same, same, same, none, none, tag, names, none, none, none);
        assert!(done != 0, "a service that can be changed");
        CloseServiceHandle(service);
        CloseServiceHandle(manager);
    }
}

/// State and own error of a service, by the name of its key; `None`: it is not there.
fn service(key: &str) -> Option<(u32, u32)> {
    let key: Vec<u16> = key.encode_utf16().chain([0]).collect();
    let mut status = SERVICE_STATUS::default();
    // SAFETY: the name ends with a NUL; the structure is written whole or not at all.
    let there = unsafe {
        let manager = OpenSCManagerW(ptr::null(), ptr::null(), SC_MANAGER_CONNECT);
        let service = OpenServiceW(manager, key.as_ptr(), SERVICE_QUERY_STATUS);
        let there = QueryServiceStatus(service, &mut status) != 0;
        CloseServiceHandle(service);
        CloseServiceHandle(manager);
        there
    };
    let own = if status.dwWin32ExitCode == SPECIFIC { status.dwServiceSpecificExitCode } else { 0 };
    there.then_some((status.dwCurrentState, own))
}

/// A product with a service, and backout in a folder that it trusts.
struct World {
    root: PathBuf,
    key: String,
    plugins: Option<PathBuf>,
}

impl World {
    fn new() -> Self {
        let root = Path::new(r"C:\").join(format!("backout-boot-{}", std::process::id()));
        let built = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
        for folder in ["plugins", "home/live", "home/backup"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::copy(built.join("backout.exe"), root.join("backout.exe")).unwrap();
        let library = "backout_file_set.dll";
        let plugins = fs::copy(built.join(library), root.join("plugins").join(library)).ok();
        // Of a test that died.
        sc(&["delete", RECOVERY]);
        let key = format!("backout-boot-{}", std::process::id());
        let shown = format!("Backout Boot {}", std::process::id());
        let program = std::env::current_exe().unwrap();
        let line = format!("\"{}\" --exact serve {MARK}{}", program.display(), root.join("go").display());
        assert!(sc(&["create", &key, "binPath=", &line, "DisplayName=", &shown]));
        set_needs(&key, "EventLog\0");
        fs::write(root.join("home/live/a.conf"), "patched").unwrap();
        fs::write(root.join("home/backup/a.conf"), "old").unwrap();
        fs::write(root.join("site.ron"), format!("( vars: {{ \"home\": {:?} }} )", root.join("home")))
            .unwrap();
        let profile = format!(
            r#"( name: "small", title: (en: "A small product"), product: (name: "Small", version: "1", patch: "2"),
                 variables: [(name: "home", about: (en: "where it is"))],
                 components: [( id: "files", title: (en: "files"),
                   role: Restore(plugin: "file-set", config: (from: "home/backup", to: "home/live")),
                   presence: (marker: "home/live/a.conf"), services: [(name: {shown:?})] )],
                 timeouts: (stop: 60, start: 60, status: 20, exit: 5, settle: 0) )"#
        );
        fs::write(root.join("small.ron"), profile).unwrap();
        Self { root, key, plugins: plugins.map(|_| built) }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.root.join("backout.exe"));
        command.args(arguments).arg("--state-dir").arg(self.root.join("state")).stdin(Stdio::null());
        command
    }

    #[track_caller]
    fn ends(&self, code: i32, arguments: &[&str]) -> Output {
        let said = self.command(arguments).output().unwrap();
        assert_eq!(said.status.code(), Some(code), "{arguments:?}: {said:?}");
        said
    }

    fn live(&self) -> String {
        fs::read_to_string(self.root.join("home/live/a.conf")).unwrap()
    }

    fn needs(&self) -> Vec<String> {
        let key = format!(r"SYSTEM\CurrentControlSet\Services\{}", self.key);
        let machine = winreg::RegKey::predef(winreg::enums::HKEY_LOCAL_MACHINE);
        machine.open_subkey(key).unwrap().get_value("DependOnService").unwrap_or_default()
    }

    /// A rollback that hangs in its first stop. The service is held back.
    fn begin(&self) -> std::process::Child {
        let _ = fs::remove_file(self.root.join("go"));
        if service(&self.key) != Some((SERVICE_RUNNING, 0)) {
            assert!(sc(&["start", &self.key]));
        }
        until("the service runs", || service(&self.key) == Some((SERVICE_RUNNING, 0)));
        let text = |name: &str| self.root.join(name).to_str().unwrap().to_owned();
        let (profile, site) = (text("small.ron"), text("site.ron"));
        let mut run = self.command(&["rollback", &profile, "--site", &site, "--yes", "--no-parent"]);
        let run = run.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until("the stop", || service(&self.key) == Some((SERVICE_STOP_PENDING, 0)));
        assert_eq!(self.needs(), ["EventLog", RECOVERY]);
        run
    }

    /// The power goes, and comes again: the services are down, and the recovery is started.
    fn cut(&self, mut run: std::process::Child) {
        run.kill().unwrap();
        run.wait().unwrap();
        fs::write(self.root.join("go"), "").unwrap();
        until("the service is down", || service(&self.key) == Some((SERVICE_STOPPED, 0)));
        assert!(sc(&["start", RECOVERY]));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = fs::write(self.root.join("go"), "");
        sc(&["stop", &self.key]);
        let _ = self.command(&["recover", "--abandon"]).output();
        let _ = self.command(&["boot", "remove"]).output();
        sc(&["delete", &self.key]);
        let _ = fs::remove_dir_all(&self.root);
    }
}

#[test]
fn the_recovery_settles_a_run_before_its_services_start_and_then_starts_what_ran() {
    let world = World::new();
    if world.plugins.is_none() {
        println!("skipped: the plugins are not built");
        return;
    }
    world.ends(31, &["boot", "status"]);
    world.ends(0, &["boot", "install"]);
    world.ends(0, &["boot", "install"]);
    world.ends(0, &["boot", "status"]);
    let elsewhere = world.root.join("other");
    let mut other = Command::new(world.root.join("backout.exe"));
    let other = other.args(["boot", "status", "--json", "--state-dir"]).arg(&elsewhere).output().unwrap();
    assert!(String::from_utf8_lossy(&other.stdout).contains("\"elsewhere\""), "{other:?}");

    // While the run goes on, whoever starts one of its services makes the manager start the recovery first.
    let run = world.begin();
    assert!(sc(&["start", RECOVERY]));
    until("the recovery refuses", || service(RECOVERY) == Some((SERVICE_STOPPED, 11)));
    assert_eq!(world.needs(), ["EventLog", RECOVERY]);
    world.ends(21, &["boot", "remove"]);

    world.cut(run);
    until("the recovery is over", || service(RECOVERY) == Some((SERVICE_STOPPED, 0)));
    assert_eq!(service(&world.key), Some((SERVICE_RUNNING, 0)));
    assert_eq!(world.needs(), ["EventLog"]);
    assert_eq!(world.live(), "patched");
    world.ends(0, &["status"]);

    // What cannot be settled keeps its services down.
    let run = world.begin();
    let open = fs::read_dir(world.root.join("state/transactions")).unwrap().next().unwrap().unwrap().path();
    let journal = fs::read(open.join("journal")).unwrap();
    let half = journal.iter().position(|b| *b == b'\n').unwrap();
    let mut spoilt = journal.clone();
    spoilt[half / 2] ^= 1;
    fs::write(open.join("journal"), spoilt).unwrap();
    world.cut(run);
    until("the recovery fails", || service(RECOVERY) == Some((SERVICE_STOPPED, 22)));
    assert_eq!(world.needs(), ["EventLog", RECOVERY]);
    assert_eq!(service(&world.key), Some((SERVICE_STOPPED, 0)));
    fs::write(open.join("journal"), journal).unwrap();
    world.ends(0, &["recover"]);
    assert_eq!(service(&world.key), Some((SERVICE_RUNNING, 0)));
    assert_eq!(world.needs(), ["EventLog"]);

    world.ends(0, &["boot", "remove"]);
    until("the recovery is gone", || service(RECOVERY).is_none());
    world.ends(31, &["boot", "status"]);
}
