"""What clients, systemd and the journal see when the accelerator fails: qwend-faulty, which is qwend
with tests/e2e/faulty_backend.h between the engine and its backend."""

import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest
from daemon_fixture import MODEL, Closed, Daemon, request, wait_until

FAULTY = os.environ.get("QWEND_FAULTY", "build/qwend-faulty")
LONG = {"max_tokens": 3500, "ignore_eos": True, "temperature": 0, "return_token_ids": True}
# The kind of fault, what /health says of it, and what the journal names as its cause.
KINDS = [
    ("launch-throws", "gpu_failed", "injected failure of launch"),
    ("collect-throws", "gpu_failed", "injected failure of collect"),
    ("wrong-count", "gpu_failed", "tokens where"),
    ("bad-token", "gpu_failed", "which is no token"),
    ("no-memory", "gpu_failed", "out of memory"),
    ("stall", "stalled", "more than step-timeout = 1.5 s"),
]
PATIENCE = 30  # seconds within which everybody gets an end; a fault takes less than three


class Faulty(Daemon):
    """A daemon whose accelerator fails at the fifth step after release()."""

    def __init__(self, kind, folder, *options, step_timeout=1.5, **more):
        self._release = folder / "fail"
        super().__init__("--step-timeout", str(step_timeout), *options, binary=FAULTY,
                         env={"QWEND_FAULT": f"{kind}@5", "QWEND_FAULT_AFTER": str(self._release)}, **more)

    def release(self):
        self._release.touch()

    def n_sampled(self):
        return int(self.log().split("fault injected after ")[1].split()[0])

    def wait_log(self, text):
        wait_until(lambda: text in self.log(), lambda: f"no {text!r}: {self.log()}", PATIENCE)

    def check_end(self, code=70):
        assert self.process.wait(PATIENCE) == code
        assert "was touched" not in self.log()


def completion(prompt, stream, **more):
    return request("POST", "/v1/completions", json.dumps({**LONG, "prompt": prompt, "stream": stream, **more}).encode())


class Reader(threading.Thread):
    """One client, read to its end: a status, the events of a stream, whether it was cut off."""

    def __init__(self, daemon, data):
        super().__init__(daemon=True)
        self.status, self.headers, self.body, self.events, self.cut = None, None, None, [], False
        self.client = daemon.connect()
        self.client.send(data)
        self.start()

    def run(self):
        try:
            self.status, self.headers = self.client.head()
            if self.headers.get("transfer-encoding") == "chunked":
                for event in self.client.events():
                    self.events.append(event)
            else:
                self.body = json.loads(self.client._exactly(int(self.headers["content-length"])))
        except Closed:
            self.cut = True
        self.client.socket.close()

    def finish(self):
        self.join(PATIENCE)
        assert not self.is_alive(), "this client hangs"
        return self

    def tokens(self):
        return [token for event in self.events if "choices" in event
                for choice in event["choices"] for token in choice.get("token_ids", [])]


