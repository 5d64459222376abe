#!/bin/sh
# The power of one host: supervise.sh DIRECTORY. Ends when the host is off.
# DIRECTORY/supervise.conf sets NAME NAMESPACE SWITCH CGROUPS; DIRECTORY/ports has a line "interface bridge address" for
# each port; DIRECTORY/nspawn the arguments of systemd-nspawn and DIRECTORY/companion those of a command that runs in the
# host's network while the host is on, one a line; DIRECTORY/partitioned exists while its ports are unplugged.
set -u
directory=$1
. "$directory/supervise.conf"

# 0 means the writer, which in a background function is not $$.
enter_cgroup() {
    for group in $CGROUPS; do
        mkdir -p "$group$1"
        echo 0 > "$group$1/cgroup.procs"
    done
}

peer_of() { echo "${NAME#node-}-$1"; }

plug_all() {
    ip netns add "$NAMESPACE"
    ip -n "$NAMESPACE" link set lo up
    while read -r interface bridge address; do
        ip link add "$interface" netns "$NAMESPACE" address "$address" type veth peer name "$(peer_of "$interface")" netns "$SWITCH"
        [ -e "$directory/partitioned" ] || ip -n "$SWITCH" link set "$(peer_of "$interface")" master "$bridge"
        ip -n "$SWITCH" link set "$(peer_of "$interface")" up
    done < "$directory/ports"
}

# The ports go first: a namespace lives on as long as anything still holds it, and would go on answering.
unplug_all() {
    while read -r interface bridge address; do
        ip -n "$SWITCH" link del "$(peer_of "$interface")" 2>/dev/null
    done < "$directory/ports"
    ip netns del "$NAMESPACE"
}

# Reads the arguments of a command from a file into "$@" and runs it.
run_file() {
    file=$1
    shift
    while IFS= read -r argument; do
        set -- "$@" "$argument"
    done < "$file"
    exec "$@" < /dev/null
}

companion() {
    enter_cgroup .companion
    until (run_file "$directory/companion" nsenter "--net=/run/netns/$NAMESPACE"); do
        sleep 1
    done >> "$directory/companion.log" 2>&1
}

stop_companion() {
    for group in $CGROUPS; do
        [ ! -e "$group.companion/cgroup.procs" ] || xargs -r kill -KILL < "$group.companion/cgroup.procs" 2>/dev/null
    done
}

echo $$ > "$directory/supervisor.pid"
code=133
while [ "$code" = 133 ]; do
    enter_cgroup ""
    plug_all
    if [ -e "$directory/companion" ]; then
        companion &
    fi
    # From within the namespace, because the host's /sys shows the network of whoever mounts it.
    # A controller sets net.ipv4.* in itself and in its own namespaces; else /proc/sys is read-only.
    (export SYSTEMD_NSPAWN_API_VFS_WRITABLE=network; run_file "$directory/nspawn" nsenter "--net=/run/netns/$NAMESPACE" systemd-nspawn) &
    echo $! > "$directory/nspawn.pid"
    wait $!
    code=$?
    stop_companion
    unplug_all
done
rm -f "$directory/nspawn.pid" "$directory/supervisor.pid"
exit "$code"
