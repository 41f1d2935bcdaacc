"""What clients may take of a daemon that others need too: connections, time, memory."""

import json
import os
import re
import signal
import socket
import time

import pytest
from daemon_fixture import PATIENCE, Daemon, request

POST = b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
PLACES = 8


def resident_bytes(daemon):
    if os.environ.get("QWEND_SANITIZER"):  # its shadow and quarantine say nothing of the daemon
        return 0
    with open(f"/proc/{daemon.process.pid}/status") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) << 10


def assert_busy(client):
    status, headers, body = client.response()
    assert status == 503 and int(headers["retry-after"]) > 0
    assert json.loads(body)["error"]["message"]


def assert_health_answers(daemon):
    for path in ("/livez", "/health", "/metrics"):
        assert daemon.ask("GET", path)[0] == 200


def test_clients_that_trickle_leave_room_for_health():
    with Daemon("--max-connections", str(PLACES)) as daemon:
        clients = [daemon.connect() for _ in range(PLACES)]
        for client in clients:
            client.send(POST % 1000 + b"{")
        time.sleep(0.1)
        for _ in range(3):
            assert_health_answers(daemon)
            with daemon.connect() as other:
                other.send(request("POST", "/tokenize", b"{}"))
                assert_busy(other)
                assert other.is_closed()
            for client in clients:
                client.send(b" ")
        clients[0].socket.close()
        deadline = time.time() + PATIENCE
        while daemon.ask("POST", "/tokenize", b'{"prompt": "x"}')[0] != 200:
            assert time.time() < deadline
        for client in clients[1:]:
            client.socket.close()


def test_idle_clients_make_room_the_longest_idle_first():
    with Daemon("--max-connections", str(PLACES)) as daemon:
        clients = [daemon.connect() for _ in range(PLACES)]
        for client in clients:
            client.send(request("GET", "/livez"))
            assert client.response()[0] == 200
        assert daemon.ask("POST", "/tokenize", b'{"prompt": "x"}')[0] == 200
        assert clients[0].is_closed()
        for client in clients[1:]:
            client.send(request("GET", "/livez"))
            assert client.response()[0] == 200
            client.socket.close()


def test_clients_that_say_nothing_make_room():
    with Daemon("--max-connections", str(PLACES)) as daemon:
        clients = [daemon.connect() for _ in range(200)]
        assert_health_answers(daemon)
        for client in clients:
            client.socket.close()


def test_a_body_that_trickles_is_cut_off():
    with Daemon("--body-timeout", "0.5") as daemon, daemon.connect() as client:
        client.send(POST % (1 << 20))
        client.socket.setblocking(False)
        for _ in range(1000):  # a byte well within every timeout
            try:
                client.socket.send(b" ")
                client.buffer += client.socket.recv(1000)
                break
            except BlockingIOError:
                time.sleep(0.05)
        client.socket.settimeout(PATIENCE)
        assert client.response()[0] == 408


def test_bodies_of_all_clients_are_bounded():
    """Of 320 MB sent, the daemon keeps 256 MiB at most."""
    with Daemon() as daemon:
        before = resident_bytes(daemon)
        length, sent = 8 << 20, b"x" * ((8 << 20) - 1)
        clients = [daemon.connect() for _ in range(40)]
        for client in clients:
            client.send(POST % length + sent)
        refused = 0
        daemon.ask("GET", "/livez")  # what was sent has been read
        for client in clients:
            client.socket.settimeout(0.02)
            try:
                assert_busy(client)
                refused += 1
            except TimeoutError:
                pass
        assert 1 <= refused < 20
        assert resident_bytes(daemon) - before < 290 << 20
        for client in clients:
            client.socket.close()
        deadline = time.time() + PATIENCE
        while daemon.ask("POST", "/tokenize", json.dumps({"prompt": "x" * 100000}).encode())[0] != 200:
            assert time.time() < deadline


def test_trailers_without_end():
    with Daemon() as daemon, daemon.connect() as client:
        before = resident_bytes(daemon)
        client.send(b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        client.send(b"a: b\r\n" * (16 << 20))
        assert client.response()[0] == 431
        assert resident_bytes(daemon) - before < 20 << 20


@pytest.mark.parametrize("path,key,expected", [("/tokenize", "wrong", 401), ("/nothing", "right", 404),
                                               ("/v1/models", "right", 413)])
def test_what_the_headers_decide_needs_no_body(tmp_path, path, key, expected):
    keys = tmp_path / "keys"
    keys.write_text("right\n")
    keys.chmod(0o600)
    with Daemon("--api-key-file", str(keys)) as daemon:
        for expect in (b"", b"Expect: 100-continue\r\n"):
            with daemon.connect() as client:
                method = b"GET" if expected == 413 else b"POST"
                client.send(method + b" %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
                            b"Content-Type: application/json\r\n%sContent-Length: 8388608\r\n\r\n"
                            % (path.encode(), key.encode(), expect))
                assert client.response()[0] == expected
                assert client.is_closed()


def test_a_small_body_where_none_is_wanted_does_no_harm(daemon):
    with daemon.connect() as client:
        for _ in range(2):
            client.send(request("GET", "/livez", b"{}"))
            assert client.response()[0] == 200


@pytest.fixture
def large_answer():
    """A request whose answer is larger than what the kernel buffers for a client that does not read."""
    text = "word " * 1600000
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    return request("POST", "/apply-template", body), len(text)


def connect_slow_reader(daemon):
    client = daemon.connect()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
    return client


@pytest.mark.parametrize("how", ["SIGTERM", "half-close", "keep-alive timer"])
def test_a_complete_answer_is_sent_to_its_end(large_answer, how):
    data, length = large_answer
    with Daemon("--keepalive-timeout", "0.2") as daemon, connect_slow_reader(daemon) as client:
        client.send(data)
        status, headers = client.head()  # the answer is complete
        assert status == 200
        if how == "SIGTERM":
            daemon.process.send_signal(signal.SIGTERM)
        elif how == "half-close":
            client.socket.shutdown(socket.SHUT_WR)
        time.sleep(1)
        for _ in range(10):  # at its own pace
            client._exactly(100000)
            time.sleep(0.05)
        rest = int(headers["content-length"]) - 1000000
        assert rest > length - 1000000
        client._exactly(rest)
        assert client.is_closed()
        if how == "SIGTERM":
            assert daemon.process.wait(PATIENCE) == 0


def test_drain_does_not_wait_for_a_reader_that_has_stopped(large_answer):
    with Daemon("--write-timeout", "0.5") as daemon, connect_slow_reader(daemon) as client:
        client.send(large_answer[0])
        assert client.head()[0] == 200
        assert daemon.stop() == 0


def test_few_open_files_are_enough():
    with Daemon(starter=("prlimit", "--nofile=120")) as daemon:
        clients = [daemon.connect() for _ in range(150)]
        assert_health_answers(daemon)
        for client in clients:
            client.socket.close()
        assert daemon.ask("GET", "/livez")[0] == 200
