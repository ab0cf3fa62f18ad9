#!/usr/bin/env bash
# Usage: boot.sh SCRIPT SECONDS [FILE]...
# Boots systemd, and little else, on a copy of this system that vanishes with it: namespaces of its
# own for mounts, processes, network and control groups, an overlay in memory, nothing of the
# machine's devices or kernel settings that could be changed. Runs the script in there as a service,
# with the files in /given, and prints what it prints. The exit code is the script's; 125: it can't
# be had here.
set -euo pipefail

cannot () {
    echo "$*" >&2
    exit 125
}

# The control groups stay behind, empty.
tidy () {
    mount -t cgroup2 cgroup2 "$work/mnt"
    find "$work/mnt/${work##*/}" -depth -type d -exec rmdir {} + 2>/dev/null || true
    umount "$work/mnt"
    rm -rf "$work"
}

# -- outside: namespaces, and an end in any case ---------------------------------------------------

if [ -z "${ZFERRY_BOOT:-}" ]; then
    [ "$(id -u)" = 0 ] || cannot "not root"
    [ -x /lib/systemd/systemd ] || cannot "no systemd"
    work=$(mktemp -d -t zferry-boot-XXXXXX)
    mkdir "$work/out" "$work/mnt"
    trap tidy EXIT
    script=$(realpath "$1") seconds=$2
    shift 2
    # Killing the first process of a namespace ends all of them.
    ZFERRY_BOOT=group timeout -s KILL "$seconds" \
        unshare --mount --propagation private "$0" "$script" "$work" "$@" >"$work/log" 2>&1 || true
    cat "$work/out/said" 2>/dev/null || true
    if [ ! -e "$work/out/code" ]; then
        tail -20 "$work/log" >&2
        [ -e "$work/out/booted" ] || cannot "it does not boot"
        exit 1
    fi
    exit "$(cat "$work/out/code")"
fi

script=$1 work=$2
shift 2

# -- a control group of its own --------------------------------------------------------------------

if [ "$ZFERRY_BOOT" = group ]; then
    mount -t cgroup2 cgroup2 "$work/mnt"
    group=$work/mnt/${work##*/}
    mkdir "$group"
    echo $$ >"$group/cgroup.procs"
    ZFERRY_BOOT=inside exec unshare --mount --propagation private --pid --net --uts --ipc --cgroup \
        --fork --kill-child "$0" "$script" "$work" "$@"
fi

# -- inside: the copy ------------------------------------------------------------------------------

mount -t tmpfs tmpfs "$work/mnt"
cd "$work/mnt"
mkdir upper over root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=over root
cd root
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm dev/mqueue
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mkdir given
mkdir outside
mount --bind "$work/out" outside
cp "$script" given/script
for file in "$@"; do
    cp "$file" given/
done

# Nothing of what this system starts.
rm -rf etc/systemd/system/*
rm -rf lib/systemd/system/{sysinit,multi-user,basic,sockets,timers}.target.wants
rm -f etc/fstab
ln -s /lib/systemd/system/systemd-journald.service etc/systemd/system/
cat >etc/systemd/system/boot-test.service <<'END'
[Unit]
Wants=systemd-journald.service
After=basic.target systemd-journald.service
[Service]
Type=oneshot
StandardOutput=file:/outside/said
StandardError=inherit
ExecStartPre=/bin/touch /outside/booted
ExecStart=/bin/sh -c 'bash /given/script; echo $? >/outside/code'
ExecStopPost=/bin/systemctl --force --force poweroff
END
cat >etc/systemd/system/boot-test.target <<'END'
[Unit]
Requires=basic.target
Wants=boot-test.service
AllowIsolate=yes
END

mkdir old
pivot_root . old
umount -l /old
exec env -i container=docker PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=boot-test.target --log-target=console --show-status=0
