#!/bin/sh
# Makes the tree of the lab's hosts. Run in mount and PID namespaces of its own, so that what it mounts ends with it.
# image.sh TARGET MIRROR LAB UV: TARGET an empty directory, LAB this directory, UV the program of that name.
# Standard input: the lines of the image's sources.list.
set -eu
target=$1 mirror=$2 lab=$3 uv=$4
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
say() { echo "image: $*" >&2; }
inside() { chroot "$target" "$@"; }

say "base system"
debootstrap --variant=minbase bookworm "$target" "$mirror" >&2
cat > "$target/etc/apt/sources.list"
cp -a "$lab/imagefiles/." "$target/"
cp -L /etc/resolv.conf "$target/etc/resolv.conf"
mount -t proc proc "$target/proc"
mount --bind /dev "$target/dev"

say "packages"
inside apt-get update -q >&2
inside apt-get install -y -q --no-install-recommends $(sed 's/#.*//' "$lab/packages.txt") >&2
inside apt-get clean
rm -rf "$target"/var/lib/apt/lists/*

say "Salt"
"$uv" venv -q -p /usr/bin/python3 "$target/opt/salt" >&2
"$uv" pip install -q --compile-bytecode -p "$target/opt/salt/bin/python" -r "$lab/salt.txt" >&2
grep -rlI "$target" "$target/opt/salt/bin" | xargs sed -i "s|$target||g"

say "services and identity"
for unit in mariadb mariadb.socket mysql corosync pacemaker pcsd pcsd-ruby logd haproxy rabbitmq-server epmd.service epmd.socket memcached rsync nftables salt-minion \
    openvswitch-switch ovs-record-hostname e2scrub_reap systemd-pstore cron lvm2-monitor; do
    inside systemctl disable "$unit" >/dev/null 2>&1 || say "$unit: nothing to disable"
done
inside systemctl enable ssh networking ssh-host-key >&2
inside systemctl mask apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer dpkg-db-backup.timer logrotate.timer \
    systemd-tmpfiles-clean.timer getty@tty1.service console-getty.service systemd-logind.service systemd-update-utmp.service \
    systemd-update-utmp-runlevel.service systemd-firstboot.service >/dev/null 2>&1
inside systemctl set-default multi-user.target >&2
# Hosts have no modules of their own; Open vSwitch asks for its one before it starts, and needs none in user space.
ln -sf /bin/true "$target/usr/sbin/modprobe"
# An empty cluster configuration waits 20 s for other nodes before it elects; Fuel's computers have no fencing device.
inside sh -c '
    rm -f /var/lib/pacemaker/cib/*
    cibadmin --empty > /var/lib/pacemaker/cib/cib.xml
    export CIB_file=/var/lib/pacemaker/cib/cib.xml
    crm_attribute -t crm_config -n dc-deadtime -v 2s
    crm_attribute -t crm_config -n stonith-enabled -v false
    chown -R hacluster:haclient /var/lib/pacemaker
    chmod 600 /var/lib/pacemaker/cib/*' >&2
rm -f "$target"/etc/ssh/ssh_host_* "$target/etc/machine-id" "$target/etc/hostname"
rm -f "$target/etc/corosync/corosync.conf" "$target"/etc/haproxy/haproxy.cfg "$target/var/lib/rabbitmq/.erlang.cookie"
: > "$target/etc/machine-id"
: > "$target/etc/resolv.conf"
rm -rf "$target"/var/log/*.log "$target"/var/log/apt "$target"/var/cache/debconf/*-old "$target"/tmp/* "$target"/run/*
umount "$target/dev" "$target/proc"
