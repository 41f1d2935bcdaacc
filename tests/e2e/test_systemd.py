"""What systemd sees of the daemon: its messages, and the sockets it hands over. The protocols are
spoken here as systemd speaks them (sd_notify(3), sd_listen_fds(3)); the units are read by its own
tool where that is installed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from daemon_fixture import PATIENCE, Client, Daemon, request

CHAT = b'{"messages":[{"role":"user","content":"hello"}],"max_tokens":4}'


class Manager:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(PATIENCE)

    def until(self, line):
        """The lines up to the first that is `line`, a regular expression; with their times."""
        lines = []
        while not (lines and re.fullmatch(line, lines[-1][0])):
            for one in self._socket.recv(65536).decode().split("\n"):
                lines.append((one, time.monotonic()))
                if re.fullmatch(line, one):
                    break
        return lines


def test_notifies_from_loading_to_draining(tmp_path):
    manager = Manager(tmp_path)
    environment = {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "2000000"}
    with Daemon(wait=False, env=environment) as daemon:
        before = [line for line, _ in manager.until("READY=1")]
        assert before[0].startswith("STATUS=Loading")
        assert any(re.fullmatch(r"EXTEND_TIMEOUT_USEC=\d+", line) for line in before)
        daemon.wait_ready()
        assert daemon.ask("GET", "/health")[0] == 200  # ready means ready
        # The watchdog is pinged while nobody asks for anything, and faster than it wants.
        times = [manager.until("WATCHDOG=1")[-1][1] for _ in range(4)]
        assert max(b - a for a, b in zip(times, times[1:])) < 2
        daemon.process.send_signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert daemon.process.wait(PATIENCE) == 0


def test_tells_of_a_reload(tmp_path):
    manager = Manager(tmp_path)
    with Daemon(env={"NOTIFY_SOCKET": manager.path}) as daemon:
        manager.until("READY=1")
        daemon.process.send_signal(signal.SIGHUP)
        lines = [line for line, _ in manager.until("READY=1")]
        assert "RELOADING=1" in lines
        stamp = next(line for line in lines if line.startswith("MONOTONIC_USEC="))
        assert abs(int(stamp.split("=")[1]) * 1e-6 - time.monotonic()) < PATIENCE


# As systemd does: file descriptor 3, and the process told that it is meant.
HAND_OVER = ("import os, sys; os.dup2(int(sys.argv[1]), 3); "
             "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='http'); "
             "os.execv(sys.argv[2], sys.argv[2:])")


def activated(listening, options=(), **more):
    fd = listening.fileno()
    return Daemon(*options, starter=[sys.executable, "-c", HAND_OVER, str(fd)], pass_fds=(fd,),
                  listen="127.0.0.1:1", **more)  # not this address: the socket's


def test_a_restart_behind_a_socket_unit_loses_no_request():
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        statuses = []

        def ask():
            with socket.create_connection(listening.getsockname(), timeout=PATIENCE) as connection:
                client = Client(connection)
                client.send(request("POST", "/v1/chat/completions", CHAT))
                statuses.append(client.response()[0])

        with activated(listening) as first:
            ask()
            first.process.send_signal(signal.SIGTERM)
            assert first.process.wait(PATIENCE) == 0
        # Nobody runs: who asks now waits in the socket's queue for the next one.
        waiting = [threading.Thread(target=ask) for _ in range(8)]
        for thread in waiting:
            thread.start()
        time.sleep(0.2)
        assert len(statuses) == 1
        with activated(listening):
            for thread in waiting:
                thread.join(PATIENCE)
        assert statuses == [200] * 9


def test_a_socket_that_others_can_reach_wants_keys(tmp_path):
    """However the daemon came by the address. (Bound, but nobody listens: it is never open.)"""
    keys = tmp_path / "keys"
    keys.write_text("one\n")
    keys.chmod(0o600)
    with socket.socket() as everywhere:
        everywhere.bind(("0.0.0.0", 0))
        with activated(everywhere, wait=False) as daemon:
            assert daemon.process.wait(PATIENCE) == 78
            assert "can be reached from other machines" in daemon.log() and "ListenStream=" in daemon.log()
    with socket.create_server(("127.0.0.1", 0)) as here:
        with activated(here) as daemon:
            assert daemon.stop() == 0
        with activated(here, options=("--api-key-file", str(keys))) as daemon:
            assert daemon.ask("GET", "/v1/models")[0] == 401


def settings_of(unit):
    with open(os.path.join("systemd", unit)) as file:
        return dict(re.findall(r"^(\w+)=(.*)$", file.read(), re.M))


def test_the_unit_restarts_what_a_restart_may_mend():
    unit = settings_of("qwend.service")
    assert unit["Restart"] == "on-failure" and unit["RestartPreventExitStatus"] == "64 78"
    # systemd counts restarts by hand as well: a handful in five minutes must leave it running, while
    # a crash at every start, which takes at most ten seconds, is stopped some time.
    burst, interval = int(unit["StartLimitBurst"]), int(unit["StartLimitIntervalSec"])
    assert burst >= 20 and interval / burst >= 10 > int(unit["RestartSec"])
    assert unit["LimitCORE"] == "0"
    assert int(unit["TimeoutStopSec"]) > 30 + 3  # drain-timeout, and a little for the last bytes


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
@pytest.mark.parametrize("unit", ["qwend.service", "qwend.socket"])
def test_units_are_valid(unit, tmp_path):
    """systemd reads every line of them, and what the sandbox leaves open is little: sockets and
    NVIDIA's devices."""
    for name in os.listdir("systemd"):
        with open(os.path.join("systemd", name)) as file:
            text = file.read()
        # The command need not be installed for this.
        (tmp_path / name).write_text(text.replace("/usr/local/bin/qwend", "/bin/true"))
    result = subprocess.run(["systemd-analyze", "verify", str(tmp_path / unit)],
                            capture_output=True, text=True, timeout=PATIENCE)
    complaints = [line for line in result.stderr.splitlines() if "qwend" in line]
    assert result.returncode == 0 and not complaints, complaints
    if unit.endswith(".service"):
        result = subprocess.run(
            ["systemd-analyze", "security", "--offline=true", "--threshold=15",
             str(tmp_path / unit)], capture_output=True, text=True, timeout=PATIENCE)
        assert result.returncode == 0, result.stdout[-2000:]
