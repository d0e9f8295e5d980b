//! Real services in the real service manager, under names of their own.
//!
//! The program of each service is this test itself: the manager starts it with the test [`serve`] alone and an
//! argument that says how to behave.
#![cfg(windows)]
#![expect(unsafe_code, reason = "the service's end of the manager's calls")]
#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use backout_machine::{
    Patience, ServiceError, ServiceState, Services,
    process::{self, Process},
    service::{Scm, Verb},
};
use backout_protocol::{ServiceName, profile::Timeouts};
use std::{
    process::Command,
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicPtr, AtomicU32, Ordering},
    },
    time::Duration,
};
use windows_sys::Win32::System::Services::{
    ChangeServiceConfigW, CloseServiceHandle, OpenSCManagerW, OpenServiceW, RegisterServiceCtrlHandlerExW,
    SC_MANAGER_CONNECT, SERVICE_ACCEPT_STOP, SERVICE_CHANGE_CONFIG, SERVICE_CONTROL_STOP, SERVICE_DISABLED,
    SERVICE_NO_CHANGE, SERVICE_RUNNING, SERVICE_START_PENDING, SERVICE_STATUS, SERVICE_STOP_PENDING,
    SERVICE_STOPPED, SERVICE_TABLE_ENTRYW, SERVICE_WIN32_OWN_PROCESS, SetServiceStatus,
    StartServiceCtrlDispatcherW,
};

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(500);
const MARK: &str = "as-service:";

/// How a service behaves, in its process. The manager's handle of it and what it was last told.
static HOW: Mutex<String> = Mutex::new(String::new());
static HANDLE: AtomicPtr<std::ffi::c_void> = AtomicPtr::new(ptr::null_mut());
static TOLD: AtomicU32 = AtomicU32::new(0);

/// One test at a time: two threads of a process whose first calls of the manager fall together are told by Wine that a
/// handle is invalid, as each has a connection of its own and handles belong to one.
static ALONE: Mutex<()> = Mutex::new(());

/// Not a test of its own: the service's program.
#[test]
fn serve() {
    let Some(how) = std::env::args().find_map(|a| a.strip_prefix(MARK).map(str::to_owned)) else { return };
    *HOW.lock().unwrap() = how;
    let name = [0u16];
    let table = [
        SERVICE_TABLE_ENTRYW { lpServiceName: name.as_ptr().cast_mut(), lpServiceProc: Some(main) },
        SERVICE_TABLE_ENTRYW::default(),
    ];
    // SAFETY: the table ends with an empty entry and lives until the call returns.
    unsafe { StartServiceCtrlDispatcherW(table.as_ptr()) };
    while *HOW.lock().unwrap() == "lingers" {
        std::thread::park();
    }
}

fn say(state: u32, exit: u32, checkpoint: u32) {
    let accepts = *HOW.lock().unwrap() != "refuses";
    let status = SERVICE_STATUS {
        dwServiceType: SERVICE_WIN32_OWN_PROCESS,
        dwCurrentState: state,
        dwControlsAccepted: if state == SERVICE_RUNNING && accepts { SERVICE_ACCEPT_STOP } else { 0 },
        dwWin32ExitCode: exit,
        dwServiceSpecificExitCode: 0,
        dwCheckPoint: checkpoint,
        dwWaitHint: if checkpoint > 0 { 5000 } else { 0 },
    };
    // SAFETY: the handle is the manager's own.
    unsafe { SetServiceStatus(HANDLE.load(Ordering::SeqCst), &status) };
}

