import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
from daemon_fixture import Daemon  # noqa: E402


@pytest.fixture(scope="session")
def daemon():
    with Daemon() as running:
        yield running
        assert running.stop() == 0
