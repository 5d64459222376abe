"""
Whole directories as one stream: a tar archive in which each directory is a number.
"""

import contextlib
import os
import shutil
import tarfile

from frames import Broken


def pack(job, writer):
    """Directories as one tar archive, each below its number."""
    with tarfile.open(fileobj=writer, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        for number, name in enumerate(job["names"]):
            archive.add(name, arcname=str(number))


def unpack(job, reader):
    """Directories beside those of these names, which they replace when all has come."""
    fresh = [f"{name}.octane-new" for name in job["names"]]
    for folder in fresh:
        shutil.rmtree(folder, ignore_errors=True)
    try:
        with tarfile.open(fileobj=reader, mode="r|") as archive:
            for member in archive:
                extract(archive, member, fresh)
        while reader.read():
            pass
    except (Broken, OSError, tarfile.TarError) as error:
        for folder in fresh:
            shutil.rmtree(folder, ignore_errors=True)
        raise Broken(f"{error}; the directories are as they were") from error
    for name, folder in zip(job["names"], fresh, strict=True):
        exchange(name, folder)


def extract(archive, member, roots):
    """One member below the root its number stands for: plain files and directories alone, owners by name."""
    number, _, rest = member.name.partition("/")
    parts = rest.split("/") if rest else []
    if not (member.isfile() or member.isdir()) or not number.isdigit() or ".." in parts or int(number) >= len(roots):
        raise Broken(f"an unexpected entry in the archive: {member.name}")
    target = os.path.join(roots[int(number)], *parts)
    if member.isdir():
        os.makedirs(target, 0o700)
    else:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            shutil.copyfileobj(archive.extractfile(member), stream)
    with contextlib.suppress(LookupError):
        shutil.chown(target, member.uname or member.uid, member.gname or member.gid)
    os.chmod(target, member.mode & 0o7777)


def exchange(name, fresh):
    """The new directory takes the place of the old one, which is kept once, as it was before the first exchange."""
    if os.path.isdir(name):
        before = f"{name}.octane-before"
        if os.path.isdir(before):
            shutil.rmtree(name)
        else:
            os.rename(name, before)
    os.rename(fresh, name)
