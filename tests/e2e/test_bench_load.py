"""bench-load against a server that says what it is told to, and against the daemon. No figure that is a time is
looked at."""

import http.server
import json
import os
import socket
import subprocess
import tempfile
import threading

import pytest
from daemon_fixture import BINARY, PATIENCE, Daemon

BENCH_LOAD = os.path.join(os.path.dirname(BINARY), "bench-load")


def event(value):
    return b"data: " + (value if isinstance(value, bytes) else json.dumps(value).encode()) + b"\n\n"


def text_event(text, ids=None, finish=None):
    more = {} if ids is None else {"token_ids": ids}
    return event({"object": "text_completion", "usage": None,
                  "choices": [{"index": 0, "text": text, "finish_reason": finish, **more}]})


def chat_event(delta, finish=None):
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def usage_event(prompt, completion, cached=0):
    return event({"choices": [], "usage": {"prompt_tokens": prompt, "completion_tokens": completion,
                                           "prompt_tokens_details": {"cached_tokens": cached}}})


DONE = event(b"[DONE]")


class FakeServer:
    """Answers each request with what `answer(body)` returns: pieces of a stream, or a status and a body."""

    def __init__(self, answer, how="chunked"):
        self.bodies, self.heads, self.at_once, self.most_at_once = [], [], 0, 0
        lock, fake = threading.Lock(), self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0" if how == "until-end" else "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with lock:
                    fake.bodies.append(body)
                    fake.heads.append((self.path, dict(self.headers)))
                    fake.at_once += 1
                    fake.most_at_once = max(fake.most_at_once, fake.at_once)
                said = answer(body)
                with lock:
                    fake.at_once -= 1  # before its end can be seen
                if isinstance(said, tuple):
                    self.send_response(said[0])
                    self.send_header("Content-Length", str(len(said[1])))
                    self.end_headers()
                    self.wfile.write(said[1])
                    return
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                if how != "until-end":
                    self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in said:
                    self.wfile.write(part if how == "until-end" else b"%x\r\n%s\r\n" % (len(part), part))
                if how == "cut":
                    self.connection.shutdown(socket.SHUT_RDWR)
                elif how != "until-end":
                    self.wfile.write(b"0\r\n\r\n")
                if how == "forgetful":  # closes, and has not said that it would
                    self.close_connection = True

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # a client that left

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.01], daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def four_tokens(_):
    return [text_event(" a"), text_event(" b"), text_event(" c"), text_event(" d", finish="length"),
            usage_event(5, 4), DONE]


