"""HTTP/1.1 as raw bytes at the real daemon: every case whole and byte by byte."""

import json
import socket
import time

import pytest
from daemon_fixture import Daemon, request

BODY = json.dumps({"prompt": "hello"}).encode()
START = b"POST /tokenize HTTP/1.1\r\nHost: localhost\r\n"


def with_length(value):
    return START + b"Content-Length: " + value + b"\r\n\r\n"


def with_encoding(value):
    return START + b"Transfer-Encoding: " + value + b"\r\n\r\n"


REFUSED = {
    "no host": (b"GET /livez HTTP/1.1\r\n\r\n", 400),
    "two hosts": (b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    "bare LF": (b"GET /livez HTTP/1.1\nHost: localhost\n\n", 400),
    "bare CR": (b"GET /livez HTTP/1.1\r\nHost: localhost\rX: y\r\n\r\n", 400),
    "CR at the end": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\rX", 400),
    "space before colon": (b"GET /livez HTTP/1.1\r\nHost : localhost\r\n\r\n", 400),
    "folded header": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n folded: x\r\n\r\n", 400),
    "NUL": (b"GET /livez HTTP/1.1\r\nHost: local\0host\r\n\r\n", 400),
    "control character": (b"GET /livez HTTP/1.1\r\nHost: local\x01host\r\n\r\n", 400),
    "empty name": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n: x\r\n\r\n", 400),
    "bad method": (b"GRAB /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "length +1": (with_length(b"+1"), 400),
    "length -1": (with_length(b"-1"), 400),
    "length 0x1": (with_length(b"0x1"), 400),
    "length 1 2": (with_length(b"1 2"), 400),
    "length 1, 1": (with_length(b"1, 1"), 400),
    "length empty": (with_length(b""), 400),
    "length of 20 digits": (with_length(b"1" * 20), 400),
    "length twice": (START + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400),
    "length and encoding": (START + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "xchunked": (with_encoding(b"xchunked"), 400),
    "identity": (with_encoding(b"identity"), 400),
    "chunked, gzip": (with_encoding(b"chunked, gzip"), 400),
    "gzip, chunked": (with_encoding(b"gzip, chunked"), 501),
    "encoding twice": (START + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "bad chunk size": (with_encoding(b"chunked") + b"xyz\r\n", 400),
    "bad chunk end": (with_encoding(b"chunked") + b"1\r\nabc", 400),
    "encoding in 1.0": (b"POST /tokenize HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "HTTP/2.0": (b"GET /livez HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
    "HTTP/9.9": (b"GET /livez HTTP/9.9\r\nHost: localhost\r\n\r\n", 505),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    "CONNECT": (b"CONNECT x:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    "long target": (b"GET /" + b"a" * 8200 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    "large header": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\nA: " + b"a" * 33000 + b"\r\n\r\n", 431),
    "many headers": (b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"a: b\r\n" * 101 + b"\r\n", 431),
    "large body": (with_length(b"8388609"), 413),
    "two spaces": (b"GET  /livez HTTP/1.1\r\n", 400),
    "RTSP": (b"GET /livez RTSP/1.0\r\n", 400),
    "HTTP/0.9": (b"GET /livez\r\n", 505),
    "unending trailers": (with_encoding(b"chunked") + b"0\r\nA: " + b"a" * 33000, 431),
    "many trailers": (with_encoding(b"chunked") + b"0\r\n" + b"a: b\r\n" * 101, 431),
    "long chunk extensions": (with_encoding(b"chunked") + (b"1;a=" + b"b" * 3000 + b"\r\n \r\n") * 11, 431),
    "bare LF after the chunks": (with_encoding(b"chunked") + b"0\r\n\n", 400),
    "folded trailer": (with_encoding(b"chunked") + b"0\r\na: b\r\n c\r\n\r\n", 400),
    "trailer without a name": (with_encoding(b"chunked") + b"0\r\n: b\r\n\r\n", 400),
    "NUL in a trailer": (with_encoding(b"chunked") + b"0\r\na: \0\r\n\r\n", 400),
    "user in Host": (b"GET /livez HTTP/1.1\r\nHost: a@localhost\r\n\r\n", 400),
    "user in the target": (b"GET http://a@localhost/livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    "other type": (START + b"Content-Type: text/plain\r\nContent-Length: 1\r\n\r\nx", 415),
    "unknown expectation": (START + b"Expect: cake\r\nContent-Length: 1\r\n\r\nx", 417),
}
# Refused, but the connection is in order and goes on.
KEPT = {
    "unknown path": (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    "wrong method": (b"DELETE /livez HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
}


@pytest.fixture(params=[False, True], ids=["whole", "bytewise"])
def bytewise(request):
    return request.param


def is_json_error(headers, body):
    error = json.loads(body)["error"]
    return headers["content-type"] == "application/json" and set(error) == {
        "message", "type", "param", "code"} and error["message"] and headers["x-request-id"]


@pytest.mark.parametrize("name", REFUSED)
def test_refused(daemon, name, bytewise):
    data, expected = REFUSED[name]
    with daemon.connect() as client:
        client.send(data, bytewise)
        status, headers, body = client.response()
        assert status == expected
        assert is_json_error(headers, body)
        assert headers["connection"] == "close"
        assert client.is_closed()


@pytest.mark.parametrize("name", KEPT)
def test_refused_but_kept(daemon, name, bytewise):
    data, expected = KEPT[name]
    with daemon.connect() as client:
        client.send(data, bytewise)
        status, headers, body = client.response()
        assert status == expected and is_json_error(headers, body)
        if expected == 405:
            assert headers["allow"] == "GET, HEAD"
        client.send(request("GET", "/livez"), bytewise)
        assert client.response()[0] == 200


ACCEPTED = {
    "plain": request("POST", "/tokenize", BODY),
    "odd case": START.replace(b"Host", b"hOsT") + b"cOnTeNt-LeNgTh: %d\r\n\r\n" % len(BODY) + BODY,
    "leading CRLF": b"\r\n\r\n" + request("POST", "/tokenize", BODY),
    "chunked": with_encoding(b"chunked") + b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % (len(BODY) - 5)
    + BODY[5:] + b"\r\n0\r\n\r\n",
    "chunk extension": with_encoding(b"Chunked") + b"%x;a=b\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n",
    "absolute target": request("POST", "http://localhost:8000/tokenize", BODY, {"X": "y"}),
    "tab after the length": START + b"Content-Length:\t%d\t\r\n\r\n" % len(BODY) + BODY,
    "chunk extensions": with_encoding(b"\tchunked ") + b"%x;a;b=c ; d = \"e;f\"\r\n" % len(BODY) + BODY
    + b"\r\n0;g\r\n\r\n",
    "trailers": with_encoding(b"chunked") + b"%x\r\n" % len(BODY) + BODY + b"\r\n0\r\nX: y\r\nZ: w\r\n\r\n",
    "upgrade h2c": START + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "upgrade websocket": START + b"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: %d\r\n\r\n"
    % len(BODY) + BODY,
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_with_the_exact_body(daemon, name, bytewise):
    with daemon.connect() as client:
        client.send(ACCEPTED[name], bytewise)
        status, _, body = client.response()
        assert status == 200
        tokens = json.loads(body)["tokens"]
        client.send(request("POST", "/detokenize", json.dumps({"tokens": tokens}).encode()), bytewise)
        assert json.loads(client.response()[2]) == {"prompt": "hello"}


def test_expect_continue(daemon):
    with daemon.connect() as client:
        client.send(START + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(BODY))
        assert client.response()[0] == 100
        client.send(BODY)
        assert client.response()[0] == 200
    with daemon.connect() as client:
        client.send(START + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
        assert client.response()[0] == 413


def test_pipelined_in_order(daemon, bytewise):
    stream = json.dumps({"prompt": "hi", "max_tokens": 3, "stream": True}).encode()
    with daemon.connect() as client:
        client.send(request("GET", "/livez", headers={"X-Request-Id": "a"})
                    + request("POST", "/v1/completions", stream, {"X-Request-Id": "b"})
                    + request("POST", "/tokenize", BODY, {"X-Request-Id": "c"})
                    + request("GET", "/livez", headers={"X-Request-Id": "d"}), bytewise)
        answers = [client.response() for _ in range(4)]
    assert [headers["x-request-id"] for _, headers, _ in answers] == ["a", "b", "c", "d"]
    assert [status for status, _, _ in answers] == [200] * 4
    assert answers[1][2].endswith(b"data: [DONE]\n\n")


def test_valid_then_invalid(daemon, bytewise):
    with daemon.connect() as client:
        client.send(request("GET", "/livez") + b"NONSENSE\r\n\r\n", bytewise)
        assert client.response()[0] == 200
        assert client.response()[0] == 400
        assert client.is_closed()


def test_head_has_headers_only(daemon, bytewise):
    with daemon.connect() as client:
        client.send(request("HEAD", "/v1/models") + request("GET", "/livez"), bytewise)
        status, headers, _ = client.response(head=True)
        assert status == 200 and int(headers["content-length"]) > 0
        assert client.response()[2] == b'{"status":"alive"}'


def test_request_id(daemon):
    _, headers, _ = daemon.ask("GET", "/livez", headers={"X-Request-Id": "mine-1"})
    assert headers["x-request-id"] == "mine-1"
    made = {daemon.ask("GET", "/livez")[1]["x-request-id"] for _ in range(5)}
    assert len(made) == 5
    _, headers, _ = daemon.ask("GET", "/livez", headers={"X-Request-Id": "a b"})
    assert headers["x-request-id"] != "a b"


@pytest.mark.parametrize("version,connection,kept", [("1.1", None, True), ("1.1", "close", False),
                                                     ("1.0", None, False), ("1.0", "keep-alive", True)])
def test_keep_alive(daemon, version, connection, kept):
    head = f"GET /livez HTTP/{version}\r\nHost: localhost\r\n"
    head += f"Connection: {connection}\r\n" if connection else ""
    with daemon.connect() as client:
        client.send(head.encode() + b"\r\n")
        assert client.response()[0] == 200
        if not kept:
            assert client.is_closed()
            return
        client.send(request("GET", "/livez"))
        assert client.response()[0] == 200


def test_stream_to_http_1_0_ends_with_the_connection(daemon):
    body = json.dumps({"prompt": "hi", "max_tokens": 3, "stream": True}).encode()
    with daemon.connect() as client:
        client.send(b"POST /v1/completions HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        status, headers = client.head()
        assert status == 200 and "transfer-encoding" not in headers
        assert client._until(b"data: [DONE]\n\n") and client.is_closed()


def test_half_closed_client_still_gets_its_answers(daemon):
    """Far more than the kernel keeps for a client that reads slowly: when its end comes, most of them
    are not given yet, and some not sent."""
    n, length = 1500, 0
    with daemon.connect() as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        client.send(request("GET", "/metrics") * n)
        client.socket.shutdown(socket.SHUT_WR)
        time.sleep(0.5)
        for _ in range(n):
            status, _, body = client.response()
            assert status == 200
            length += len(body)
        assert length > 20 << 20
        assert client.is_closed()


def test_slow_clients():
    with Daemon("--header-timeout", "0.3", "--body-timeout", "0.3", "--keepalive-timeout", "0.5") as daemon:
        for data in (b"GET /livez HT", START + b"Content-Length: 9\r\n\r\n{"):
            with daemon.connect() as client:
                client.send(data)
                status, headers, body = client.response()
                assert status == 408 and is_json_error(headers, body)
                assert client.is_closed()
        with daemon.connect() as client:
            client.send(request("GET", "/livez"))
            assert client.response()[0] == 200
            assert client.is_closed()
        with daemon.connect() as client:
            assert client.is_closed()


def test_reader_that_does_not_read_is_cut_off(tmp_path):
    """On a unix socket, whose buffer is 208 KiB: TCP's grows to megabytes, which take a slow machine minutes."""
    path = str(tmp_path / "socket")
    with Daemon("--listen", f"unix:{path}", "--write-timeout", "0.5", "--max-sequences", "8") as daemon, \
            socket.socket(socket.AF_UNIX) as reader:
        reader.connect(path)
        body = json.dumps({"prompt": "x", "max_tokens": 2000, "ignore_eos": True, "stream": True, "n": 8,
                           "logprobs": 20}).encode()
        reader.sendall(request("POST", "/v1/completions", body))
        daemon.wait_metric("qwend:num_requests_running", 8)
        daemon.wait_metric("qwend:num_requests_running", 0)
        assert 'finished_reason="abort"} 8' in daemon.ask("GET", "/metrics")[2].decode()
