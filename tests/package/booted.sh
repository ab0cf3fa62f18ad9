#!/usr/bin/env bash
# Under a systemd that boot.sh has started: installs the package and uses the service as a person
# would.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
endpoint=tcp://127.0.0.1:5555

fail () {
    echo "$*"
    systemctl status zferry@orders --no-pager -l | head -12 || true
    journalctl --no-pager -u zferry@orders -o cat | tail -40 || true
    exit 1
}

property () {
    systemctl show -p "$1" --value zferry@orders
}

# orders FIGURE: of the queue.
orders () {
    zferry queue info orders --connect $endpoint --json | jq ".$1"
}

# until_is PROPERTY VALUE: waits, half a minute at most.
until_is () {
    local i
    for ((i = 0; i < 300; i++)); do
        [ "$(property "$1")" != "$2" ] || return 0
        sleep 0.1 # polling with a deadline
    done
    fail "$1 is $(property "$1"), not $2"
}

ip link set lo up
rm -f /var/lib/man-db/auto-update # indexing all manuals takes long
dpkg -i /given/zferry_*.deb
cp /etc/zferry/example.yaml /etc/zferry/orders.yaml
mkdir -p /etc/systemd/system/zferry@.service.d
printf '[Service]\nWatchdogSec=2s\n' >/etc/systemd/system/zferry@.service.d/test.conf
systemctl daemon-reload

echo "-- it starts, in its sandbox, and is there when systemctl says so"
systemctl start zferry@orders || fail "it does not start"
zferry post orders one --connect $endpoint
pid=$(property MainPID)
grep -q '^Seccomp:	2' "/proc/$pid/status" || fail "no filter of system calls"
grep -q '^CapBnd:	0000000000000000' "/proc/$pid/status" || fail "it has capabilities"
[ "$(ps -o user= -p "$pid")" = zferry ] || fail "it runs as $(ps -o user= -p "$pid")"

echo "-- it reloads"
sed -i 's/max_attempts: 5/max_attempts: 7/' /etc/zferry/orders.yaml
systemctl reload zferry@orders
for ((i = 0; i < 300; i++)); do
    [ "$(orders max_attempts)" != 7 ] || break
    sleep 0.1 # polling with a deadline
done
[ "$i" -lt 300 ] || fail "the reload has changed nothing"
[ "$(property MainPID)" = "$pid" ] || fail "the reload has started it again"

echo "-- systemd ends it when it hangs, and starts it again"
kill -STOP "$pid"
until_is NRestarts 1
until_is ActiveState active
[ "$(orders length)" = 1 ] || fail "a record is lost"

echo "-- an upgrade starts it again"
pid=$(property MainPID)
dpkg -i /given/zferry_*.deb
until_is ActiveState active
[ "$(property MainPID)" != "$pid" ] || fail "the upgrade has left the old program running"
[ "$(orders length)" = 1 ] || fail "a record is lost"

echo "-- a file with a mistake does not start, and says why"
echo 'mistake: 1' >/etc/zferry/wrong.yaml
! systemctl start zferry@wrong 2>/dev/null || fail "it has started"
journalctl --no-pager -u zferry@wrong -o cat | grep -q "wrong.yaml:1:1: 'mistake'" ||
    fail "nothing was said"

echo "-- removing it stops it"
dpkg -r zferry
until_is ActiveState inactive
[ "$(property Result)" = success ] || fail "it has ended badly: $(property Result)"
[ -d /var/lib/zferry/orders ] || fail "the journal is gone"
echo "all is well"