def load(port, *options, code=0, warmups=0):
    """What bench-load prints, and its figures."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as results:
        done = subprocess.run([BENCH_LOAD, "--port", str(port), "--num-warmups", str(warmups), "--result-filename",
                               results.name, *options], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == code, done.stdout + done.stderr
        text = results.read()
        return done.stdout + done.stderr, json.loads(text) if text else None


def test_tokens_are_what_usage_says_and_events_are_counted_beside_them():
    def answer(_):
        return [text_event(" a b"), text_event(" c d e"), text_event("", finish="length"), usage_event(7, 5, 4), DONE]

    with FakeServer(answer) as server:
        said, figures = load(server.port, "-n", "6", "-c", "2")
    assert (figures["completed"], figures["failed"]) == (6, 0)
    assert (figures["total_output_tokens"], figures["output_events"]) == (30, 12)
    assert (figures["total_input_tokens"], figures["total_cached_tokens"]) == (42, 24)
    assert figures["requests_without_usage"] == 0
    assert "output tokens 30 in 12 events, 2.50 tokens an event" in said


def test_without_usage_events_are_tokens():
    with FakeServer(lambda _: four_tokens(_)[:4]) as server:
        said, figures = load(server.port, "-n", "3")
    assert (figures["total_output_tokens"], figures["requests_without_usage"]) == (12, 3)
    assert "of 3 requests the server gave no usage" in said


@pytest.mark.parametrize("how", ["chunked", "until-end", "forgetful"])
@pytest.mark.parametrize("size", [1, 7, 100000])
def test_streams_however_they_come(how, size):
    def answer(_):
        stream = b": a comment\n\n" + b"".join(four_tokens(_)).replace(b"\n", b"\r\n" if size == 7 else b"\n")
        return [stream[at:at + size] for at in range(0, len(stream), size)]

    with FakeServer(answer, how) as server:
        _, figures = load(server.port, "-n", "8", "-c", "2", "--save-detailed")
    assert (figures["completed"], figures["total_output_tokens"], figures["output_events"]) == (8, 32, 32)
    assert [len(gaps) for gaps in figures["itls"]] == [3] * 8
    assert figures["input_lens"] == [5] * 8 and figures["output_lens"] == [4] * 8


def test_what_opens_and_closes_a_chat_is_no_token():
    def answer(_):
        return [chat_event({"role": "assistant", "content": ""}), chat_event({"content": "Hi"}),
                chat_event({"content": ""}), chat_event({"content": "!"}), chat_event({}, "stop"), usage_event(9, 3),
                DONE]

    with FakeServer(answer) as server:
        _, figures = load(server.port, "-n", "4", "--api", "chat")
    assert (figures["total_output_tokens"], figures["output_events"]) == (12, 12)
    assert {path for path, _ in server.heads} == {"/v1/chat/completions"}


def test_tokens_that_have_no_text_are_no_failure():
    with FakeServer(lambda _: [text_event("", finish="length"), usage_event(5, 4), DONE]) as server:
        _, figures = load(server.port, "-n", "2")
    assert (figures["completed"], figures["total_output_tokens"], figures["output_events"]) == (2, 8, 2)


def test_bodies_hold_what_was_asked_for():
    with FakeServer(four_tokens) as server:
        load(server.port, "-n", "1", "--input-len", "20", "--output-len", "6", "--temperature", "0.5", "--api-key", "k")
        load(server.port, "-n", "1", "--no-seed", "--no-ignore-eos", "--model", "m", "--api", "text", "--extra",
             '{"temperature": 0.7, "stop": ["x"]}', "--endpoint", "/at/v1/completions")
    first, second = server.bodies
    assert isinstance(first.pop("seed"), int) and len(first.pop("prompt")) == 20
    assert first == {"max_tokens": 6, "temperature": 0.5, "ignore_eos": True, "stream": True,
                     "stream_options": {"include_usage": True}}
    assert len(second.pop("prompt").split()) == 32
    assert second == {"max_tokens": 128, "temperature": 0.7, "stop": ["x"], "model": "m", "stream": True,
                      "stream_options": {"include_usage": True}}
    assert server.heads[0][1]["Authorization"] == "Bearer k"
    assert [path for path, _ in server.heads] == ["/v1/completions", "/at/v1/completions"]


def test_lengths_and_prefixes_are_what_was_asked_for_and_a_seed_repeats_them():
    options = ["-n", "40", "-c", "1", "--input-len", "uniform:3:9", "--output-len", "lognormal:20:0.7:40",
               "--shared-prefix", "12", "--prefix-groups", "4"]
    bodies = []
    for seed in "1", "1", "2":
        with FakeServer(four_tokens) as server:
            load(server.port, *options, "--seed", seed)
        bodies.append(server.bodies)
    assert bodies[0] == bodies[1] != bodies[2]
    prompts = [body["prompt"] for body in bodies[0]]
    assert {len(prompt) - 12 for prompt in prompts} == set(range(3, 10))
    assert len({tuple(prompt[:12]) for prompt in prompts}) == 4
    assert len({tuple(prompt[12:]) for prompt in prompts}) == 40
    lengths = {body["max_tokens"] for body in bodies[0]}
    assert len(lengths) > 10 and 1 <= min(lengths) and max(lengths) <= 40


def test_a_closed_loop_keeps_to_its_concurrency():
    with FakeServer(four_tokens) as server:
        _, figures = load(server.port, "-n", "30", "-c", "3")
    assert len(server.bodies) == 30 and server.most_at_once <= 3
    assert figures["max_concurrency"] == 3 and "request_rate" not in figures


@pytest.mark.parametrize("rate", ["inf", "2000"])
def test_an_open_loop_waits_for_no_answer(rate):
    all_are_there = threading.Barrier(20, timeout=PATIENCE)

    def answer(_):
        all_are_there.wait()
        return four_tokens(_)

    with FakeServer(answer) as server:
        said, figures = load(server.port, "-n", "20", "--request-rate", rate, "--save-detailed")
    assert (figures["completed"], figures["max_concurrent_requests"]) == (20, 20)
    assert figures["max_lateness_ms"] >= 0 and "late by" in said
    starts = sorted(figures["start_times"])  # the schedule's, whenever the answers came
    assert starts[-1] == (0 if rate == "inf" else pytest.approx(20 / 2000))


def test_warmups_come_before_and_are_not_counted():
    with FakeServer(four_tokens) as server:
        _, figures = load(server.port, "-n", "5", warmups=3)
    assert len(server.bodies) == 8 and (figures["completed"], figures["total_output_tokens"]) == (5, 20)


def test_turns_of_ids_carry_the_ids_that_were_answered():
    def answer(body):
        assert body["return_token_ids"] is True
        return [text_event("", [11]), text_event("x", [12, 13], "length"), usage_event(len(body["prompt"]), 3), DONE]

    with FakeServer(answer) as server:
        _, figures = load(server.port, "-n", "2", "-c", "1", "--turns", "3", "--input-len", "4")
    assert (figures["completed"], figures["turns"]) == (6, 3)
    prompts = [body["prompt"] for body in server.bodies]
    assert [len(prompt) for prompt in prompts] == [4, 11, 18] * 2
    for before, after in zip(prompts, prompts[1:]):
        if len(after) > 4:
            assert after[:len(before) + 3] == before + [11, 12, 13]
    assert prompts[0] != prompts[3]


def test_turns_of_text_and_chats_carry_the_text_that_was_answered():
    text = ' "é"\n\\ \U0001F600'

    def answer(body):
        if "messages" in body:
            return [chat_event({"role": "assistant", "content": ""}), chat_event({"content": text}),
                    chat_event({"content": text}, "length"), usage_event(1, 2), DONE]
        return [text_event(text), text_event(text, finish="length"), usage_event(1, 2), DONE]

    for api in "text", "chat":
        with FakeServer(answer) as server:
            _, figures = load(server.port, "-n", "1", "--turns", "2", "--api", api)
        assert figures["completed"] == 2
        first, second = server.bodies
        if api == "text":
            assert second["prompt"].startswith(first["prompt"] + text + text + " ")
        else:
            assert second["messages"][:2] == first["messages"] + [{"role": "assistant", "content": text + text}]
            assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]


def test_a_failed_turn_ends_its_conversation():
    with FakeServer(four_tokens) as server:  # which gives no ids
        said, figures = load(server.port, "-n", "2", "--turns", "3", code=1)
    assert (figures["completed"], figures["failed"], len(server.bodies)) == (0, 6, 2)
    assert "no token_ids in the stream" in said and "failed, 4 of them: not begun" in said


@pytest.mark.parametrize("answer, how, why", [
    (lambda _: (429, b'{"error":"busy"}'), "chunked", 'status 429: {"error":"busy"}'),
    (lambda _: [text_event("a"), event({"error": {"message": "no memory"}}), DONE], "chunked", "no memory"),
    (lambda _: [usage_event(3, 0), DONE], "chunked", "no token in the stream"),
    (lambda _: [text_event("a")], "cut", "connection: "),
])
def test_failures_are_counted_and_said(answer, how, why):
    with FakeServer(answer, how) as server:
        said, figures = load(server.port, "-n", "3", code=1)
        assert (figures["completed"], figures["failed"]) == (0, 3)
        assert "failed, 3 of them" in said and why in said
        said, figures = load(server.port, "-n", "3", code=1, warmups=1)
        assert "a warm-up request failed" in said and why in said and figures is None


def test_nobody_there():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        said, figures = load(taken.getsockname()[1], "-n", "3", code=1)
    assert figures["failed"] == 3 and "connection refused" in said


def test_a_server_that_never_answers_is_given_up():
    over = threading.Event()

    def answer(_):
        over.wait(PATIENCE)
        return four_tokens(_)

    with FakeServer(answer) as server:
        said, figures = load(server.port, "-n", "4", "-c", "2", "--time-limit", "0.3", code=1)
        over.set()
    assert (figures["completed"], figures["failed"]) == (0, 4) and "the time limit is reached" in said


def test_goodput_counts_requests_that_keep_it():
    with FakeServer(four_tokens) as server:
        said, figures = load(server.port, "-n", "4", "--goodput", "ttft:1000000,tpot:1000000")
        assert figures["request_goodput"] == figures["request_throughput"] and "goodput" in said
        assert load(server.port, "-n", "4", "--goodput", "e2el:0")[1]["request_goodput"] == 0
        assert load(server.port, "-n", "4")[1]["request_goodput"] is None


@pytest.mark.parametrize("api", ["ids", "text", "chat"])
def test_the_daemon(api):
    with Daemon() as daemon:
        _, figures = load(daemon.port, "--api", api, "-n", "8", "-c", "4", "--input-len", "40", "--output-len", "12",
                          "--turns", "2", "--shared-prefix", "64", "--prefix-groups", "2", "--no-seed", warmups=2)
    assert (figures["completed"], figures["failed"], figures["total_output_tokens"]) == (16, 0, 16 * 12)
    assert 0 < figures["output_events"] <= 16 * 12 and figures["total_cached_tokens"] > 0
    if api == "ids":
        assert figures["total_input_tokens"] == 8 * (64 + 40) + 8 * (64 + 40 + 12 + 40)
    for name in "ttft", "tpot", "itl", "e2el":
        assert 0 <= figures[f"p50_{name}_ms"] <= figures[f"p90_{name}_ms"] <= figures[f"p99_{name}_ms"]
