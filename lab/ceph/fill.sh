# Part of layer.sh: what Ceph needs on a host besides its packages.
say "Ceph"
inside systemctl disable ceph-crash rbdmap >&2
# An init script of old, which would start a gateway beside the unit's.
inside systemctl mask radosgw >&2
inside systemctl enable ceph.target ceph-mon.target ceph-mgr.target ceph-osd.target ceph-radosgw.target >&2
install -m 644 "$here/disks.service" "$root/etc/systemd/system/disks.service"
inside systemctl enable disks >&2
# OpenStack's environments have a Python of the same kind and nothing of Debian's: Ceph's two modules by themselves.
modules=$root/usr/lib/lab-ceph
mkdir "$modules"
for module in rados rbd; do
    (cd "$root/usr/lib/python3/dist-packages" && ls "$module".cpython-*.so) |
        while read -r file; do ln -s "/usr/lib/python3/dist-packages/$file" "$modules/$file"; done
done
