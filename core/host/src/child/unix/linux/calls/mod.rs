//! System calls, by seccomp: those that read, and those that a process needs for itself. What changes something is refused
//! as forbidden, so that a plugin's author is told why; whatever else there is, or comes with a later kernel, is not there.

mod table;

use super::files::Files;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Cmp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use std::{collections::BTreeMap, io};
use table::{ALLOWED, ALLOWED_IF, ALLOWED_OLD, REFUSED, REFUSED_OLD};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

const ENOSYS: u32 = libc::ENOSYS.cast_unsigned();
const EPERM: u32 = libc::EPERM.cast_unsigned();

/// From now on only these are there, for this process and what it starts.
pub(super) fn read_only(files: Files) -> io::Result<()> {
    let applied = || {
        let refusing = filter(refused(files)?, SeccompAction::Allow, SeccompAction::Errno(EPERM))?;
        let known = filter(known(), SeccompAction::Errno(ENOSYS), SeccompAction::Allow)?;
        apply_filter(&refusing)?;
        apply_filter(&known)
    };
    match applied() {
        Ok(()) => Ok(()),
        Err(seccompiler::Error::Seccomp(e))
            if [Some(libc::EINVAL), Some(libc::ENOSYS)].contains(&e.raw_os_error()) =>
        {
            log::info!("this kernel has no seccomp filters: a plugin's calls are not limited while it plans");
            Ok(())
        }
        Err(e) => Err(io::Error::other(e)),
    }
}

fn filter(
    rules: Rules,
    otherwise: SeccompAction,
    matched: SeccompAction,
) -> Result<BpfProgram, seccompiler::Error> {
    let arch: TargetArch = std::env::consts::ARCH.try_into()?;
    Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
}

/// What there is.
fn known() -> Rules {
    let tables = [ALLOWED, ALLOWED_OLD, ALLOWED_IF, REFUSED, REFUSED_OLD];
    tables.into_iter().flatten().map(|nr| (*nr, Vec::new())).collect()
}

/// What of it is forbidden, and under which conditions.
fn refused(files: Files) -> Result<Rules, seccompiler::Error> {
    let mut rules: Rules = REFUSED.iter().chain(REFUSED_OLD).map(|nr| (*nr, Vec::new())).collect();
    // Signals to others than itself, which is who `abort` sends one to.
    let us = std::process::id();
    rules.insert(libc::SYS_kill, vec![none_of(0, &[us.into()])?]);
    rules.insert(libc::SYS_tgkill, vec![none_of(0, &[us.into()])?]);
    // The limits of others.
    rules.insert(libc::SYS_prlimit64, vec![none_of(0, &[0, us.into()])?]);
    rules.insert(libc::SYS_ioctl, vec![none_of(1, &IOCTLS)?]);
    rules.insert(libc::SYS_fcntl, vec![none_of(1, &FCNTLS.map(flags))?]);
    rules.insert(libc::SYS_prctl, vec![none_of(0, &PRCTLS.map(flags))?]);
    // Processes in namespaces of their own: there they would be root again.
    rules.insert(
        libc::SYS_clone,
        NAMESPACES.iter().map(|space| with(0, *space, *space)).collect::<Result<_, _>>()?,
    );
    for (call, argument) in OPENS {
        // For reading, and cut short at once: the older Landlock lets that pass.
        let mut rows = vec![with(argument, libc::O_ACCMODE | libc::O_TRUNC, libc::O_TRUNC)?];
        if files == Files::Open {
            rows.push(with(argument, libc::O_ACCMODE, libc::O_WRONLY)?);
            rows.push(with(argument, libc::O_ACCMODE, libc::O_RDWR)?);
            rows.push(with(argument, libc::O_CREAT, libc::O_CREAT)?);
        }
        rules.insert(call, rows);
    }
    Ok(rules)
}

fn flags(bits: i32) -> u64 {
    bits.cast_unsigned().into()
}

/// An argument whose bits under a mask are these.
fn with(argument: u8, mask: i32, bits: i32) -> Result<SeccompRule, seccompiler::Error> {
    let condition = SeccompCondition::new(argument, Len::Dword, Cmp::MaskedEq(flags(mask)), flags(bits))?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// An argument that is none of these values.
fn none_of(argument: u8, values: &[u64]) -> Result<SeccompRule, seccompiler::Error> {
    let other = |value: &u64| SeccompCondition::new(argument, Len::Dword, Cmp::Ne, *value);
    Ok(SeccompRule::new(values.iter().map(other).collect::<Result<_, _>>()?)?)
}

/// What opens a file, and where its flags are.
#[cfg(target_arch = "x86_64")]
const OPENS: [(i64, u8); 2] = [(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
const OPENS: [(i64, u8); 1] = [(libc::SYS_openat, 2)];

const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];

/// What is asked of terminals, pipes and descriptors. Others set a file's attributes.
const IOCTLS: [u64; 7] = [
    libc::TCGETS,
    libc::TIOCGWINSZ,
    libc::TIOCGPGRP,
    libc::FIONREAD,
    libc::FIONBIO,
    libc::FIOCLEX,
    libc::FIONCLEX,
];

/// No locks: others would wait for them.
const FCNTLS: [i32; 8] = [
    libc::F_DUPFD,
    libc::F_DUPFD_CLOEXEC,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_SETFL,
    libc::F_GETPIPE_SZ,
    libc::F_GET_SEALS,
];

/// Not the signal by which it ends with its keeper.
const PRCTLS: [i32; 9] = [
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_SET_VMA,
    libc::PR_GET_DUMPABLE,
    libc::PR_GET_SECCOMP,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_CAPBSET_READ,
    libc::PR_GET_PDEATHSIG,
    libc::PR_SET_NO_NEW_PRIVS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs::File, thread};

    #[test]
    fn without_landlock_the_calls_alone_keep_files_from_being_written() {
        let dir = tempfile::tempdir().unwrap();
        let (there, new) = (dir.path().join("there"), dir.path().join("new"));
        drop(File::create_new(&there).unwrap());
        // A filter is one thread's.
        let tried = thread::scope(|scope| {
            let limited = scope.spawn(|| {
                read_only(Files::Open).unwrap();
                let write = rustix::fs::OFlags::WRONLY;
                let open = |path, flags| rustix::fs::open(path, flags, rustix::fs::Mode::RWXU).map(drop);
                let making = open(&new, rustix::fs::OFlags::CREATE);
                [
                    open(&there, write),
                    making,
                    open(&there, rustix::fs::OFlags::TRUNC),
                    open(&there, rustix::fs::OFlags::RDONLY),
                ]
            });
            limited.join().unwrap()
        });
        let forbidden = Err(rustix::io::Errno::PERM);
        assert_eq!(tried, [forbidden, forbidden, forbidden, Ok(())]);
        assert!(!new.exists());
    }

    #[test]
    fn no_call_is_both_allowed_and_refused() {
        let allowed = [ALLOWED, ALLOWED_OLD, ALLOWED_IF].concat();
        let both: Vec<&i64> =
            allowed.iter().filter(|nr| [REFUSED, REFUSED_OLD].concat().contains(nr)).collect();
        assert!(both.is_empty(), "{both:?}");
    }
}