unsafe extern "system" fn main(_: u32, _: *mut *mut u16) {
    let name = [0u16];
    // SAFETY: the name of the only service of a process is not looked at.
    let handle = unsafe { RegisterServiceCtrlHandlerExW(name.as_ptr(), Some(told), ptr::null()) };
    HANDLE.store(handle, Ordering::SeqCst);
    say(SERVICE_START_PENDING, 0, 1);
    let how = HOW.lock().unwrap().clone();
    if how == "fails" {
        return say(SERVICE_STOPPED, 5, 0);
    }
    if how == "dies" {
        std::process::abort();
    }
    say(SERVICE_RUNNING, 0, 0);
    while TOLD.load(Ordering::SeqCst) != SERVICE_CONTROL_STOP {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    match how.as_str() {
        "hangs" => loop {
            std::thread::park();
        },
        // Longer in all than the test's limit, but moving all the time.
        "slow" => (1..=8).for_each(|n| {
            say(SERVICE_STOP_PENDING, 0, n);
            std::thread::park_timeout(Duration::from_millis(100));
        }),
        _ => {}
    }
    say(SERVICE_STOPPED, 0, 0);
}

unsafe extern "system" fn told(
    control: u32,
    _: u32,
    _: *mut std::ffi::c_void,
    _: *mut std::ffi::c_void,
) -> u32 {
    if control == SERVICE_CONTROL_STOP {
        TOLD.store(control, Ordering::SeqCst);
        say(SERVICE_STOP_PENDING, 0, 1);
    }
    0
}

/// A service that does not outlive its test.
struct Installed {
    key: String,
    name: ServiceName,
}

fn sc(arguments: &[&str]) -> bool {
    let mut sc = Command::new("sc");
    sc.args(arguments).stdout(std::process::Stdio::null());
    sc.status().is_ok_and(|s| s.success())
}

impl Installed {
    fn new(how: &str, more: &[&str]) -> Self {
        let key = format!("backout-test-{how}-{}", std::process::id());
        let shown = format!("Backout Test {how} {} サービス", std::process::id());
        let program = std::env::current_exe().unwrap();
        let line = format!("\"{}\" --exact serve {MARK}{how}", program.display());
        let fixed = ["create", &key, "binPath=", &line, "DisplayName=", &shown, "start=", "demand"];
        assert!(sc(&[&fixed[..], more].concat()), "a service that can be made");
        Self { key, name: shown.parse().unwrap() }
    }
    fn start(&self) -> Result<(), ServiceError> {
        scm().start(&self.name, &Patience::firm(LONG))
    }
    fn stop(&self, limit: Duration) -> Result<(), ServiceError> {
        scm().stop(&self.name, &Patience::firm(limit))
    }
    fn state(&self) -> ServiceState {
        scm().state(&self.name).unwrap()
    }
    fn disable(&self) {
        self.configure(SERVICE_DISABLED, None);
    }
    /// Sets what it needs; the names end with a NUL each.
    fn set_needs(&self, names: &str) {
        self.configure(SERVICE_NO_CHANGE, Some(names));
    }
    fn configure(&self, start: u32, needs: Option<&str>) {
        let wide = |text: &str| text.encode_utf16().chain([0]).collect::<Vec<u16>>();
        let (key, needs) = (wide(&self.key), needs.map(wide));
        let (same, none) = (SERVICE_NO_CHANGE, ptr::null());
        let needs = needs.as_ref().map_or(none, |n| n.as_ptr());
        // SAFETY: the name ends with a NUL, the list with two; nothing else is changed.
        unsafe {
            let manager = OpenSCManagerW(none, none, SC_MANAGER_CONNECT);
            let service = OpenServiceW(manager, key.as_ptr(), SERVICE_CHANGE_CONFIG);
            let tag = ptr::null_mut();
            let done =
                ChangeServiceConfigW(service, same, start, same, none, none, tag, needs, none, none, none);
            assert!(done != 0, "a service that can be changed");
            CloseServiceHandle(service);
            CloseServiceHandle(manager);
        }
    }
    /// Its processes: this test's own program, but not this test.
    fn processes(&self) -> Vec<Process> {
        let program = std::env::current_exe().unwrap();
        let image = program.file_name().unwrap().to_string_lossy().into_owned();
        process::running(&[image], &[program.parent().unwrap().to_owned()]).unwrap()
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let _ = self.stop(SHORT);
        sc(&["delete", &self.key]);
    }
}

fn scm() -> Scm {
    Scm::new(Timeouts { status: 5, ..Timeouts::default() })
}

/// All in one: their processes are told apart by the one program they share.
#[test]
fn services_do_what_they_do_and_are_seen_doing_it() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let unknown: ServiceName = "Backout Test Nobody".parse().unwrap();
    assert_eq!(scm().state(&unknown).unwrap(), ServiceState::NotInstalled);
    assert!(matches!(scm().start(&unknown, &Patience::firm(LONG)), Err(ServiceError::NotInstalled { .. })));

    // One that does as told, however often, and whose process is gone when it is stopped.
    let good = Installed::new("good", &[]);
    assert_eq!(good.state(), ServiceState::Stopped);
    for _ in 0..3 {
        good.start().unwrap();
        good.start().unwrap();
        assert_eq!((good.state(), good.processes().len()), (ServiceState::Running, 1));
        good.stop(LONG).unwrap();
        good.stop(LONG).unwrap();
        assert_eq!((good.state(), good.processes()), (ServiceState::Stopped, vec![]));
    }
    assert_eq!(scm().start_hint(&good.name), format!("net start \"{}\"", good.name));

    // One that is killed counts as stopped, whatever the manager still says.
    good.start().unwrap();
    process::end(&good.processes()[0], &Patience::firm(LONG)).unwrap();
    assert_eq!(good.state(), ServiceState::Stopped);
    good.stop(LONG).unwrap();

    // One that takes its time and says so is given it.
    let slow = Installed::new("slow", &[]);
    slow.start().unwrap();
    slow.stop(SHORT).unwrap();
    assert_eq!(slow.processes(), []);

    // One that fails to start, and one that dies of it.
    for how in ["fails", "dies"] {
        let bad = Installed::new(how, &[]);
        let start = scm().start(&bad.name, &Patience::firm(Duration::from_secs(5)));
        assert!(start.is_err(), "{how}");
        assert_eq!(bad.state(), ServiceState::Stopped, "{how}: {start:?}");
    }

    // One that lingers is stopped, and named.
    let lingers = Installed::new("lingers", &[]);
    lingers.start().unwrap();
    let Err(ServiceError::Lingers { process, .. }) = lingers.stop(SHORT) else { panic!("it lingers") };
    assert_eq!(lingers.processes().iter().map(|p| p.pid).collect::<Vec<_>>(), [process.pid]);
    // Its image is told so that it can be found again by it.
    let under = process.path.parent().unwrap().to_owned();
    let again = process::running(std::slice::from_ref(&process.image), &[under]).unwrap();
    assert!(again.iter().any(|p| (p.pid, p.started) == (process.pid, process.started)), "{again:?}");
    assert!(process::is_there(&process));
    process::end(&process, &Patience::firm(LONG)).unwrap();
    assert!(!process::is_there(&process));
    assert_eq!(lingers.processes(), []);

    // One that takes no STOP.
    let refuses = Installed::new("refuses", &[]);
    refuses.start().unwrap();
    let stop = refuses.stop(LONG);
    assert!(matches!(stop, Err(ServiceError::Manager { verb: Verb::Stop, .. })), "{stop:?}");
    assert_eq!(refuses.state(), ServiceState::Running);
    for process in refuses.processes() {
        process::end(&process, &Patience::firm(LONG)).unwrap();
    }

    // One that ignores what it is told is waited for, and told once only.
    let hangs = Installed::new("hangs", &[]);
    hangs.start().unwrap();
    let stop = hangs.stop(SHORT);
    assert!(matches!(stop, Err(ServiceError::TimedOut { verb: Verb::Stop, .. })), "{stop:?}");
    let called_off = scm().stop(&hangs.name, &Patience::new(LONG, &|| true));
    assert!(matches!(called_off, Err(ServiceError::Cancelled { .. })), "{called_off:?}");
    for process in hangs.processes() {
        process::end(&process, &Patience::firm(LONG)).unwrap();
    }
    assert_eq!(hangs.state(), ServiceState::Stopped);

    // One that may not be started, seen before it is stopped.
    good.start().unwrap();
    good.disable();
    assert!(matches!(scm().state(&good.name), Err(ServiceError::Disabled { .. })));
    good.stop(LONG).unwrap();
    let start = good.start();
    assert!(matches!(start, Err(ServiceError::Disabled { .. })), "{start:?}");
}

