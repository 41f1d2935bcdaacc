"""Server-sent events: order, text, usage, pings, and real curl."""

import json
import re
import socket
import subprocess
import threading
import time

from daemon_fixture import PATIENCE, Client, Daemon, request
from test_faults import Faulty


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


def test_deltas_are_the_whole_text(daemon, tmp_path):
    for question in ("介绍一下大模型", "How do I put qwend behind nginx?"):
        whole = daemon.post("/v1/chat/completions", chat(question))[1]["choices"][0]["message"]["content"]
        # Tokens that come together share an event: so there is one a step, and time between steps.
        with Faulty("launch-throws", tmp_path, "--no-speculation") as slow:
            events = stream(slow, "/v1/chat/completions", chat(question, stream_options={"include_usage": True}))
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
    assert json.loads(whole)["choices"][0]["message"]["content"] == "".join(
        json.loads(line[6:])["choices"][0]["delta"].get("content", "")
        for line in out.decode().split("\n\n") if line.startswith("data: {"))


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
        before, now, deadline = -1, 0, time.time() + PATIENCE
        while now != before or now == 0:
            assert time.time() < deadline, f"{now} tokens, and no end of it"
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


def test_shapes_of_chunks(daemon):
    """What OpenAI's types name is in every chunk, usage only where it was asked for."""
    fields = {"prompt": "Hello", "max_tokens": 4, "temperature": 0, "ignore_eos": True}
    for path, extra in (("/v1/completions", fields), ("/v1/chat/completions", chat("Hello", max_tokens=4))):
        plain = stream(daemon, path, {**extra, "stream_options": {"continuous_usage_stats": True}})
        assert len(plain) > 1 and not any("usage" in e for e in plain[:-1])
        asked = stream(daemon, path, {**extra, "stream_options": {"include_usage": True}})
        assert [e["usage"] for e in asked[:-2]] == [None] * len(asked[:-2])
        assert asked[-2]["usage"]["total_tokens"] > 4
        counted = stream(daemon, path, {**extra, "stream_options": {"include_usage": True,
                                                                    "continuous_usage_stats": True}})
        assert all(e["usage"]["prompt_tokens"] > 0 for e in counted[:-1])
        for event in plain[:-1]:
            assert event["choices"][0]["logprobs"] is None and "finish_reason" in event["choices"][0]
        ids = stream(daemon, path, {**extra, "return_token_ids": True})
        where = ids[0] if "chat" in path else ids[0]["choices"][0]
        assert where["prompt_token_ids"] and "prompt_token_ids" not in str(ids[1:])
        whole = daemon.post(path, {**extra, "return_token_ids": True})[1]
        assert (whole if "chat" in path else whole["choices"][0])["prompt_token_ids"] == where["prompt_token_ids"]


def test_seeds_and_cached_tokens_of_several_prompts(daemon):
    fields = {"max_tokens": 12, "temperature": 1.5, "seed": 7, "n": 2, "ignore_eos": True}
    both = daemon.post("/v1/completions", {**fields, "prompt": ["Once upon", "The cache"]})[1]["choices"]
    alone = daemon.post("/v1/completions", {**fields, "prompt": "The cache"})[1]["choices"]
    assert [c["text"] for c in both[2:]] == [c["text"] for c in alone]
    prompt = "A prompt that is long enough to fill several blocks of the cache. " * 8
    for _ in range(2):
        usage = daemon.post("/v1/completions", {"prompt": prompt, "max_tokens": 5, "ignore_eos": True})[1]["usage"]
    assert usage["completion_tokens"] == 5
    assert usage["prompt_tokens_details"]["cached_tokens"] > 50


def test_echo_is_the_text_of_the_client(daemon):
    prompt = "e\u0301 \u212b ﬁ"  # not in normal form C
    fields = {"prompt": prompt, "max_tokens": 2, "echo": True, "temperature": 0}
    whole = daemon.post("/v1/completions", fields)[1]["choices"][0]["text"]
    assert whole.startswith(prompt)
    events = stream(daemon, "/v1/completions", fields)
    assert "".join(e["choices"][0]["text"] for e in events[:-1]) == whole
    ids = daemon.post("/tokenize", {"prompt": "Hello you"})[1]["tokens"]
    assert daemon.post("/v1/completions", {**fields, "prompt": ids})[1]["choices"][0]["text"].startswith("Hello you")
    assert daemon.post("/v1/completions", {**fields, "prompt": ids, "truncate_prompt_tokens": 1})[1][
        "choices"][0]["text"].startswith(" you")


def test_a_prompt_is_truncated_to_what_the_context_allows():
    text = "Hello you " * 200
    with Daemon("--max-context", "128") as daemon:
        def usage(path, **fields):
            status, answer = daemon.post(path, {"truncate_prompt_tokens": -1, "ignore_eos": True, **fields})
            return answer["usage"] if status == 200 else answer["error"]

        assert usage("/v1/completions", prompt=text, max_tokens=28)["prompt_tokens"] == 100
        assert usage("/v1/completions", prompt=text)["prompt_tokens"] == 128 - 16
        assert usage("/v1/completions", prompt="Hello", max_tokens=2)["prompt_tokens"] < 10
        chat = usage("/v1/chat/completions", messages=[{"role": "user", "content": text}])
        assert (chat["prompt_tokens"], chat["completion_tokens"]) == (127, 1)
        assert usage("/v1/completions", prompt=text, max_tokens=128)["code"] == "context_length_exceeded"
        for wrong in 0, -2, "x":
            found = usage("/v1/completions", prompt=text, truncate_prompt_tokens=wrong)
            assert found["param"] == "truncate_prompt_tokens" and "expected -1" in found["message"]


