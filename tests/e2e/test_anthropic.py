"""Anthropic's Messages dialect: messages and their events, tools, keys, errors."""

import json
import threading
import time

from daemon_fixture import Closed, Daemon, request
from test_faults import Faulty

WEATHER = {"name": "get_weather", "description": "Get the current weather of a city",
           "input_schema": {"type": "object", "properties": {"city": {"type": "string",
                                                                      "description": "Name of the city"}},
                            "required": ["city"]}}
PARIS = "What is the weather in Paris?"


def message(content="Hello", **fields):
    messages = content if isinstance(content, list) else [{"role": "user", "content": content}]
    return {"model": "demo-model", "max_tokens": 200, "temperature": 0, "messages": messages, **fields}


def parse(text):
    """Events as Anthropic's SDKs read them: those without a name are dropped."""
    events = []
    for event in text.split("\n\n")[:-1]:
        name, data = event.split("\n")
        value = json.loads(data.removeprefix("data: "))
        assert name == "event: " + value["type"]
        events.append(value)
    return events


def stream(daemon, fields, path="/v1/messages"):
    status, headers, body = daemon.ask("POST", path, json.dumps({**fields, "stream": True}).encode())
    assert status == 200 and headers["content-type"].startswith("text/event-stream"), body
    return parse(body.decode())


def accumulate(events):
    """The message that a client makes of its events."""
    assert events[0]["type"] == "message_start" and events[-1] == {"type": "message_stop"}
    answer, parts = events[0]["message"], []
    for event in events[1:-1]:
        if event["type"] == "content_block_start":
            assert event["index"] == len(answer["content"])
            answer["content"].append(event["content_block"])
            parts = []
        elif event["type"] == "content_block_delta":
            assert event["index"] == len(answer["content"]) - 1
            parts.append(event["delta"].get("text", event["delta"].get("partial_json")))
        elif event["type"] == "content_block_stop":
            block = answer["content"][event["index"]]
            if block["type"] == "text":
                block["text"] += "".join(parts)
            else:
                block["input"] = json.loads("".join(parts))
        else:
            assert event["type"] == "message_delta"
            answer.update(event["delta"], usage=event["usage"])
    return answer


def said(answer):
    """All but what differs from one answer to the next."""
    content = [{k: v for k, v in block.items() if k != "id"} for block in answer["content"]]
    return content, answer["stop_reason"], answer["stop_sequence"], answer["usage"]["output_tokens"]


