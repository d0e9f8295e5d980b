//! `ctl VERB NAME`: a service of a real process that commands start, stop and ask, where there is no shell script.
//!
//! `ctl hold FILE` has a file open until it is ended, `ctl close-off FILE` so that nobody else can read it.
//!
//! The services' folders and the log lie beside this program. Files `NAME.refuse-stop`, `NAME.ignore-stop`,
//! `NAME.refuse-start`, `NAME.die` and `NAME.nonsense` make a service misbehave; `NAME.kills-VERB` ends whoever calls for the
//! verb, once, and `NAME.waits-VERB` makes it say `NAME.waiting` and wait for `NAME.go`.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "what a command says is told to whoever asked for it; the service is told by files"
)]

use backout_demo::service::{self, LOG, Status};
use backout_kit::process;
use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::Path,
    process::ExitCode,
    time::Duration,
};

const NO_SUCH_VERB: u8 = 64;

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod held;

fn main() -> io::Result<ExitCode> {
    let program = env::current_exe()?;
    let (Some(dir), Some(verb), Some(name)) = (program.parent(), env::args().nth(1), env::args().nth(2))
    else {
        return Ok(NO_SUCH_VERB.into());
    };
    if verb == "hold" || verb == "close-off" {
        let _held = held::open(Path::new(&name), verb == "hold")?;
        println!("held");
        loop {
            std::thread::park();
        }
    }
    let (folder, is) = (dir.join(&name), |fault: &str| dir.join(format!("{name}.{fault}")).exists());
    let told = |said: &str, code: u8| {
        println!("{said}");
        note(dir, &format!("{verb} {name}")).map(|()| code.into())
    };
    let once = |what: &str| fs::remove_file(dir.join(format!("{name}.{what}-{verb}"))).is_ok();
    if once("kills") {
        process::kill(process::parent().ok_or(io::ErrorKind::NotFound)?);
    }
    if once("waits") {
        File::create(dir.join(format!("{name}.waiting")))?;
        while is("waiting") && !is("go") {
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
    match verb.as_str() {
        "status" if is("nonsense") => Ok(7.into()),
        "status" => Ok(service::status(&folder)?.exit_code().into()),
        "start" if is("refuse-start") => told("cannot start", 1),
        "start" => {
            let run = [program.clone().into_os_string(), "run".into(), name.clone().into()];
            service::start(&folder, &run)?;
            while is("die") && service::status(&folder)? == Status::Running {
                File::create(folder.join("stop"))?;
                std::thread::yield_now();
            }
            Ok(ExitCode::SUCCESS)
        }
        "stop" if is("refuse-stop") => told("will not stop", 1),
        "stop" if is("ignore-stop") => told("as you say", 0),
        "stop" => service::stop(&folder).map(|()| ExitCode::SUCCESS),
        "run" => service::run(&folder, &[]).map(|()| ExitCode::SUCCESS),
        _ => Ok(NO_SUCH_VERB.into()),
    }
}

fn note(dir: &Path, line: &str) -> io::Result<()> {
    let mut log = File::options().append(true).create(true).open(dir.join(LOG))?;
    log.write_all(format!("{line}\n").as_bytes())
}
