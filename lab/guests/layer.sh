#!/bin/sh
# Makes what hosts with guests have over the image: QEMU, dnsmasq, and the guest's kernel and initial file system.
# Run in mount and PID namespaces of its own, so that what it mounts ends with it.
# layer.sh TARGET IMAGE HERE: TARGET an empty directory, IMAGE the hosts' tree, HERE this directory.
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
kernel=$(inside apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" {print $2; exit}')
# The package itself would bring what makes initial file systems, and a boot loader's hooks.
inside sh -c "cd /tmp && apt-get download -q $kernel" >&2
inside apt-get clean
rm -rf "$root"/var/lib/apt/lists/*

say "guest"
unpacked=$root/tmp/kernel guest=$root/usr/lib/lab-guest
dpkg-deb -x "$root"/tmp/linux-image-*.deb "$unpacked"
tree=$unpacked/initial
mkdir -p "$guest" "$tree/bin" "$tree/proc" "$tree/sys" "$tree/dev" "$tree/modules"
cp "$unpacked"/boot/vmlinuz-* "$guest/vmlinuz"
cp "$root/bin/busybox" "$tree/bin/"
# In the order in which they need one another.
number=10
for module in virtio virtio_ring virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci failover net_failover virtio_net; do
    find "$unpacked/lib/modules" -name "$module.ko" -exec cp {} "$tree/modules/$number-$module.ko" \;
    number=$((number + 1))
done
install -m 755 "$here/init" "$tree/init"
install -m 755 "$here/lease" "$tree/bin/lease"
(cd "$tree" && find . | "$root/bin/busybox" cpio -o -H newc | gzip -9) > "$guest/initrd" 2>/dev/null
rm -rf "$root"/tmp/* "$root"/var/log/*.log "$root"/var/log/apt "$root"/var/cache/debconf/*-old "$root"/run/*
: > "$root/etc/resolv.conf"
umount "$root/dev" "$root/proc" "$root"
rm -rf "$root" "$target/work"