def test_one_line_a_request():
    """Whatever ends it: id, method, path, status, times; tokens and the end of a generation."""
    with Daemon("--log-level", "info", "--max-sequences", "2") as daemon:
        def lines():
            return [line.split("info: ", 1)[-1].split(" ") for line in daemon.log().splitlines()]

        def line_of(request_id):
            deadline = time.time() + PATIENCE
            while time.time() < deadline:
                found = [" ".join(line) for line in lines() if request_id in line]
                if found:
                    assert len(found) == 1
                    return found[0][found[0].index(request_id) + len(request_id) + 1:]
                time.sleep(0.02)
            raise AssertionError(daemon.log())

        def ask(request_id, method, path, body=None):
            daemon.ask(method, path, body, {"X-Request-Id": request_id})
            return line_of(request_id)

        chat_body = json.dumps(chat("Hello", max_tokens=3, n=2)).encode()
        done = ask("r-done", "POST", "/v1/chat/completions", chat_body)
        assert re.fullmatch(r"POST /v1/chat/completions 200 prompt_tokens=\d+ cached_tokens=0 completion_tokens=\d+ "
                            r"finish=\w+,\w+ queue_ms=\S+ ttft_ms=\S+ total_ms=\S+", done), done
        again = ask("r-again", "POST", "/v1/chat/completions", chat_body)  # its prompt is in the cache now
        assert int(re.search(r" cached_tokens=(\d+) ", again)[1]) >= 16, again
        assert re.match(r"POST /v1/chat/completions 400 total_ms=", ask("r-bad", "POST", "/v1/chat/completions", b"{"))
        assert re.match(r"GET /nowhere 404 ", ask("r-404", "GET", "/nowhere?key=secret"))
        assert re.match(r"GET /v1/models 200 ", ask("r-models", "GET", "/v1/models"))
        assert re.match(r"DELETE /v1/models 405 ", ask("r-405", "DELETE", "/v1/models"))
        daemon.ask("GET", "/health", None, {"X-Request-Id": "r-health"})

        long = json.dumps({"prompt": "x", "max_tokens": 3000, "ignore_eos": True, "stream": True}).encode()
        with daemon.connect() as client:
            client.send(request("POST", "/v1/completions", long, {"X-Request-Id": "r-gone"}))
            assert client.head()[0] == 200
        assert re.match(r"POST /v1/completions 200 .* finish=cancelled ", line_of("r-gone"))
        with daemon.connect() as client:
            client.send(request("POST", "/v1/completions", long.replace(b"true}", b"false}"),
                                {"X-Request-Id": "r-499"}))
            daemon.wait_metric("qwend:num_requests_running", 1)
        assert re.match(r"POST /v1/completions 499 .* finish=cancelled ", line_of("r-499"))
        assert daemon.stop() == 0
        assert "secret" not in daemon.log() and "r-health" not in daemon.log()


def test_a_long_document_is_sent_while_it_grows(daemon):
    """Megabytes of logprobs are neither kept nor made at once; the document says what a stream does."""
    fields = chat("Tell me everything", max_tokens=900, ignore_eos=True, logprobs=True, top_logprobs=20)
    status, headers, body = daemon.ask("POST", "/v1/chat/completions", json.dumps(fields).encode())
    assert status == 200 and headers["content-type"] == "application/json"
    assert len(body) > 1 << 20 and headers.get("transfer-encoding") == "chunked"
    choice = json.loads(body)["choices"][0]
    assert len(choice["logprobs"]["content"]) == 900
    events = stream(daemon, "/v1/chat/completions", {**fields, "top_logprobs": 0})
    assert text_of(events) == choice["message"]["content"]
    tokens = [t["token"] for e in events[:-1] for t in (e["choices"][0]["logprobs"] or {"content": []})["content"]]
    assert tokens == [t["token"] for t in choice["logprobs"]["content"]]


def test_reasoning_is_apart(daemon):
    begun = {"messages": [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "<think>\n"}],
             "add_generation_prompt": False, "continue_final_message": True, "temperature": 0, "max_tokens": 20}
    text = daemon.post("/v1/chat/completions", begun)[1]["choices"][0]["message"]["content"]
    assert text.strip("\n")
    with Daemon("--reasoning-format", "think", "--tool-format", "none") as thinker:
        answer = thinker.post("/v1/chat/completions", begun)[1]
        message = answer["choices"][0]["message"]
        assert message["reasoning"] == message["reasoning_content"] and message["content"] == ""
        assert message["reasoning"].strip("\n") == text.strip("\n")
        # All but the token that ends it.
        tokens = answer["usage"]["completion_tokens"] - (answer["choices"][0]["finish_reason"] == "stop")
        assert answer["usage"]["completion_tokens_details"] == {"reasoning_tokens": tokens}
        deltas = [c["delta"] for e in stream(thinker, "/v1/chat/completions", begun)[:-1] for c in e["choices"]]
        for name in "reasoning", "reasoning_content":
            assert "".join(delta.get(name, "") for delta in deltas) == message["reasoning"]
        quiet = thinker.post("/v1/chat/completions", {**begun, "include_reasoning": False})[1]
        assert set(quiet["choices"][0]["message"]) == {"role", "content", "refusal"}
        # A text is what was generated, and a call is text where nothing is said to look for.
        tool = {"type": "function", "function": {"name": "get_weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}}}}
        asked = thinker.post("/v1/chat/completions", chat("What is the weather in Paris?", tools=[tool]))[1]
        assert "<tool_call>" in asked["choices"][0]["message"]["content"]
        assert asked["choices"][0]["finish_reason"] == "stop"
