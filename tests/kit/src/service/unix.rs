//! A POSIX shell script.

use super::Services;
use crate::place;
use std::{fs, path::Path, process::Command};

pub(super) const NAME: &str = "ctl";
pub(super) const LOG: &str = "log";

/// `NAME.pid` holds the process.
const CTL: &str = r#"#!/bin/sh
dir=${0%/*}
verb=$1
name=$2
# When a process that runs was started, in $born: numbers of processes come again.
born() {
  born=
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${line##*) }
  case $1 in Z | X) return 1 ;; esac
  shift 19
  born=$1
}
alive() {
  p= then=
  { read -r p then <"$dir/$name.pid"; } 2>/dev/null
  [ -n "$p" ] && born "$p" && [ "$born" = "$then" ]
}
[ -e "$dir/fails" ] && {
  read -r first last <"$dir/fails"
  echo "$((first - 1)) $((last - 1))" >"$dir/fails"
  [ "$first" -le 1 ] && [ "$last" -ge 1 ] && { echo "out of order"; exit 1; }
}
[ -e "$dir/$name.kills-$verb" ] && { rm -f "$dir/$name.kills-$verb"; kill -KILL $PPID; }
[ -e "$dir/$name.waits-$verb" ] && {
  mv "$dir/$name.waits-$verb" "$dir/$name.waiting"
  while [ -e "$dir/$name.waiting" ] && [ ! -e "$dir/$name.go" ]; do sleep 0.01; done
}
case $verb in
status)
  [ -e "$dir/$name.nonsense" ] && exit 7
  alive && exit 0
  exit 3 ;;
start)
  echo "start $name" >>"$dir/log"
  [ -e "$dir/$name.hook-start" ] && . "$dir/$name.hook-start"
  [ -e "$dir/$name.refuse-start" ] && { echo "cannot start"; exit 1; }
  alive && exit 0
  image="$dir/holder"
  [ -e "$dir/$name.image" ] && image=$(cat "$dir/$name.image")
  if [ -e "$dir/$name.die" ]; then
    "$image" 0.2 </dev/null >/dev/null 2>&1 &
  else
    "$image" 100000 </dev/null >/dev/null 2>&1 &
  fi
  p=$!
  born "$p"
  echo "$p $born" >"$dir/$name.pid"
  exit 0 ;;
stop)
  echo "stop $name" >>"$dir/log"
  [ -e "$dir/$name.hook-stop" ] && . "$dir/$name.hook-stop"
  [ -e "$dir/$name.refuse-stop" ] && { echo "will not stop"; exit 1; }
  [ -e "$dir/$name.ignore-stop" ] && exit 0
  alive && kill "$p" 2>/dev/null
  n=0
  while alive && [ $n -lt 6500 ]; do
    n=$((n + 1))
    [ $n -le 500 ] || sleep 0.01
  done
  alive && exit 1
  exit 0 ;;
esac
exit 64
"#;

pub(super) fn install(dir: &Path) {
    place::script(CTL, &dir.join(NAME));
    // The service process: a copy, so that its image is this world's own.
    place::program(Path::new("/bin/sleep"), &dir.join("holder"));
}

impl Services {
    /// The calls from this on to that one fail, whatever they ask, counted from 1 over all services.
    pub fn fail(&self, calls: std::ops::RangeInclusive<u32>) {
        fs::write(self.dir.join("fails"), format!("{} {}\n", calls.start(), calls.end())).unwrap();
    }

    /// No call fails any more. Gives how many calls there were since [`Services::fail`], if it was given this beginning.
    pub fn mended(&self, first: u32) -> i64 {
        let file = self.dir.join("fails");
        let left = fs::read_to_string(&file).unwrap();
        fs::remove_file(file).unwrap();
        i64::from(first) - left.split_whitespace().next().unwrap().parse::<i64>().unwrap()
    }

    /// Runs shell lines inside the next `start` or `stop` of a service.
    pub fn hook(&self, name: &str, verb: &str, lines: &str) {
        fs::write(self.dir.join(format!("{name}.hook-{verb}")), lines).unwrap();
    }
}

/// Ends what still runs of them.
pub(super) fn end(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        if entry.path().extension().is_some_and(|e| e == "pid") {
            let pid = fs::read_to_string(entry.path()).unwrap_or_default();
            let pid = pid.split_whitespace().next().unwrap_or_default();
            let image = fs::read_link(Path::new("/proc").join(pid).join("exe")).unwrap_or_default();
            // Its number may be another's by now; a process of this world runs from its folder.
            if dir.parent().is_some_and(|world| image.starts_with(world)) {
                let _ = Command::new("/bin/kill").args(["-9", pid]).output();
            }
        }
    }
}
