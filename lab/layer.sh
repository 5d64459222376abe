#!/bin/sh
# Makes what hosts have over the image: the packages of packages.txt, and what fill.sh adds to them.
# Run in mount and PID namespaces of its own, so that what it mounts ends with it.
# layer.sh TARGET IMAGE KIND: TARGET an empty directory, IMAGE the hosts' tree, KIND the directory of the two files.
set -eu
target=$1 image=$2 here=$3
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
say() { echo "layer: $*" >&2; }
inside() { chroot "$root" "$@"; }

root=$target/root
mkdir "$root" "$target/upper" "$target/work"
mount -t overlay layer -o "lowerdir=$image,upperdir=$target/upper,workdir=$target/work" "$root"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"

say "packages"
inside apt-get update -q >&2
inside apt-get install -y -q --no-install-recommends $(sed 's/#.*//' "$here/packages.txt") >&2
. "$here/fill.sh"
inside apt-get clean
rm -rf "$root"/var/lib/apt/lists/* "$root"/tmp/* "$root"/var/log/*.log "$root"/var/log/apt
rm -rf "$root"/var/cache/debconf/*-old "$root"/run/*
: > "$root/etc/resolv.conf"
umount "$root/dev" "$root/proc" "$root"
rm -rf "$root" "$target/work"
