"""What a page of qwend's may lie behind: a proxy under a path, which hands on to a daemon what the test does not
answer in its place."""

import http.client
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PREFIX = "/llm"
MODEL_STATUS = {"id": "demo-model", "state": "ready", "task": "chat", "device": "CPU", "max_model_len": 4096, "running": 0,
                "waiting": 0, "kv_cache_usage": 0.25, "kv_blocks": 100, "generated_tokens": 12}
USAGE = {"prompt_tokens": 20, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}}


class PageServer:
    """`scripted` has functions of (handler, body) by path; they are called in place of the daemon."""

    def __init__(self, daemon):
        self.daemon, self.scripted, self.asked = daemon, {}, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def serve(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path = self.path.removeprefix(PREFIX) or "/"
                outer.asked.append((self.command, path, dict(self.headers), body))
                if self.path == path:
                    return respond(self, 404, {"error": {"message": "not below the prefix"}})
                if path in outer.scripted:
                    return outer.scripted[path](self, body)
                outer.hand_on(self, path, body)

            do_GET = do_POST = do_HEAD = serve

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self._server.server_port}"
        self.url = self.origin + PREFIX + "/"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def hand_on(self, handler, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.daemon.port)
        headers = {name: value for name, value in handler.headers.items() if name not in ("Host", "Connection")}
        connection.request(handler.command, path, body, headers)
        answer = connection.getresponse()
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Connection", "Date", "Content-Length", "Transfer-Encoding"):
                handler.send_header(name, value)
        handler.send_header("Connection", "close")
        handler.end_headers()
        try:
            while part := answer.read1(65536):
                handler.wfile.write(part)
        except OSError:
            pass  # the browser has gone, and now the daemon's client
        connection.close()
        handler.close_connection = True

    def bodies(self):
        return [json.loads(body) for _, path, _, body in self.asked if path == "/v1/chat/completions"]


def respond(handler, status, value, **headers):
    body = json.dumps(value).encode()
    handler.send_response(status)
    for name, text in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), text)
    handler.end_headers()
    handler.wfile.write(body)


def status(*models, state="ready"):
    """A script for /status."""
    told = {"state": state, "version": "1", "uptime": 90000, "models": [{**MODEL_STATUS, **model} for model in models or ({},)]}
    return lambda handler, _: respond(handler, 200, told)


def error(code, message="no", name="", **headers):
    return lambda handler, _: respond(handler, code, {"error": {"message": message, "code": name}}, **headers)


def delta(**what):
    return {"choices": [{"index": 0, "delta": what, "finish_reason": None}]}


def stream(*events, done=True, reason="stop", pause=None):
    """A script that answers with events; a string is a text. `pause()` is called between them."""
    def script(handler, _):
        handler.close_connection = True
        try:
            send(handler)
        except OSError:
            pass  # the page has gone, or stopped the answer

    def send(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Connection", "close")
        handler.end_headers()
        end = [{"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}, {"choices": [], "usage": USAGE}]
        for event in [*events, *(end if done else [])]:
            event = delta(content=event) if isinstance(event, str) else event
            handler.wfile.write(f"data: {json.dumps(event)}\n\n".encode())
            handler.wfile.flush()
            if pause:
                pause()
        if done:
            handler.wfile.write(b"data: [DONE]\n\n")

    return script
