#!/usr/bin/env bash
# Usage: installed.sh OLD.deb NEW.deb
# As root of a system that may be spoilt: installs, upgrades, removes and purges the package, and
# looks at what that does to journals.
set -euo pipefail
old=$1 new=$2
spool=/var/lib/zferry/orders
endpoint=ipc:///tmp/zferry-test
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

fail () {
    echo "$*" >&2
    exit 1
}

# with_broker COMMAND...: while a broker has the journal, as the user that the service runs as.
with_broker () {
    local broker ready=/tmp/ready
    rm -f "$ready"
    mkfifo "$ready"
    setpriv --reuid zferry --regid zferry --clear-groups \
        zferry broker --bind "$endpoint" --journal "$spool" 2>"$ready" &
    broker=$!
    exec 3<"$ready"
    grep -qm1 'listening on' <&3 || fail "the broker did not start"
    "$@"
    kill -KILL "$broker"
    wait "$broker" 2>/dev/null || true
    exec 3<&-
}

post () {
    zferry post orders "$1" --connect "$endpoint" --quiet
}

length () {
    zferry queue info orders --connect "$endpoint" --json | jq .length
}

expect_length () {
    local there
    there=$(length)
    [ "$there" = "$1" ] || fail "$there records are there, not $1: $2"
}

rm -f /var/lib/man-db/auto-update # indexing all manuals of the system takes long
dpkg -i "$old"
id zferry >/dev/null || fail "no user"
[ "$(stat -c '%U:%G %a' /var/lib/zferry)" = 'zferry:zferry 750' ] ||
    fail "/var/lib/zferry: $(stat /var/lib/zferry)"
with_broker post one

sed 's/example/mine/' /etc/zferry/example.yaml >/etc/zferry/mine.yaml
echo '# mine' >>/etc/zferry/example.yaml
dpkg -i "$new"
zferry version >/dev/null
grep -q '# mine' /etc/zferry/example.yaml || fail "the upgrade has changed a file of mine"
with_broker expect_length 1 'after the upgrade'
with_broker post two

dpkg -r zferry
[ ! -e /usr/bin/zferry ] || fail "it is still there"
[ -d $spool ] || fail "removing it has removed the journals"
dpkg -i "$new"
with_broker expect_length 2 'after removal and installation'

dpkg -P zferry 2>&1 | tee /tmp/purge
grep -q 'journals are left in /var/lib/zferry' /tmp/purge ||
    fail "the purge does not tell of the journals"
[ -e $spool ] || fail "the purge has removed the journals"
[ ! -e /etc/zferry/example.yaml ] || fail "the purge has left the conffile"
[ -e /etc/zferry/mine.yaml ] || fail "the purge has removed a file of mine"

rm -r /var/lib/zferry
dpkg -i "$new"
dpkg -P zferry
[ ! -e /var/lib/zferry ] || fail "the purge has left an empty folder"
echo "all is well"
