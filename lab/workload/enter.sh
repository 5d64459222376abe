#!/bin/sh
# Becomes a program in the tree of the lab's hosts: enter.sh TREE LOWERS CEPH CHECKOUT COMMAND...
# TREE: an empty directory; LOWERS: what the tree is made of, as overlayfs takes it; CEPH: what /etc/ceph is;
# CHECKOUT: what /mnt is. Run in a mount namespace of its own: what it mounts ends with the program.
set -eu
tree=$1 lowers=$2 ceph=$3 checkout=$4
shift 4
mount -t overlay workload -o "lowerdir=$lowers" "$tree"
mount --bind /dev "$tree/dev"
mount --bind /proc "$tree/proc"
mount --bind "$ceph" "$tree/etc/ceph"
mount --bind "$checkout" "$tree/mnt"
for folder in /run /tmp /var/log/ceph; do
    mount -t tmpfs workload "$tree$folder"
done
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 chroot "$tree" \
    sh -c 'cd /mnt && exec "$@"' sh "$@"
