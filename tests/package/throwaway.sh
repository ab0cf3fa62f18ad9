#!/usr/bin/env bash
# Usage: throwaway.sh COMMAND [FILE]...
# Runs the command on a copy of this system that vanishes with it: a mount namespace with an overlay
# in memory. The files are in /given there, as is the command, if it is one.
set -euo pipefail

if [ "${ZFERRY_THROWAWAY:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || { echo "not root" >&2; exit 1; }
    work=$(mktemp -d)
    trap 'rmdir "$work"' EXIT
    ZFERRY_THROWAWAY=inside ZFERRY_WORK=$work unshare --mount --propagation private "$0" "$@"
    exit
fi

mount -t tmpfs tmpfs "$ZFERRY_WORK"
cd "$ZFERRY_WORK"
mkdir upper work root
mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root
mount --rbind /dev root/dev
mount --bind /proc root/proc
mount -t tmpfs tmpfs root/tmp
mkdir root/given
command=$1
arguments=()
for file in "$@"; do
    [ -f "$file" ] || continue
    cp "$file" root/given/
    [ "$file" = "$command" ] || arguments+=("/given/${file##*/}")
done
[ ! -f "$command" ] || command=/given/${command##*/}
exec env -u ZFERRY_THROWAWAY -u ZFERRY_WORK chroot root "$command" "${arguments[@]}"
