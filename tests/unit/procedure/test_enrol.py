import subprocess

import yaml
from salt.utils.crypt import pem_finger

from octane.procedure import enrol


def test_the_fingerprint_is_salt_s(tmp_path):
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    subprocess.run(["openssl", "genrsa", "-out", private, "1024"], check=True, capture_output=True)
    subprocess.run(["openssl", "rsa", "-in", private, "-pubout", "-out", public], check=True, capture_output=True)
    assert enrol.fingerprint(public.read_bytes()) == pem_finger(str(public), sum_type="sha256")


def test_a_minion_knows_its_master_by_fingerprint():
    options = yaml.safe_load(enrol.config("node-1", "10.20.0.2", "aa:bb"))
    assert (options["id"], options["master"], options["master_finger"]) == ("node-1", "10.20.0.2", "aa:bb")


def test_a_minion_asks_again_at_once_and_looks_up_no_names():
    options = yaml.safe_load(enrol.config("node-1", "10.20.0.2", "aa:bb"))
    assert options["acceptance_wait_time"] == 1
    assert options["enable_fqdns_grains"] is False
