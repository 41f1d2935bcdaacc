"""OpenAI's own SDK where not all goes well: what it tries again by itself, and what it tells its caller."""

import signal
import threading
import time

import pytest
from daemon_fixture import Daemon, wait_until

openai = pytest.importorskip("openai", reason="the package openai is not installed")

HELLO = [{"role": "user", "content": "Hello"}]
# As long as the context has room for, which is seconds where nothing is guessed.
ENDLESS = {"max_tokens": 4000, "extra_body": {"ignore_eos": True}, "stream": True}


def client_of(port, **options):
    return openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", **{"max_retries": 0, **options})


def chat(client, **fields):
    return client.chat.completions.create(model="demo-model", messages=HELLO, **{"max_tokens": 3, **fields})


def in_background(ask):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    return thread, answers


def test_who_is_refused_asks_again_when_told():
    with Daemon("--max-sequences", "1", "--max-queue", "1", "--no-speculation") as daemon:
        first = chat(client_of(daemon.port), **ENDLESS)
        waiting, _ = in_background(lambda: chat(client_of(daemon.port), **ENDLESS).close())
        daemon.wait_metric("qwend:num_requests_waiting", 1)
        with pytest.raises(openai.RateLimitError) as refused:
            chat(client_of(daemon.port))
        assert 0 < int(refused.value.response.headers["retry-after"]) <= 120  # it heeds no longer one
        asking, answers = in_background(lambda: chat(client_of(daemon.port, max_retries=30)))
        wait_until(lambda: daemon.log().count(" 429 ") >= 3, daemon.log)
        first.close()
        for thread in waiting, asking:
            thread.join(60)
        assert answers[0].choices


def test_who_asks_too_early_is_answered_later():
    with Daemon(wait=False) as daemon:
        wait_until(lambda: "listening on" in daemon.log(), daemon.log)
        port = int(daemon.log().split("listening on 127.0.0.1:")[1].split()[0])
        assert chat(client_of(port, max_retries=9)).choices


def test_a_connection_that_was_closed_is_not_an_error():
    with Daemon("--keepalive-timeout", "0.2") as daemon:
        client = client_of(daemon.port)
        for _ in range(3):
            assert chat(client).choices
            time.sleep(0.5)


def test_a_daemon_that_comes_back():
    with Daemon() as daemon:
        client = client_of(daemon.port, max_retries=20)
        assert chat(client).choices
        daemon.stop(signal.SIGKILL)
        with pytest.raises(openai.APIConnectionError):
            chat(client.with_options(max_retries=0))
        asking, answers = in_background(lambda: chat(client))
        with Daemon(listen=f"127.0.0.1:{daemon.port}"):
            asking.join(60)
            assert answers[0].choices


def test_a_stream_that_is_cut_is_an_error():
    for how, options in (signal.SIGKILL, ()), (signal.SIGTERM, ("--drain-timeout", "0.2")):
        with Daemon(*options) as daemon:
            stream = chat(client_of(daemon.port), **ENDLESS)
            next(stream)
            with pytest.raises(Exception) as cut:
                for n, _ in enumerate(stream):
                    if n == 0:
                        daemon.process.send_signal(how)
            # httpx's own error where nothing more comes, and OpenAI's where the daemon says why
            assert "complete message body" in str(cut.value) or isinstance(cut.value, openai.APIError)
            if how == signal.SIGTERM:
                assert isinstance(cut.value, openai.APIError) and "shutting down" in str(cut.value)
