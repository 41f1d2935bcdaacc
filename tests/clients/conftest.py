import pytest
from daemon_fixture import Daemon


@pytest.fixture(scope="session")
def daemon():
    """Answers come a token at a time: one that was given before would be guessed, and come in one piece."""
    with Daemon("--no-speculation") as running:
        yield running
        assert running.stop() == 0
