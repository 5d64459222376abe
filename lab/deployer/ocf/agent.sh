# Shared by Fuel's agents of this lab; sourced. An agent sets SUMMARY and PARAMETERS (lines "name|default|meaning"), defines
# agent_start, agent_stop and agent_monitor, agent_promote and agent_demote where it has a master, and calls dispatch "$1".

OCF_SUCCESS=0
OCF_ERR_GENERIC=1
OCF_ERR_UNIMPLEMENTED=3
OCF_NOT_RUNNING=7
OCF_RUNNING_MASTER=8

AGENT=${0##*/}
INSTANCE=${OCF_RESOURCE_INSTANCE:-$AGENT}
STATE=/run/fuel-agents/${INSTANCE%%:*}
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

say() {
    echo "$AGENT: $*" >&2
}

# Defaults of PARAMETERS for what the cluster does not set.
take_defaults() {
    while IFS='|' read -r name default _; do
        [ -n "$name" ] || continue
        eval "OCF_RESKEY_$name=\${OCF_RESKEY_$name:-\$default}"
    done <<END
$PARAMETERS
END
}

# wait_for SECONDS COMMAND...: run the command every half second until it succeeds; 1 when it does not in time.
wait_for() {
    tries=$(($1 * 2))
    shift
    while ! "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.5
    done
}

print_parameters() {
    while IFS='|' read -r name default meaning; do
        [ -n "$name" ] || continue
        printf '<parameter name="%s"><longdesc lang="en">%s</longdesc><shortdesc lang="en">%s</shortdesc>' "$name" "$meaning" "$meaning"
        printf '<content type="string" default="%s"/></parameter>\n' "$default"
    done <<END
$PARAMETERS
END
}

print_actions() {
    printf '<action name="start" timeout="30"/><action name="stop" timeout="30"/><action name="monitor" timeout="10" interval="20"/>\n'
    if command -v agent_promote >/dev/null; then
        printf '<action name="promote" timeout="30"/><action name="demote" timeout="30"/><action name="notify" timeout="30"/>\n'
        printf '<action name="monitor" timeout="10" interval="21" role="Master"/>\n'
    fi
    if command -v agent_reload >/dev/null; then
        printf '<action name="reload" timeout="30"/>\n'
    fi
    printf '<action name="meta-data" timeout="5"/><action name="validate-all" timeout="5"/>\n'
}

print_metadata() {
    printf '<?xml version="1.0"?>\n<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">\n'
    printf '<resource-agent name="%s" version="1.0"><version>1.0</version>\n' "$AGENT"
    printf '<longdesc lang="en">%s</longdesc><shortdesc lang="en">%s</shortdesc>\n' "$SUMMARY" "$SUMMARY"
    printf '<parameters>\n%s\n</parameters>\n<actions>\n%s\n</actions>\n</resource-agent>\n' "$(print_parameters)" "$(print_actions)"
}

dispatch() {
    take_defaults
    mkdir -p "${STATE%/*}"
    case $1 in
    meta-data) print_metadata ;;
    start | stop | monitor) "agent_$1" ;;
    status) agent_monitor ;;
    promote | demote | reload)
        command -v "agent_$1" >/dev/null || exit $OCF_ERR_UNIMPLEMENTED
        "agent_$1"
        ;;
    notify | validate-all) exit $OCF_SUCCESS ;;
    *)
        say "unknown action '$1'"
        exit $OCF_ERR_UNIMPLEMENTED
        ;;
    esac
    exit $?
}

# ---- agents that are thin over a unit of systemd: they set UNIT

unit_start() {
    systemctl start "$UNIT" || return $OCF_ERR_GENERIC
}

unit_stop() {
    systemctl stop "$UNIT" || return $OCF_ERR_GENERIC
    systemctl reset-failed "$UNIT" 2>/dev/null
    return $OCF_SUCCESS
}

unit_monitor() {
    case $(systemctl is-active "$UNIT") in
    active | reloading | activating) return $OCF_SUCCESS ;;
    *) return $OCF_NOT_RUNNING ;;
    esac
}

# ---- agents with a master: which instance it is, kept in a file of the running system

master_monitor() {
    [ -e "$STATE.master" ] && return $OCF_RUNNING_MASTER
    return $OCF_SUCCESS
}

master_promote() {
    : >"$STATE.master"
}

master_demote() {
    rm -f "$STATE.master"
}

# master_score NUMBER: how gladly this node would be the master; nothing for not at all. Said by every monitor, since a
# restart of the cluster alone forgets it.
master_score() {
    if [ -n "${1:-}" ]; then
        crm_master -Q -l reboot -v "$1"
    else
        crm_master -Q -l reboot -D
    fi >/dev/null 2>&1
}

# ---- network namespaces

# ensure_namespace NAME
ensure_namespace() {
    ip netns pids "$1" >/dev/null 2>&1 || ip netns add "$1" 2>/dev/null || [ -e "/run/netns/$1" ] || return 1
    ip -n "$1" link set lo up
}

# ensure_pair BRIDGE_SIDE NAMESPACE NAMESPACE_SIDE: a pair of devices between the host and the namespace
ensure_pair() {
    [ -e "/sys/class/net/$1" ] || ip link add "$1" type veth peer name "$3" netns "$2" || return 1
    ip link set "$1" up
    ip -n "$2" link set "$3" up
}
