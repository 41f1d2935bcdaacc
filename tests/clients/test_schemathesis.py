"""Requests made of /openapi.json at random, those that it forbids too: none is a fault of the server's, and
every answer is as described. (What is refused is in tests/e2e; inside of messages and tools more is taken than
described, since models and gateways write them.)"""

import os
import subprocess
import sys

import pytest
from daemon_fixture import Daemon

pytest.importorskip("schemathesis")

CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_schema_conformance")
EXAMPLES = os.environ.get("QWEND_EXAMPLES", "50")  # of each operation


def test_nothing_breaks_and_all_is_as_described(tmp_path):
    # A short context, since many of them ask for as much as there is.
    with Daemon("--max-context", "256") as daemon:
        url = f"http://127.0.0.1:{daemon.port}"
        st = os.path.join(os.path.dirname(sys.executable), "st")
        run = subprocess.run([st, "run", f"{url}/openapi.json", "--url", url, "--no-color", "-n", EXAMPLES,
                              "--checks", ",".join(CHECKS), "--request-timeout", "60"],
                             cwd=tmp_path, capture_output=True, text=True)
        print(run.stdout)
        assert run.returncode == 0, run.stdout[-4000:]
        assert daemon.stop() == 0