class HealthWatch(threading.Thread):
    """Asks /health on one connection until it closes."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.answers = []
        self.client = daemon.connect()
        self.start()

    def run(self):
        try:
            while True:
                self.client.send(request("GET", "/health"))
                status, _, body = self.client.response()
                self.answers.append((status, json.loads(body)["status"]))
                time.sleep(0.01)
        except Closed:
            pass


def check_stream(reader, code):
    """Tokens, then the error, then a broken stream: no end that looks like one."""
    reader.finish()
    assert reader.status == 200 and reader.cut
    assert reader.events[-1]["error"]["type"] == "unavailable_error"
    assert reader.events[-1]["error"]["code"] == code
    for event in reader.events[:-1]:
        assert event != "[DONE]" and "error" not in event
        assert event["choices"][0]["finish_reason"] is None


def check_refused(reader, code):
    reader.finish()
    assert reader.status == 503 and reader.headers["retry-after"] and not reader.events
    assert reader.body["error"]["type"] == "unavailable_error" and reader.body["error"]["code"] == code


@pytest.mark.parametrize("kind,code,cause", KINDS)
def test_everybody_gets_an_end(daemon, tmp_path, kind, code, cause):
    with Faulty(kind, tmp_path, "--max-sequences", "4") as faulty:
        running = [Reader(faulty, completion(f"stream {i}", True)) for i in range(4)]
        faulty.wait_metric("qwend:num_requests_running", 4)
        queued = [Reader(faulty, completion(f"queued {i}", i % 2 == 0)) for i in range(6)]
        faulty.wait_metric("qwend:num_requests_waiting", 6)
        wait_until(lambda: all(len(reader.tokens()) > 3 for reader in running), "streams that do not begin")
        health = HealthWatch(faulty)
        with faulty.connect() as late, faulty.connect() as idle:
            late.send(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 14\r\n\r\n")
            idle.send(request("GET", "/livez"))
            assert idle.response()[0] == 200
            assert faulty.process.poll() is None and "the engine" not in faulty.log()
            faulty.release()
            faulty.wait_log("the engine")
            idle.send(request("GET", "/livez") + completion("new", True))
            assert idle.response()[0] == 200
            status, headers, body = idle.response()
            assert status == 503 and headers["retry-after"] and json.loads(body)["error"]["code"] == code
            late.send(b'{"prompt":"x"}')
            assert late.response()[0] == 503
        for reader in running:
            check_stream(reader, code)
        for reader in queued:
            check_refused(reader, code)
        # All that was computed before the fault was sent, and nothing else.
        assert sum(len(reader.tokens()) for reader in running) == faulty.n_sampled()
        whole = daemon.post("/v1/completions", {**LONG, "prompt": "stream 0",
                                                "max_tokens": len(running[0].tokens())})[1]
        assert running[0].tokens() == whole["choices"][0]["token_ids"]
        health.join(PATIENCE)
        first_bad = health.answers.index((503, code))
        assert set(health.answers[:first_bad]) <= {(200, "ready")}
        assert set(health.answers[first_bad:]) == {(503, code)}
        faulty.check_end()
        ends = [line for line in faulty.log().splitlines() if "error" in line and "the engine" in line]
        assert len(ends) == 1 and cause in ends[0] and "exit 70" in ends[0]


@pytest.mark.parametrize("kind,code,cause", KINDS)
def test_answers_that_are_not_streamed(tmp_path, kind, code, cause):
    with Faulty(kind, tmp_path, "--max-sequences", "4") as faulty:
        readers = [Reader(faulty, completion(f"whole {i}", False, n=1 + i % 2)) for i in range(4)]
        faulty.wait_metric("qwend:num_requests_running", 4)
        faulty.wait_metric("qwend:num_requests_waiting", 2)
        faulty.release()
        for reader in readers:
            check_refused(reader, code)
        faulty.check_end()
        assert cause in faulty.log()


@pytest.mark.parametrize("kind,code", [("collect-throws", "gpu_failed"), ("stall", "stalled")])
def test_while_draining(tmp_path, kind, code):
    with Faulty(kind, tmp_path) as faulty:
        reader = Reader(faulty, completion("x", True))
        faulty.wait_metric("qwend:num_requests_running", 1)
        faulty.process.send_signal(signal.SIGTERM)
        faulty.wait_log("draining")
        faulty.release()
        check_stream(reader, code)
        faulty.check_end()


def test_a_reader_that_does_not_read_holds_nobody_up(tmp_path):
    with Faulty("collect-throws", tmp_path, "--write-timeout", "60") as faulty, socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.connect(("127.0.0.1", faulty.port))
        lazy.sendall(completion("x", True, logprobs=20, n=16))
        reader = Reader(faulty, completion("y", True))
        # By then more is on its way to the other than the kernel takes.
        wait_until(lambda: len(reader.tokens()) >= 400, "a stream that stands still")
        began = time.time()
        faulty.release()
        check_stream(reader, "gpu_failed")
        faulty.check_end()
        assert 0.5 < time.time() - began < 5


def test_a_stopped_process_is_no_stall(tmp_path):
    """Whoever stops it, a debugger or a paused machine: in a step or between two."""
    with Faulty("slow", tmp_path) as faulty:
        reader = Reader(faulty, completion("x", True, max_tokens=200))
        faulty.wait_metric("qwend:num_requests_running", 1)
        faulty.release()
        faulty.wait_log("a slow step")
        for _ in range(2):
            faulty.process.send_signal(signal.SIGSTOP)
            time.sleep(3)
            faulty.process.send_signal(signal.SIGCONT)
            time.sleep(0.3)
        assert not reader.finish().cut
        assert faulty.ask("GET", "/health")[0] == 200
        assert "stalled" not in faulty.log()


@pytest.mark.parametrize("stream", [False, True])
def test_numbers_that_are_not_finite_fail_one_answer(tmp_path, stream):
    with Faulty("not-a-number", tmp_path) as faulty:
        reader = Reader(faulty, completion("x", stream))
        faulty.wait_metric("qwend:num_requests_running", 1)
        faulty.release()
        reader.finish()
        error = reader.events[-1]["error"] if stream else reader.body["error"]
        assert "numbers are not finite" in error["message"] and error["type"] == "server_error"
        assert reader.status == (200 if stream else 500)
        status, answer = faulty.post("/v1/completions", {"prompt": "x", "max_tokens": 3, "ignore_eos": True})
        assert status == 200 and answer["usage"]["completion_tokens"] == 3
        assert "failed" not in faulty.ask("GET", "/health")[2].decode()


@pytest.mark.parametrize("how", ["second signal", "drain timeout"])
def test_a_stop_does_not_wait_for_a_step_that_hangs(tmp_path, how):
    """Before step-timeout nobody knows that it hangs."""
    path = str(tmp_path / "socket")
    with Faulty("stall", tmp_path, "--drain-timeout", "0.3" if how == "drain timeout" else "60",
                "--listen", f"unix:{path}", step_timeout=60) as faulty:
        reader = Reader(faulty, completion("x", True))
        faulty.wait_metric("qwend:num_requests_running", 1)
        faulty.release()
        faulty.wait_log("fault injected")
        assert os.path.exists(path)
        faulty.process.send_signal(signal.SIGTERM)
        if how == "second signal":
            faulty.wait_log("draining")
            faulty.process.send_signal(signal.SIGTERM)
        assert reader.finish().cut
        faulty.check_end(code=0)
        assert not os.path.exists(path)


@pytest.mark.parametrize("fault,code,cause", [
    ("load-throws", 78, "cannot start the engine: injected refusal to load"),
    ("load-faults", 70, "the engine failed: injected failure to load"),
    ("load-no-memory", 70, "the engine failed: the model does not fit the memory"),  # a restart may find some
    ("launch-throws@0", 70, "the engine failed: injected failure of launch"),
    ("bad-token@0", 70, "which is no token"),
    ("stall@0", 70, "the engine stalled: a step has been running for"),
])
def test_faults_while_loading(fault, code, cause):
    with Daemon("--step-timeout", "0.5", binary=FAULTY, env={"QWEND_FAULT": fault}, wait=False) as faulty:
        assert faulty.process.wait(PATIENCE) == code
        assert cause in faulty.log() and "was touched" not in faulty.log()
        assert " ready in " not in faulty.log()


@pytest.mark.parametrize("fault,code,cause", [
    ("none@1000", 0, "tok/s"),
    ("load-throws", 78, "injected refusal to load"),
    ("load-faults", 70, "injected failure to load"),
    ("load-no-memory", 70, "the model does not fit the memory"),
    ("launch-throws@5", 70, "injected failure of launch"),
    ("collect-throws@5", 70, "injected failure of collect"),
    ("stall@5", 70, "a step has been running"),
])
def test_generate(fault, code, cause):
    done = subprocess.run([FAULTY, "generate", "--model", MODEL, "--step-timeout", "1", "--raw", "--temperature", "0",
                           "--max-tokens", "8", "Hello"], capture_output=True, text=True, timeout=PATIENCE,
                          env={**os.environ, "QWEND_FAULT": fault})
    assert done.returncode == code and cause in done.stderr and "was touched" not in done.stderr
    assert bool(done.stdout) == ("load" not in fault)


def test_an_address_space_that_is_full_is_a_fault_a_restart_may_mend():
    """What the system refuses now it may have at the next start: never 78, which systemd takes for the last word."""
    for mib in (200, 400):  # no room for the weights; for the cache
        with Daemon(starter=("prlimit", f"--as={mib << 20}"), wait=False) as daemon:
            code = daemon.process.wait(PATIENCE)
            if mib == 200 and code == -signal.SIGSEGV:
                continue  # oneDNN uses memory for its code that it was refused; a restart mends that too
            assert code == 70
            assert "Cannot allocate memory" in daemon.log() or "does not fit the memory" in daemon.log()
