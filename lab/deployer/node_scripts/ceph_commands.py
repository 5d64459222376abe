"""Runs on a node with Ceph's administrator's key: sends commands to the monitors, all by one connection.

Standard input: JSON list of commands, each as the program ``ceph`` sends it; standard output: JSON list of answers.
"""

import json
import sys

import rados

CONNECT_TIMEOUT = 30
COMMAND_TIMEOUT = 60


def main():
    cluster = rados.Rados(conffile="/etc/ceph/ceph.conf", name="client.admin")
    cluster.connect(timeout=CONNECT_TIMEOUT)
    try:
        print(json.dumps([answer(cluster, command) for command in json.load(sys.stdin)]))
    finally:
        cluster.shutdown()


def answer(cluster, command):
    code, output, said = cluster.mon_command(json.dumps(command), b"", timeout=COMMAND_TIMEOUT)
    if code:
        raise SystemExit(f"{command['prefix']}: {said or code}")
    return output.decode()


main()