def test_a_message_is_what_its_events_say(daemon):
    for fields in (message(), message("介绍一下大模型"), message(max_tokens=3),
                   message("How do I put qwend behind nginx?", stop_sequences=["nginx"]),
                   message(PARIS, tools=[WEATHER])):
        status, whole = daemon.post("/v1/messages?beta=true", fields)
        assert status == 200, whole
        assert set(whole) == {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"}
        assert whole["type"] == "message" and whole["role"] == "assistant" and whole["model"] == "demo-model"
        assert whole["id"].startswith("msg_")
        assert said(accumulate(stream(daemon, fields))) == said(whole)


def test_why_it_ended(daemon):
    def end(**fields):
        answer = daemon.post("/v1/messages", message(**fields))[1]
        return answer["stop_reason"], answer["stop_sequence"]
    assert end() == ("end_turn", None)
    assert end(max_tokens=2) == ("max_tokens", None)
    assert end(content="How do I put qwend behind nginx?", stop_sequences=["zzz", "nginx"]) == ("stop_sequence", "nginx")
    assert end(content=PARIS, tools=[WEATHER]) == ("tool_use", None)
    assert end(max_tokens=64000) == ("end_turn", None)  # more than the context holds


def test_tools_there_and_back(daemon, tmp_path):
    fields = message(PARIS, tools=[WEATHER, {"type": "web_search_20250305", "name": "web_search"}])
    _, answer = daemon.post("/v1/messages", fields)
    call = answer["content"][-1]
    assert call["type"] == "tool_use" and call["name"] == "get_weather" and call["input"] == {"city": "Paris"}
    # Tokens that come together share a delta: so there is one a step, and time between steps.
    with Faulty("launch-throws", tmp_path, "--no-speculation") as slow:
        deltas = [e["delta"]["partial_json"] for e in stream(slow, fields)
                  if e["type"] == "content_block_delta" and e["delta"]["type"] == "input_json_delta"]
    assert len(deltas) > 1 and json.loads("".join(deltas)) == {"city": "Paris"}
    result = {"type": "tool_result", "tool_use_id": call["id"],
              "content": [{"type": "text", "text": '{"weather": "sunny", "temperature": 21}'}]}
    status, answer = daemon.post("/v1/messages", message([
        {"role": "user", "content": PARIS}, {"role": "assistant", "content": answer["content"]},
        {"role": "user", "content": [result]}], tools=[WEATHER]))
    assert status == 200 and answer["stop_reason"] == "end_turn" and "21" in answer["content"][0]["text"]
    _, answer = daemon.post("/v1/messages", message(PARIS, tools=[WEATHER], tool_choice={"type": "none"}))
    assert answer["content"][0]["type"] == "text"


def test_the_prompt_is_what_chat_completions_make_of_it(daemon):
    function = {"type": "function", "function": {"name": "get_weather", "description": WEATHER["description"],
                                                 "parameters": WEATHER["input_schema"]}}
    _, rendered = daemon.post("/tokenize", {"tools": [function], "messages": [
        {"role": "system", "content": "Be brief."}, {"role": "user", "content": PARIS},
        {"role": "assistant", "content": "", "tool_calls": [
            {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}]},
        {"role": "tool", "content": "rain"}, {"role": "user", "content": "Thanks."},
        {"role": "system", "content": "hook"}]})
    status, counted = daemon.post("/v1/messages/count_tokens?beta=true", {
        "model": "demo-model", "tools": [WEATHER],
        "system": [{"type": "text", "text": "x-anthropic-billing-header: cch=12345;"},
                   {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": PARIS},
                     {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"},
                                                       {"type": "tool_use", "id": "1", "name": "get_weather",
                                                        "input": {"city": "Paris"}}]},
                     {"role": "user", "content": [{"type": "text", "text": "Thanks."},
                                                  {"type": "tool_result", "tool_use_id": "1", "content": "rain"}]},
                     {"role": "system", "content": "hook"}]})
    assert status == 200 and counted == {"input_tokens": rendered["count"]}


def test_what_the_assistant_has_begun(daemon):
    _, whole = daemon.post("/v1/messages", message("How do I put qwend behind nginx?"))
    text = whole["content"][0]["text"]
    begun = text[:text.index(" ", 40)]
    _, answer = daemon.post("/v1/messages", message([{"role": "user", "content": "How do I put qwend behind nginx?"},
                                                     {"role": "assistant", "content": begun}]))
    assert begun + answer["content"][0]["text"] == text


def test_what_the_cache_had_is_no_input():
    with Daemon() as daemon:
        fields = message("介绍一下大模型 " * 20, max_tokens=4)
        first, second = (daemon.post("/v1/messages", fields)[1]["usage"] for _ in range(2))
        assert first["cache_read_input_tokens"] == 0 and second["cache_read_input_tokens"] > 0
        total = first["input_tokens"]
        assert second["input_tokens"] + second["cache_read_input_tokens"] == total
        assert first["cache_creation_input_tokens"] == second["cache_creation_input_tokens"] == 0
        assert daemon.post("/v1/messages/count_tokens", fields)[1] == {"input_tokens": total}
        start, *_, delta, _ = stream(daemon, fields)
        assert start["message"]["usage"]["input_tokens"] == delta["usage"]["input_tokens"] < total


def test_a_header_that_bills_somebody_keeps_no_prefix_from_the_cache():
    with Daemon() as daemon:
        def cached(cch):
            system = [{"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1; cch={cch};"},
                      {"type": "text", "text": "You are an agent. " * 30}]
            return daemon.post("/v1/messages", message(system=system, max_tokens=1))[1]["usage"]["cache_read_input_tokens"]
        assert cached("0a1b2") == 0 and cached("fffff") > 50


def test_errors(daemon):
    def error(fields, path="/v1/messages", status=400, kind="invalid_request_error"):
        body = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
        got, headers, answer = daemon.ask("POST", path, body, {"X-Request-Id": "id-7"})
        answer = json.loads(answer)
        assert (got, answer["type"], answer["error"]["type"]) == (status, "error", kind), answer
        assert answer["request_id"] == headers["x-request-id"] == headers["request-id"] == "id-7"
        return answer["error"]["message"]
    assert "malformed JSON" in error(b"{")
    assert "malformed JSON" in error(b"{", "/v1/messages/count_tokens?beta=true")
    assert "max_tokens" in error({k: v for k, v in message().items() if k != "max_tokens"})
    assert "no model" in error(message(model="claude-opus-4"), status=404, kind="not_found_error")
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}}
    assert "image" in error(message([{"role": "user", "content": [image]}]))
    assert "image" in error(message([{"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "1", "content": [image]}]}]))
    assert "output_config.format" in error(message(output_config={"format": {"type": "json_schema"}}))
    assert error(message("word " * 6000)).startswith("prompt is too long: ")
    error(b" " * (9 << 20), status=413, kind="request_too_large")
    status, _, answer = daemon.ask("GET", "/v1/messages")
    assert status == 405 and json.loads(answer)["type"] == "error"
    status, _, answer = daemon.ask("POST", "/v1/messages", json.dumps(message()).encode(), {"Origin": "https://a.example"})
    assert status == 403 and json.loads(answer)["error"]["type"] == "permission_error"


def test_keys_and_probes(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    keys.chmod(0o600)
    with Daemon("--api-key-file", str(keys), "--served-model-name", "claude-qwen", "--served-model-name", "demo-model") as daemon:
        body = json.dumps(message(max_tokens=1, model="claude-qwen")).encode()
        for headers in {"x-api-key": "secret"}, {"Authorization": "Bearer secret"}:
            assert daemon.ask("POST", "/v1/messages", body, headers)[0] == 200
            for method in "HEAD", "GET":
                assert daemon.ask(method, "/", headers=headers)[0] == 200
            status, _, models = daemon.ask("GET", "/v1/models?limit=1000", headers=headers)
            models = json.loads(models)
            assert status == 200 and models["has_more"] is False and models["first_id"] == "claude-qwen"
            assert [m["id"] for m in models["data"]] == ["claude-qwen", "demo-model"]
            assert all(m["type"] == "model" and m["display_name"] == m["id"] for m in models["data"])
        for headers in {}, {"x-api-key": "wrong"}:
            status, _, answer = daemon.ask("POST", "/v1/messages", body, headers)
            assert status == 401 and json.loads(answer)["error"]["type"] == "authentication_error"


def test_ping_while_waiting():
    with Daemon("--max-sequences", "1", "--ping-interval", "0.1") as daemon:
        with daemon.connect() as first, daemon.connect() as second:
            first.send(request("POST", "/v1/completions", json.dumps(
                {"prompt": "x", "max_tokens": 3000, "ignore_eos": True, "stream": True}).encode()))
            assert first.head()[0] == 200
            second.send(request("POST", "/v1/messages", json.dumps(message(stream=True)).encode()))
            assert second.head()[0] == 200
            text = ""
            while text.count("event: ping") < 2:
                text += next(second.chunks()).decode()
            assert parse(text) == [{"type": "ping"}] * text.count("event: ping")
            first.socket.close()
            text += b"".join(second.chunks()).decode()
            events = [event for event in parse(text) if event["type"] != "ping"]
            assert accumulate(events)["stop_reason"] == "end_turn"


def test_a_fault_in_mid_stream_is_an_event(tmp_path):
    with Faulty("collect-throws", tmp_path) as daemon:
        texts = {}

        def read(long):
            with daemon.connect() as client:
                client.send(request("POST", "/v1/messages", json.dumps(long).encode()))
                assert client.head()[0] == 200
                texts["all"] = ""
                try:
                    for part in client.chunks():
                        texts["all"] += part.decode()
                except Closed:
                    texts["cut"] = True
        reader = threading.Thread(target=read, daemon=True, args=(message(
            "介绍一下大模型", stream=True),))
        reader.start()
        while "content_block_delta" not in texts.get("all", ""):
            time.sleep(0.01)
        daemon.release()
        reader.join(30)
        events = parse(texts["all"])
        assert events[-1]["type"] == "error" and events[-1]["error"]["type"] == "overloaded_error", events[-1]
        assert texts["cut"] and "message_stop" not in texts["all"]
        daemon.check_end()
