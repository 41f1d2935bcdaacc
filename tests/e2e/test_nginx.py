"""Behind the real nginx: streams are not buffered, disconnects arrive, errors pass."""

import json
import shutil
import subprocess
import time

import pytest
from daemon_fixture import PATIENCE, Client, Daemon, request

import socket

NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin")
pytestmark = pytest.mark.skipif(not NGINX, reason="nginx is not installed")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(params=["shipped", "bare"])
def proxied(request, tmp_path):
    """(daemon, connect): the site we ship, or the one line most people write."""
    with Daemon("--max-sequences", "1", "--max-queue", "1") as daemon:
        port = free_port()
        if request.param == "shipped":
            site = open("etc/nginx/qwend.conf").read()
            site = site.replace("server 127.0.0.1:8000", f"server 127.0.0.1:{daemon.port}")
            site = site.replace("listen 80;", f"listen 127.0.0.1:{port};")
        else:
            site = (f"server {{ listen 127.0.0.1:{port}; location / {{ "
                    f"proxy_pass http://127.0.0.1:{daemon.port}; }} }}")
        temp = " ".join(f"{kind}_temp_path {tmp_path}/{kind};" for kind in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = tmp_path / "nginx.conf"
        config.write_text(f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
                          f"events {{}}\nhttp {{ access_log off; {temp}\n{site}\n}}\n")
        nginx = subprocess.Popen([NGINX, "-e", f"{tmp_path}/error.log", "-c", str(config)])
        try:
            deadline = time.time() + PATIENCE
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    assert time.time() < deadline and nginx.poll() is None
                    time.sleep(0.02)
            yield daemon, lambda source="127.0.0.1": Client(socket.create_connection(
                ("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0)))
        finally:
            nginx.terminate()
            nginx.wait()


def long_stream(tokens):
    return request("POST", "/v1/completions", json.dumps(
        {"prompt": "x", "max_tokens": tokens, "ignore_eos": True, "stream": True}).encode())


def test_tokens_arrive_as_they_come(proxied):
    daemon, connect = proxied
    with connect() as client:
        client.send(long_stream(2000))
        client.head()
        next(client.events())
        # The first token is here, and the last is far from computed.
        assert daemon.metric("qwend:num_requests_running") == 1


def test_a_client_that_goes_is_noticed(proxied):
    daemon, connect = proxied
    with connect() as client:
        client.send(long_stream(3500))
        client.head()
        next(client.events())
    daemon.wait_metric("qwend:num_requests_running", 0)
    daemon.wait_metric("qwend:kv_blocks_used", 0)


def test_429_passes(proxied):
    daemon, connect = proxied
    clients = [connect() for _ in range(2)]
    for client in clients:
        client.send(long_stream(3500))
    deadline = time.time() + PATIENCE
    while daemon.metric("qwend:num_requests_waiting") < 1:
        assert time.time() < deadline
    with connect() as client:
        client.send(long_stream(1))
        status, headers, body = client.response()
        assert status == 429 and json.loads(body)["error"]["code"] == "queue_full"
        assert headers["retry-after"] == "1"
    for client in clients:
        client.socket.close()


@pytest.mark.parametrize("proxied", ["shipped"], indirect=True)
def test_the_shipped_site_serves_nobody_else_until_told(proxied):
    """A daemon without keys takes what comes through nginx for this machine's own."""
    _, connect = proxied
    for source, expected in (("127.0.0.1", 200), ("127.0.0.2", 403)):
        with connect(source) as client:
            client.send(request("GET", "/v1/models"))
            assert client.response()[0] == expected