/// What the manager keeps of what it needs, as it is kept.
fn kept(service: &Installed) -> [Vec<String>; 2] {
    let machine = winreg::RegKey::predef(winreg::enums::HKEY_LOCAL_MACHINE);
    let key = format!(r"SYSTEM\CurrentControlSet\Services\{}", service.key);
    let key = machine.open_subkey(key).unwrap();
    ["DependOnService", "DependOnGroup"].map(|value| key.get_value(value).unwrap_or_default())
}

#[test]
fn a_service_that_is_held_back_needs_the_recovery_and_gets_its_own_list_back() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let plain = Installed::new("plain", &[]);
    let needy = Installed::new("needy", &[]);
    needy.set_needs("RpcSs\0EventLog\0+TDI\0");
    let names = [plain.name.clone(), "Backout Test Nobody".parse().unwrap(), needy.name.clone()];
    let before = [kept(&plain), kept(&needy)];
    assert_eq!(before[1], [vec!["RpcSs".to_owned(), "EventLog".to_owned()], vec!["TDI".to_owned()]]);

    let needs = scm().needs(&names).unwrap();
    assert_eq!(needs.len(), 2, "one that is not installed needs nothing");
    for _ in 0..2 {
        scm().hold_back(&needs).unwrap();
        assert_eq!(kept(&plain)[0], ["backout-recovery"]);
        let [services, groups] = kept(&needy);
        assert_eq!((services.len(), &groups), (3, &before[1][1]));
        assert!(services.starts_with(&before[1][0]) && services.contains(&"backout-recovery".to_owned()));
    }
    // A run that was never let go of is not what they were installed with.
    assert_eq!(scm().needs(&names).unwrap(), needs);
    for _ in 0..2 {
        scm().let_go(&needs).unwrap();
        assert_eq!([kept(&plain), kept(&needy)], before);
    }

    // What somebody else has made it need meanwhile stays.
    scm().hold_back(&needs).unwrap();
    needy.set_needs("backout-recovery\0Spooler\0");
    scm().let_go(&needs).unwrap();
    assert_eq!(kept(&needy)[0], ["Spooler"]);
    assert_eq!(kept(&plain), before[0]);
}
