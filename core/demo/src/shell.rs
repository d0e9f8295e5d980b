//! Services made of one POSIX shell script, for tests that want a [`CommandSet`] and real processes.

use crate::service::LOG;
use backout_protocol::{ServiceName, site::CommandSet};
use std::{fs, io, path::Path};

/// Writes `ctl` into `dir`, which must be absolute, and gives the commands that make it start, stop and ask for the
/// service `name`. Services of one `dir` share its log: a line `start NAME` or `stop NAME` each time one is told to,
/// whether or not it does anything then; read it with [`crate::service::log`].
///
/// The service ends by itself, a second later at most, when `dir` is gone.
pub fn write_shell_service(dir: &Path, name: &ServiceName) -> io::Result<CommandSet> {
    fs::create_dir_all(dir)?;
    let script = dir.join("ctl");
    fs::write(&script, CTL.replace("@LOG@", LOG))?;
    let script = script.into_os_string().into_string().map_err(|_| io::ErrorKind::InvalidFilename)?;
    let command =
        |verb: &str| ["/bin/sh", &script, verb, &key(name), name.as_str()].map(str::to_owned).to_vec();
    Ok(CommandSet { start: command("start"), stop: command("stop"), status: command("status") })
}

/// A file name for any service name: letters and digits stay, every other byte is written `_XX`.
fn key(name: &ServiceName) -> String {
    let byte = |b: u8| if b.is_ascii_alphanumeric() { (b as char).to_string() } else { format!("_{b:02x}") };
    name.as_str().bytes().map(byte).collect()
}

const CTL: &str = r#"#!/bin/sh
# Controls a throw-away service: ctl start|stop|status|hold KEY NAME. Exits as an init script does.
set -eu
dir=${0%/*} verb=$1 key=$2 name=$3
pid_file=$dir/$key.pid

# Whether the process in the pid file is ours: its number may be another process's by now.
running() {
    pid=
    [ -r "$pid_file" ] && read -r pid <"$pid_file" || return 1
    [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null || return 1
    [ -d /proc/self ] || return 0
    case $(tr '\0' '/' 2>/dev/null <"/proc/$pid/cmdline") in
    *"$0/hold/$key/"*) return 0 ;;
    *) return 1 ;;
    esac
}

case $verb in
start)
    echo "start $name" >>"$dir/@LOG@"
    if running; then exit 0; fi
    /bin/sh "$0" hold "$key" "$name" </dev/null >/dev/null 2>&1 &
    echo "$!" >"$pid_file.new"
    mv -f "$pid_file.new" "$pid_file"
    ;;
stop)
    echo "stop $name" >>"$dir/@LOG@"
    if running; then
        kill "$pid" 2>/dev/null || :
        while running; do sleep 0.02 2>/dev/null || sleep 1; done
    fi
    rm -f "$pid_file"
    ;;
status)
    if running; then exit 0; else exit 3; fi
    ;;
hold)
    while [ -d "$dir" ]; do sleep 1; done
    ;;
*)
    echo "ctl: no such verb: $verb" >&2
    exit 2
    ;;
esac
"#;
