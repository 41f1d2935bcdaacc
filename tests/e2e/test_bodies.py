"""Large bodies: read beside the loop, in a queue with bounds, and no hindrance to a drain."""

import json
import select
import signal
import time

import pytest
from daemon_fixture import PATIENCE, Daemon, request

WORDS = "The quick brown fox jumps over the lazy dog. "
LARGEST = 8 << 20  # bytes; the default of max-body
AT_ONCE = 0.05  # s, in which a busy machine may not let this process ask anything


def large(field="prompt", n_bytes=LARGEST, **more):
    """A body of about n_bytes whose text takes a while to tokenise."""
    room = n_bytes - len(json.dumps({field: "", **more}))
    return json.dumps({field: (WORDS * (room // len(WORDS)))[:room], **more}).encode()


def is_silent(client):
    return not select.select([client.socket], [], [], 0)[0]


@pytest.mark.parametrize("path,body,expected", [
    ("/tokenize", large(), 200),
    ("/detokenize", json.dumps({"tokens": [1] * (LARGEST // 4)}).encode(), 200),
    ("/apply-template", large("x", messages=[{"role": "user", "content": "hi"}]), 200),
    ("/v1/completions", large(), 400),
    ("/v1/messages", large("system", model="demo-model", max_tokens=1,
                           messages=[{"role": "user", "content": "hi"}]), 400),
    ("/v1/responses", large("input"), 400),
    ("/api/generate", large(model="demo-model"), 400),
    ("/v1/chat/completions", b'{"messages":[' + b'{"role":"user","content":"hi"},' * 250_000 + b'{}]}', 400),
    ("/tokenize", b'{"prompt":' + b"[" * (LARGEST // 2), 400),
    ("/tokenize", b'{"x":{' + b",".join(b'"%d":0' % i for i in range(500_000)) + b'},"prompt":1.5}', 400),
], ids=["tokenize", "detokenize", "template", "completions", "anthropic", "responses", "ollama",
        "messages", "deep", "keys"])
def test_the_loop_answers_while_a_large_body_is_read(daemon, path, body, expected):
    with daemon.connect() as client, daemon.connect() as other:
        other.send(request("GET", "/livez"))
        assert other.response()[0] == 200
        client.send(request("POST", path, body))
        answered_meanwhile = 0
        began = time.time()
        deadline = began + PATIENCE
        while is_silent(client):
            assert time.time() < deadline, "it never answers"
            other.send(request("GET", "/livez"))
            assert other.response()[0] == 200
            answered_meanwhile += is_silent(client)
        took = time.time() - began
        assert client.response()[0] == expected
        assert answered_meanwhile > 0 or took < AT_ONCE


def test_what_waits_to_be_read_is_bounded(daemon):
    clients = [daemon.connect() for _ in range(12)]  # 96 MiB; 64 are kept
    try:
        body = large()
        for client in clients:
            client.send(request("POST", "/tokenize", body))
        answers = [client.response() for client in clients]
    finally:
        for client in clients:
            client.socket.close()
    assert {status for status, _, _ in answers} == {200, 429}
    for status, headers, text in answers:
        if status == 429:
            assert headers["retry-after"] and json.loads(text)["error"]["code"] == "queue_full"
    assert daemon.ask("POST", "/tokenize", b'{"prompt":"hello"}')[0] == 200


def test_clients_that_leave_make_room(daemon):
    for _ in range(4):
        for _ in range(6):  # 48 MiB in all: twice that would not fit
            with daemon.connect() as client:
                client.send(request("POST", "/tokenize", large()))
        with daemon.connect() as client:
            client.send(request("POST", "/tokenize", b'{"prompt":"' + b"a " * 20_000 + b'"}'))
            assert client.response()[0] == 200


def test_drain_timeout_ends_what_is_being_read():
    with Daemon("--drain-timeout", "0.05") as daemon:
        clients = [daemon.connect() for _ in range(6)]
        for client in clients:
            client.send(request("POST", "/v1/completions", large()))
        daemon.process.send_signal(signal.SIGTERM)
        statuses = [client.response()[0] for client in clients]
        assert daemon.stop() == 0
        assert set(statuses) <= {400, 503} and 503 in statuses
        for client in clients:
            client.socket.close()
