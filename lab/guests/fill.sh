# Part of layer.sh: the guest's kernel and initial file system.
kernel=$(inside apt-cache depends linux-image-cloud-amd64 | awk '$1 == "Depends:" {print $2; exit}')
# The package itself would bring what makes initial file systems, and a boot loader's hooks.
inside sh -c "cd /tmp && apt-get download -q $kernel" >&2

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
