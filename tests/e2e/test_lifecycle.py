"""Start, stop, refusals, disconnects: what an operator meets."""

import fcntl
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import time

import pytest
from daemon_fixture import BINARY, MODEL, PATIENCE, Client, Closed, Daemon, request, wait_until

FAULTY = os.environ.get("QWEND_FAULTY", "build/qwend-faulty")
LONG = json.dumps({"prompt": "x", "max_tokens": 3500, "ignore_eos": True, "stream": True}).encode()


def run(*arguments):
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_disconnects_leave_nothing_behind():
    """500 clients that go while queued, in prefill or in decode."""
    rng = random.Random(1)
    with Daemon("--max-sequences", "4") as daemon:
        open_clients = []
        for i in range(500):
            client = daemon.connect()
            body = json.dumps({"prompt": [rng.randrange(300, 5000) for _ in range(rng.choice([3, 40, 700]))],
                               "max_tokens": 2000, "ignore_eos": True, "stream": rng.random() < 0.5,
                               "n": rng.choice([1, 1, 2])}).encode()
            client.send(request("POST", "/v1/completions", body))
            open_clients.append(client)
            while len(open_clients) > 20 or (open_clients and i == 499):
                open_clients.pop(rng.randrange(len(open_clients))).socket.close()
        for name in ("num_requests_running", "num_requests_waiting", "kv_blocks_used"):
            daemon.wait_metric("qwend:" + name, 0)
        assert daemon.post("/v1/completions", {"prompt": "x", "max_tokens": 1})[0] == 200
        assert daemon.stop() == 0


def test_threads_have_names():
    with Daemon() as daemon:
        tasks = pathlib.Path("/proc", str(daemon.process.pid), "task")
        names = {int(task.name): (task / "comm").read_text().strip() for task in tasks.iterdir()}
        assert names[daemon.process.pid] == "qwend" and "qwend-worker" in names.values()
        assert daemon.stop() == 0


def test_a_full_queue_says_429():
    with Daemon("--max-sequences", "1", "--max-queue", "1") as daemon:
        clients = [daemon.connect() for _ in range(8)]
        for client in clients:
            client.send(request("POST", "/v1/completions", LONG))
        status, headers, body = daemon.ask("POST", "/v1/completions", LONG)
        assert status == 429 and headers["retry-after"] and json.loads(body)["error"]["type"] == "rate_limit_error"
        for client in clients:
            client.socket.close()
        daemon.wait_metric("qwend:num_requests_waiting", 0)


def test_sigterm_lets_streams_finish():
    with Daemon("--drain-timeout", "80") as daemon:  # a busy machine takes half of that
        with daemon.connect() as client, daemon.connect() as idle:
            client.send(request("POST", "/v1/completions", LONG.replace(b"3500", b"1500")))
            events = client.head() and client.events()
            first = next(events)
            idle.send(b"GET /livez HTTP/1.1\r\nHost: loc")  # a request that is under way
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_log("draining")
            idle.send(b"alhost\r\n\r\n" + request("POST", "/v1/completions", LONG))
            assert idle.response()[0] == 200
            rest = list(events)
            assert rest[-1] == "[DONE]" and first["choices"]
            assert rest[-2]["choices"][0]["finish_reason"] == "length"
        assert daemon.stop() == 0


