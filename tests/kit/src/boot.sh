#!/bin/sh
# boot.sh FOLDER NAME BOOT_ID [SHARED...]: becomes a systemd that is process 1 of namespaces of its own.
#
# HAZARD: a systemd of the machine's own units empties /tmp and writes to /run, /etc and /var. Nothing of the machine
# is therefore left in sight but /usr (read-only) and the shared folders, and no unit of the distribution but a few
# targets. /proc/sys is read-only, as some of it belongs to the whole machine.
set -e
folder=$1 name=$2 boot_id=$3
if [ "${BOOT_STAGE-}" = "" ]; then
    # Already in a mount namespace. A control group of our own becomes the root of what systemd sees.
    mount --make-rprivate /
    mkdir -p "$folder/cgroup"
    mount -t cgroup2 cgroup2 "$folder/cgroup"
    mkdir -p "$folder/cgroup/$name"
    echo $$ >"$folder/cgroup/$name/cgroup.procs"
    umount "$folder/cgroup"
    BOOT_STAGE=2 exec unshare --cgroup --pid --fork --kill-child -- "$0" "$@"
fi
shift 3
# systemd's log: a pipe stands where the kernel's log would.
kmsg=$folder/kmsg
[ -e "$kmsg" ] || mkfifo "$kmsg"
cat <>"$kmsg" >>"$folder/console" &
root=$folder/root
mkdir -p "$root"
mount -t tmpfs -o mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr etc var/tmp var/lib var/log run tmp proc sys dev old
mount --bind /usr usr
mount -o remount,bind,ro usr
for link in bin sbin lib lib32 lib64; do
    [ -e "/$link" ] && ln -s "usr/$link" "$link"
done
mount --bind "$folder/etc" etc
for hidden in usr/lib/systemd/system-generators usr/lib/systemd/system-environment-generators usr/lib/systemd/system-preset; do
    [ -d "$hidden" ] && mount -t tmpfs -o mode=755 tmpfs "$hidden"
done
mount --bind "$folder/targets" usr/lib/systemd/system
[ ! -d usr/local/lib/systemd/system ] || mount -t tmpfs tmpfs usr/local/lib/systemd/system
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
echo "$boot_id" >run/boot_id
touch var/boot_id
echo "$boot_id" >var/boot_id
mount --bind var/boot_id proc/sys/kernel/random/boot_id
mount -t tmpfs -o mode=755 tmpfs sys
mkdir -p sys/fs/cgroup
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do
    touch "dev/$node"
    mount --bind "/dev/$node" "dev/$node"
done
touch dev/kmsg
mount --bind "$kmsg" dev/kmsg
ln -s /proc/self/fd dev/fd
mkdir -p dev/shm dev/pts
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
for shared in "$@"; do
    flags=rw
    case $shared in ro:*) flags=ro shared=${shared#ro:} ;; esac
    mkdir -p "./$shared"
    mount --bind "$shared" "./$shared"
    mount -o "remount,bind,$flags" "./$shared"
done
pivot_root . old
cd /
umount -l /old
rmdir /old
exec setpriv --bounding-set=-sys_time,-sys_module,-sys_boot -- \
    env -i PATH=/usr/bin:/usr/sbin container=backout-kit \
    /usr/lib/systemd/systemd --system --unit=multi-user.target --log-target=kmsg --show-status=no --log-level=info
