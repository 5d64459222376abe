"""
The agent by which Fuel erases a node, made harmless to data.

A node keeps the agent of the release that installed it. Up to Fuel 6.1 that one writes zeros over the beginning of
every disk and partition of a node which is about to be installed anew, data that is to be kept included. What is put
in its place clears the boot code of disks that have a partition table, as Fuel 7.0's does, and nothing else.
"""

import os

from salt.exceptions import CommandExecutionError

AGENTS = (
    "/usr/share/mcollective/plugins/mcollective/agent/erase_node.rb",
    "/usr/libexec/mcollective/mcollective/agent/erase_node.rb",
)
"""Where it is on Ubuntu and on CentOS."""

SERVICE = "mcollective"
OWNER = "mcollective"
"""Whose files are kept by that name, as ``octane_files`` does."""

HARMLESS = """\
# Written by octane for the time until this node is installed anew: no data is erased, only boot code.
require "fileutils"

module MCollective
  module Agent
    class Erase_node < RPC::Agent
      action "erase_node" do
        reply[:status] = 0
        reply[:erased] = false
        reply[:rebooted] = false
        unless request.data[:dry_run]
          FileUtils.mkdir_p("/etc/nailgun-agent")
          FileUtils.touch("/etc/nailgun-agent/nodiscover")
          if request.data[:reboot]
            clear_boot_code
            reply[:erased] = true
            reply[:rebooted] = true
            reboot_soon
          end
        end
      end

      action "reboot_node" do
        reboot_soon
      end

      private

      # 446 bytes before the table of partitions; a disk without one is data from its first byte on.
      def clear_boot_code
        Dir["/sys/block/*"].each do |path|
          next unless File.exist?("#{path}/device") && File.read("#{path}/removable").strip == "0"
          disk = File.basename(path).gsub("!", "/")
          signature = File.open("/dev/#{disk}", "rb") { |device| device.read(512) }
          next unless signature && signature.bytes.to_a[510, 2] == [0x55, 0xaa]
          system("dd if=/dev/zero of=/dev/#{disk} bs=446 count=1 conv=notrunc")
        end
        system("sync")
      end

      # Later, so that whoever asked gets an answer.
      def reboot_soon
        File.open("/proc/sys/kernel/sysrq", "w") { |file| file.write("1") }
        Process.detach(fork { sleep 5; File.open("/proc/sysrq-trigger", "w") { |file| file.write("b") } })
      end
    end
  end
end
"""


def status():
    """
    The agent of this node.

    :return: ``{"agent": path or "" where there is none, "harmless": bool: that it is ours, and MCollective runs}``

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_mcollective.status
    """
    path = _agent()
    if not path:
        return {"agent": "", "harmless": True}
    with open(path, encoding="utf-8", errors="replace") as stream:
        ours = stream.read() == HARMLESS
    return {"agent": path, "harmless": ours and bool(__salt__["service.status"](SERVICE))}


def disarm():
    """
    Put an agent in place that erases no data, and let MCollective load it.

    :return: ``{"agent": path or "", "changed": bool}``
    :raises CommandExecutionError: MCollective does not run afterwards, and would be asked in vain

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_mcollective.disarm
    """
    path = _agent()
    if not path:
        return {"agent": "", "changed": False}
    changed = __salt__["octane_files.write"](path, HARMLESS, OWNER)
    # Also when the text was there: whoever died before the restart left the old agent loaded.
    _restart()
    return {"agent": path, "changed": changed}


def rearm():
    """
    The agent is again what it was before :func:`disarm`.

    :return: ``{"restored": [path]}``

    CLI Example:

    .. code-block:: bash

        salt node-7 octane_mcollective.rearm
    """
    restored = __salt__["octane_files.restore"](OWNER)
    if restored:
        _restart()
    return {"restored": restored}


def _agent():
    return next((path for path in AGENTS if os.path.exists(path)), "")


def _restart():
    __salt__["service.restart"](SERVICE)
    if not __salt__["service.status"](SERVICE):
        raise CommandExecutionError(f"{SERVICE} does not run after its restart")
