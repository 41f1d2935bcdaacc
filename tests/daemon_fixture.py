"""Starts the real daemon for a test and talks to it, with nothing but the standard library."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time

BINARY = os.environ.get("QWEND_BIN", "build/qwend")
MODEL = os.environ.get("QWEND_MODEL", "tests/demo-model")
PATIENCE = 90  # seconds until something that should happen counts as never happening


def wait_until(holds, what, patience=PATIENCE):
    """Until `holds()`; fails, saying `what`, if it does not in time."""
    deadline = time.time() + patience
    while not holds():
        assert time.time() < deadline, what() if callable(what) else what
        time.sleep(0.01)


def plain_environment():
    """The environment without what a surrounding make, or who called it, said to make."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith("MAKE") and name not in ("MFLAGS", "WERROR", "V")}


class Daemon:
    """A qwend on a port of its own; stops with it."""

    def __init__(self, *options, wait=True, model=MODEL, listen="127.0.0.1:0", binary=BINARY,
                 starter=(), env=None, pass_fds=()):
        self._log = tempfile.NamedTemporaryFile("r", suffix=".log")
        self.process = subprocess.Popen(
            [*starter, binary, "serve", "--model", model, "--listen", listen, *options],
            stderr=open(self._log.name, "w"), stdout=subprocess.DEVNULL,
            env={**os.environ, **(env or {})}, pass_fds=pass_fds)
        self.port = None
        if wait:
            self.wait_ready()

    def wait_ready(self):
        deadline = time.time() + PATIENCE
        while time.time() < deadline:
            assert self.process.poll() is None, f"qwend ended: {self.log()}"
            found = re.search(r"listening on \S*:(\d+)", self.log())
            if found:
                self.port = int(found.group(1))
            if " ready in " in self.log():
                return
            time.sleep(0.02)
        raise AssertionError(f"not ready: {self.log()}")

    def log(self):
        with open(self._log.name) as file:
            return file.read()

    def wait_log(self, text):
        wait_until(lambda: text in self.log(), lambda: f"no {text!r}: {self.log()}")

    def stop(self, how=signal.SIGTERM):
        """The exit code after a signal."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._log.close()

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Client(connection)

    def ask(self, method, path, body=None, headers=None):
        """One request on a connection of its own; (status, headers, body)."""
        with self.connect() as client:
            client.send(request(method, path, body, headers))
            return client.response(head=method == "HEAD")

    def post(self, path, value):
        status, _, body = self.ask("POST", path, json.dumps(value).encode())
        return status, json.loads(body)

    def get(self, path, method="GET"):
        status, _, body = self.ask(method, path)
        return status, json.loads(body)

    def metric(self, name):
        _, _, body = self.ask("GET", "/metrics")
        found = re.findall(rf"^{re.escape(name)}\{{[^}}]*\}} (\S+)$", body.decode(), re.M)
        assert found, name
        return sum(map(float, found))

    def wait_metric(self, name, value):
        wait_until(lambda: self.metric(name) == value,
                   lambda: f"{name} is {self.metric(name)}, expected {value}")


def request(method, path, body=None, headers=None):
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/json"] if "Content-Type" not in (headers or {}) else []
        lines += [f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b"")


class Closed(Exception):
    """The server closed the connection where more was expected."""


class Client:
    """One connection, read as HTTP/1.1."""

    def __init__(self, connection):
        self.socket = connection
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data, byte_by_byte=False):
        try:
            if byte_by_byte:
                for i in range(len(data)):
                    self.socket.sendall(data[i:i + 1])
            else:
                self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before everything was sent; the answer tells

    def _more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Closed(self.buffer)
        self.buffer += data

    def _until(self, mark):
        while mark not in self.buffer:
            self._more()
        part, self.buffer = self.buffer.split(mark, 1)
        return part

    def _exactly(self, n):
        while len(self.buffer) < n:
            self._more()
        part, self.buffer = self.buffer[:n], self.buffer[n:]
        return part

    def head(self):
        lines = self._until(b"\r\n\r\n").decode().split("\r\n")
        headers = dict((k.lower(), v) for k, v in (line.split(": ", 1) for line in lines[1:]))
        return int(lines[0].split()[1]), headers

    def chunks(self):
        """The parts of a chunked body; raises Closed if it is cut off."""
        while True:
            size = int(self._until(b"\r\n"), 16)
            part = self._exactly(size)
            assert self._exactly(2) == b"\r\n"
            if size == 0:
                return
            yield part

    def response(self, head=False):
        status, headers = self.head()
        if head or status in (100, 204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, b"".join(self.chunks())
        return status, headers, self._exactly(int(headers["content-length"]))

    def events(self):
        """The data of server-sent events as they come, parsed but for [DONE]."""
        text = ""
        for part in self.chunks():
            text += part.decode()
            while "\n\n" in text:
                event, text = text.split("\n\n", 1)
                if event.startswith("data: "):
                    data = event[6:]
                    yield data if data == "[DONE]" else json.loads(data)

    def is_closed(self):
        """Whether the server closes without a further byte."""
        try:
            self._more()
        except Closed:
            return True
        return False
