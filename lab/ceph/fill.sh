# Part of layer.sh: what Ceph needs on a host besides its packages.
say "Ceph"
inside systemctl disable ceph-crash rbdmap >&2
# What comes with it for disks that are real.
inside systemctl disable nvmf-autoconnect nvmefc-boot-connections smartmontools lvm2-monitor blk-availability >&2
# An init script of old, which would start a gateway beside the unit's.
inside systemctl mask radosgw >&2
inside systemctl enable ceph.target ceph-mon.target ceph-mgr.target ceph-osd.target ceph-radosgw.target >&2
# Upstart, which Fuel's nodes have, counts what it starts anew after a crash and not what is started by hand.
for daemon in mon mgr osd; do
    mkdir "$root/etc/systemd/system/ceph-$daemon@.service.d"
    printf '[Unit]\nStartLimitIntervalSec=0\n' > "$root/etc/systemd/system/ceph-$daemon@.service.d/starts.conf"
done
install -m 644 "$here/disks.service" "$root/etc/systemd/system/disks.service"
inside systemctl enable disks >&2
# OpenStack's environments have a Python of the same kind and nothing of Debian's: Ceph's two modules by themselves.
modules=$root/usr/lib/lab-ceph
mkdir "$modules"
for module in rados rbd; do
    (cd "$root/usr/lib/python3/dist-packages" && ls "$module".cpython-*.so) |
        while read -r file; do ln -s "/usr/lib/python3/dist-packages/$file" "$modules/$file"; done
done
