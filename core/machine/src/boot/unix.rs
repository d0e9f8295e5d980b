//! Linux: the kernel names each boot.

pub(super) fn boot_id() -> std::io::Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

pub(super) fn since_boot() -> std::io::Result<std::time::Duration> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    std::time::Duration::try_from(now).map_err(|_| std::io::ErrorKind::InvalidData.into())
}

pub(super) fn effective_uid() -> Option<u32> {
    Some(rustix::process::geteuid().as_raw())
}

pub(super) fn is_root() -> bool {
    effective_uid() == Some(0)
}
