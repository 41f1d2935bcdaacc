"""Server-sent events: order, text, usage, pings, and real curl."""

import json
import socket
import subprocess
import threading
import time

from daemon_fixture import Client, Daemon, request


def stream(daemon, path, fields):
    with daemon.connect() as client:
        client.send(request("POST", path, json.dumps({**fields, "stream": True}).encode()))
        status, headers = client.head()
        assert status == 200 and headers["content-type"].startswith("text/event-stream")
        assert headers["x-accel-buffering"] == "no" and headers["cache-control"] == "no-cache"
        return list(client.events())


def chat(content, **fields):
    return {"messages": [{"role": "user", "content": content}], "temperature": 0, **fields}


def text_of(events, index=0):
    return "".join(c["delta"].get("content", "") for e in events[:-1] for c in e["choices"]
                   if c["index"] == index)


def test_deltas_are_the_whole_text(daemon):
    for question in ("介绍一下大模型", "How do I put qwend behind nginx?"):
        whole = daemon.post("/v1/chat/completions", chat(question))[1]["choices"][0]["message"]["content"]
        events = stream(daemon, "/v1/chat/completions", chat(question, stream_options={"include_usage": True}))
        assert events[-1] == "[DONE]"
        assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
        assert events[0]["object"] == "chat.completion.chunk"
        assert events[-2]["choices"] == [] and events[-2]["usage"]["completion_tokens"] > 20
        assert events[-3]["choices"][0]["finish_reason"] == "stop"
        assert events[-3]["choices"][0]["stop_reason"] is None
        assert len(events) > 20 and text_of(events) == whole
        assert "\ufffd" not in whole
        assert len({e["id"] for e in events[:-1]}) == 1


def test_text_completion_stream(daemon):
    fields = {"prompt": "Hello", "max_tokens": 8, "temperature": 0, "ignore_eos": True}
    whole = daemon.post("/v1/completions", fields)[1]["choices"][0]["text"]
    events = stream(daemon, "/v1/completions", {**fields, "logprobs": 1})
    assert "".join(e["choices"][0]["text"] for e in events[:-1]) == whole
    tokens = [t for e in events[:-1] if e["choices"][0].get("logprobs")
              for t in e["choices"][0]["logprobs"]["tokens"]]
    assert "".join(tokens) == whole and len(tokens) == 8


def test_several_choices(daemon):
    fields = chat("Tell me a joke", n=3, temperature=1.3, seed=5, max_tokens=30)
    whole = daemon.post("/v1/chat/completions", fields)[1]["choices"]
    events = stream(daemon, "/v1/chat/completions", fields)
    for choice in whole:
        assert text_of(events, choice["index"]) == choice["message"]["content"]


def test_tool_calls_stream(daemon):
    tool = {"type": "function", "function": {
        "name": "get_time", "description": "Get the current time in a timezone",
        "parameters": {"type": "object", "required": ["timezone"], "properties": {
            "timezone": {"type": "string", "description": "IANA timezone, e.g. Europe/Paris"}}}}}
    events = stream(daemon, "/v1/chat/completions", chat("What time is it in London?", tools=[tool]))
    deltas = [c["delta"]["tool_calls"][0] for e in events[:-1] for c in e["choices"] if "tool_calls" in c["delta"]]
    assert deltas[0]["function"] == {"name": "get_time", "arguments": ""} and deltas[0]["id"]
    assert json.loads("".join(d["function"]["arguments"] for d in deltas)) == {"timezone": "Europe/London"}
    assert events[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_stop_string_is_never_shown(daemon):
    full = daemon.post("/v1/chat/completions", chat("Who are you?"))[1]["choices"][0]["message"]["content"]
    stop = full[15:25]
    events = stream(daemon, "/v1/chat/completions", chat("Who are you?", stop=[stop]))
    assert text_of(events) == full[:full.index(stop)]
    assert events[-2]["choices"][0]["stop_reason"] == stop


def test_ping_while_waiting():
    with Daemon("--max-sequences", "1", "--ping-interval", "0.1") as daemon:
        long = json.dumps({"prompt": "x", "max_tokens": 3000, "ignore_eos": True}).encode()
        with daemon.connect() as first, daemon.connect() as second:
            first.send(request("POST", "/v1/completions", long))
            daemon.wait_metric("qwend:num_requests_running", 1)
            second.send(request("POST", "/v1/completions", json.dumps(
                {"prompt": "y", "max_tokens": 2, "stream": True}).encode()))
            assert second.head()[0] == 200
            parts = [p.decode() for p in second.chunks()]
            assert parts[0].startswith(": ping\n\n") and parts[-1].endswith("data: [DONE]\n\n")


def test_curl(daemon):
    body = json.dumps(chat("你好", stream=True))
    url = f"http://127.0.0.1:{daemon.port}/v1/chat/completions"
    out = subprocess.run(["curl", "-sN", url, "-d", body], capture_output=True, timeout=60, check=True).stdout
    assert out.startswith(b"data: {") and out.endswith(b"data: [DONE]\n\n")
    whole = subprocess.run(["curl", "-s", url, "-d", json.dumps(chat("你好"))], capture_output=True,
                           timeout=60, check=True).stdout
    assert json.loads(whole)["choices"][0]["message"]["content"]


def test_many_streams_answer_as_alone(daemon):
    questions = ["介绍一下大模型", "Who are you?", "How do I install qwend?", "你好", "What is a token?",
                 "怎么看日志？", "Tell me a joke", "What is the KV cache?"] * 4
    alone = {q: daemon.post("/v1/chat/completions", chat(q))[1]["choices"][0]["message"]["content"]
             for q in set(questions)}
    sampled = dict(temperature=1.0, seed=11, max_tokens=40)
    alone_sampled = daemon.post("/v1/chat/completions", chat("写一首诗", **sampled))[1]["choices"][0]["message"]
    answers, extra = [None] * len(questions), []

    def ask(i):
        answers[i] = text_of(stream(daemon, "/v1/chat/completions", chat(questions[i])))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(len(questions))]
    threads.append(threading.Thread(target=lambda: extra.append(
        text_of(stream(daemon, "/v1/chat/completions", chat("写一首诗", **sampled))))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [alone[q] for q in questions]
    assert extra == [alone_sampled["content"]]


def test_a_client_that_does_not_read_is_waited_for(tmp_path):
    """Its sequences are held while too much is unread, others go on, and it misses nothing. On a unix socket,
    whose buffer is 208 KiB: TCP's grows to megabytes."""
    path = str(tmp_path / "q.sock")
    fields = {"prompt": "Hello", "max_tokens": 400, "n": 4, "seed": 1, "ignore_eos": True, "logprobs": 20}
    with Daemon("--listen", f"unix:{path}", "--write-timeout", "80") as daemon, \
            socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.settimeout(80)
        slow = Client(connection)
        slow.send(request("POST", "/v1/completions", json.dumps({**fields, "stream": True}).encode()))
        before, now = -1, 0
        while now != before or now == 0:
            time.sleep(0.3)
            before, now = now, daemon.metric("qwend:generation_tokens_total")
        assert now < 1600  # it stopped before the end
        assert daemon.post("/v1/completions", {"prompt": "Hello", "max_tokens": 3, "ignore_eos": True})[0] == 200
        assert slow.head()[0] == 200
        events = list(slow.events())
        assert events[-1] == "[DONE]"
        whole = daemon.post("/v1/completions", fields)[1]["choices"]
        for index in range(4):
            assert whole[index]["text"] == "".join(c["text"] for e in events[:-1] for c in e["choices"]
                                                   if c["index"] == index)