def test_new_requests_while_draining_get_503():
    with Daemon() as daemon:
        with daemon.connect() as client, daemon.connect() as late:
            client.send(request("POST", "/v1/completions", LONG))
            client.head()
            late.send(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n")
            daemon.wait_metric("qwend:num_requests_running", 1)
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_log("draining")
            late.send(b"Content-Length: 2\r\n\r\n{}")
            status, headers, body = late.response()
            assert status == 503 and headers["retry-after"]
            assert json.loads(body)["error"]["code"] == "draining"


def test_drain_timeout_ends_streams_with_an_error():
    with Daemon("--drain-timeout", "0.2") as daemon:
        with daemon.connect() as client:
            client.send(request("POST", "/v1/completions", LONG))
            client.head()
            events = client.events()
            next(events)
            daemon.process.send_signal(signal.SIGTERM)
            last = None
            with pytest.raises(Closed):  # without the last chunk: the client can tell
                for last in events:
                    pass
            assert last["error"]["type"] == "unavailable_error"
        assert daemon.stop() == 0


def test_second_signal_stops_at_once():
    with Daemon() as daemon, daemon.connect() as client:
        client.send(request("POST", "/v1/completions", LONG))
        client.head()
        daemon.process.send_signal(signal.SIGTERM)
        daemon.wait_log("draining")
        assert daemon.stop() == 0
        assert "stopping at once" in daemon.log()


def test_sigterm_while_loading_ends_at_once():
    """Whatever the load is doing: it may take minutes, and never looks at a signal."""
    with Daemon(binary=FAULTY, env={"QWEND_FAULT": "load-hangs"}, wait=False) as daemon:
        daemon.wait_log("loading hangs")
        assert daemon.stop() == 0
        assert "stopped while loading" in daemon.log()


def test_half_a_request_head_does_not_hold_up_the_end():
    with Daemon() as daemon, daemon.connect() as stuck:
        stuck.send(b"POST /v1/completions HTTP/1.1\r\nHost: loc")
        time.sleep(0.1)
        daemon.process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert daemon.process.wait(PATIENCE) == 0 and time.monotonic() - began < 2


def test_drain_lets_a_slow_reader_take_its_answer(tmp_path):
    """The answer is given, and lies in the daemon's queue: it is not drained before it is read, even
    if nothing moves for longer than a finished answer's connection is kept."""
    path = str(tmp_path / "q.sock")
    with Daemon(listen=f"unix:{path}") as daemon:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(path)
        with Client(connection) as client:
            tokens = 150_000  # its answer is far more than a unix socket's buffer
            client.send(request("POST", "/tokenize", json.dumps({"prompt": "x " * tokens}).encode()))
            status, headers = client.head()
            daemon.process.send_signal(signal.SIGTERM)
            daemon.wait_log("draining: 0 requests in flight")
            time.sleep(4)
            assert daemon.process.poll() is None
            body = client._exactly(int(headers["content-length"]))
            assert status == 200 and json.loads(body)["count"] >= tokens
        assert daemon.process.wait(PATIENCE) == 0 and "drained" in daemon.log()


def test_a_reload_never_turns_authentication_off(tmp_path):
    keys = tmp_path / "api-keys"
    keys.write_text("sesame\n")
    with Daemon(env={"CREDENTIALS_DIRECTORY": str(tmp_path)}) as daemon:
        good = {"Authorization": "Bearer sesame"}

        def reload(words):
            daemon.process.send_signal(signal.SIGHUP)
            daemon.wait_log(words)
            assert daemon.ask("GET", "/v1/models")[0] == 401

        reload("systemctl restart")  # nothing changed, and only a restart would change systemd's copy
        keys.unlink()
        reload("have vanished; the old keys go on")
        assert daemon.ask("GET", "/v1/models", headers=good)[0] == 200
        keys.write_text("# none\n")
        reload("expected one key a line")
        keys.write_text("abracadabra\n")
        reload("1 key, changed")
        assert daemon.ask("GET", "/v1/models", headers=good)[0] == 401


def test_api_keys(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("sesame\n")
    keys.chmod(0o600)
    with Daemon("--api-key-file", str(keys)) as daemon:
        for method, path in [("GET", "/status"), ("GET", "/metrics"), ("GET", "/version"), ("GET", "/v1/models"),
                             ("GET", "/v1/models/x"), ("POST", "/v1/chat/completions"), ("GET", "/unknown"),
                             ("POST", "/v1/completions"), ("POST", "/tokenize"), ("POST", "/detokenize"),
                             ("POST", "/apply-template")]:
            status, headers, body = daemon.ask(method, path, b"{}" if method == "POST" else None)
            assert status == 401 and json.loads(body)["error"]["code"] == "invalid_api_key", path
        assert daemon.ask("GET", "/livez")[0] == daemon.ask("GET", "/health")[0] == daemon.ask("GET", "/")[0] == 200
        good = {"Authorization": "Bearer sesame"}
        assert daemon.ask("GET", "/v1/models", headers=good)[0] == 200
        keys.write_text("abracadabra\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_log("read again")
        assert daemon.ask("GET", "/v1/models", headers=good)[0] == 401
        assert "sesame" not in daemon.log() and "abracadabra" not in daemon.log()
    keys.chmod(0o644)
    code, text = run("serve", "--model", MODEL, "--listen", "127.0.0.1:0", "--api-key-file", str(keys))
    assert code == 78 and "0644" in text


def test_a_log_that_nobody_reads_stops_nobody(tmp_path):
    """Lines beyond what the pipe holds are dropped and counted; the pipe's end is told how many."""
    path = str(tmp_path / "q.sock")
    process = subprocess.Popen([BINARY, "serve", "--model", MODEL, "--listen", f"unix:{path}"],
                               stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        deadline = time.time() + PATIENCE
        while not os.path.exists(path):
            assert time.time() < deadline and process.poll() is None
            time.sleep(0.02)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)
        connection.connect(path)
        with Client(connection) as client:
            def ask(*what):
                client.send(request(*what))
                return client.response()
            wait_until(lambda: ask("GET", "/health")[0] == 200, "it is never ready")
            dropped, n_asked = 0, 0
            while not dropped:
                assert ask("POST", "/v1/completions", b'{"prompt":"x","max_tokens":1}')[0] == 200
                n_asked += 1
                assert n_asked < 1000, "a log of 4 KiB takes a thousand requests"
                text = ask("GET", "/metrics")[2].decode()
                dropped = int(re.search(r"log_lines_dropped_total\{.*\} (\d+)", text).group(1))
            os.set_blocking(process.stderr.fileno(), False)
            process.stderr.read()  # somebody looks at last
            assert ask("POST", "/v1/completions", b'{"prompt":"x","max_tokens":1}')[0] == 200
            assert re.search(rb" [1-9]\d* lines of the log were lost", process.stderr.read())
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_unix_socket(tmp_path):
    path = str(tmp_path / "q.sock")
    for _ in range(2):  # the second time over a stale file
        with Daemon(listen=f"unix:{path}") as daemon:
            connection = socket.socket(socket.AF_UNIX)
            connection.connect(path)
            with Client(connection) as client:
                client.send(request("GET", "/health"))
                assert client.response()[0] == 200
            daemon.stop(signal.SIGKILL)


def test_exit_codes(tmp_path):
    assert run()[0] == 64
    assert run("--nonsense")[0] == 64
    assert run("--version")[0] == 0
    code, text = run("check", "--model", "/nonexistent")
    assert code == 78 and "no such folder" in text
    code, text = run("check", "--model", MODEL)
    assert code == 0 and text.endswith("ok\n")
    code, text = run("serve", "--model", MODEL, "--listen", "0.0.0.0:0")
    assert code == 78 and "API keys" in text
    assert run("serve", "--model", MODEL, "--device", "cuda")[0] == 69
    for name in os.listdir(MODEL):
        if name not in ("model.safetensors", "corpus") and os.path.isfile(os.path.join(MODEL, name)):
            os.symlink(os.path.abspath(os.path.join(MODEL, name)), tmp_path / name)
    weights = tmp_path / "model.safetensors"
    weights.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    code, text = run("serve", "--model", str(tmp_path), "--listen", "127.0.0.1:0")
    assert code == 78 and "git lfs pull" in text and "model.safetensors" in text
    with open(os.path.join(MODEL, "model.safetensors"), "rb") as file:
        weights.write_bytes(file.read(1_000_000))
    code, text = run("serve", "--model", str(tmp_path), "--listen", "127.0.0.1:0")
    assert code == 78 and "truncated" in text


def test_generate():
    code, text = run("generate", "--model", MODEL, "--temperature", "0", "What is 3 + 4?")
    assert code == 0 and "7" in text.splitlines()[0] and "tok/s" in text
