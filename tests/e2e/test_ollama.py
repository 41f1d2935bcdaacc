"""Ollama's dialect through the running daemon, byte by byte as its clients read it."""

import json
import os
import re

import pytest
from daemon_fixture import Closed, Daemon, request

FAULTY = os.environ.get("QWEND_FAULTY", "build/qwend-faulty")
GREEDY = {"temperature": 0, "num_predict": 40}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Get the current weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string",
                                                             "description": "Name of the city"}},
                   "required": ["city"]}}}


def lines(daemon, path, **body):
    status, headers, data = daemon.ask("POST", path, json.dumps({"model": "demo-model", **body}).encode())
    assert status == 200 and headers["content-type"] == "application/x-ndjson", data
    assert data.endswith(b"\n") and b"\n\n" not in data
    parsed = [json.loads(line) for line in data.splitlines()]
    assert all(TIME.fullmatch(line["created_at"]) for line in parsed)
    return parsed


def whole(daemon, path, **body):
    status, answer = daemon.post(path, {"model": "demo-model", "stream": False, **body})
    assert status == 200, answer
    return answer


def chat(content="Hello", **body):
    return {"messages": [{"role": "user", "content": content}], "options": GREEDY, **body}


def test_a_chat_says_the_same_in_lines_and_whole_and_to_openai(daemon):
    answer = whole(daemon, "/api/chat", **chat())
    said = lines(daemon, "/api/chat", **chat())
    assert "".join(line["message"]["content"] for line in said) == answer["message"]["content"]
    assert [line["done"] for line in said] == [False] * (len(said) - 1) + [True]
    assert said[-1]["message"] == {"role": "assistant", "content": ""}
    _, other = daemon.post("/v1/chat/completions", {"messages": chat()["messages"], "temperature": 0,
                                                    "max_tokens": 40, "model": "demo-model:latest"})
    assert other["choices"][0]["message"]["content"] == answer["message"]["content"]
    assert other["usage"]["prompt_tokens"] == answer["prompt_eval_count"]
    assert other["usage"]["completion_tokens"] == answer["eval_count"] == said[-1]["eval_count"]


def test_the_end_has_its_counts_and_times(daemon):
    answer = whole(daemon, "/api/chat", **chat(options={"num_predict": 3}))
    assert answer["done_reason"] == "length" and answer["eval_count"] == 3
    times = {name: answer[name] for name in ("total_duration", "load_duration", "prompt_eval_duration",
                                             "eval_duration")}
    assert all(isinstance(time, int) and 0 < time < 60e9 for time in times.values()), times
    parts = sum(time for name, time in times.items() if name != "total_duration")
    assert abs(parts - times["total_duration"]) < 1000, times


def test_generate_goes_on_as_a_conversation_would(daemon):
    first = whole(daemon, "/api/generate", prompt="Hello", options=GREEDY)
    assert first["done_reason"] == "stop"
    second = whole(daemon, "/api/generate", prompt="What is qwend?", context=first["context"], options=GREEDY)
    conversation = whole(daemon, "/api/chat", options=GREEDY, messages=[
        {"role": "user", "content": "Hello"}, {"role": "assistant", "content": first["response"]},
        {"role": "user", "content": "What is qwend?"}])
    assert second["response"] == conversation["message"]["content"]
    assert second["prompt_eval_count"] == conversation["prompt_eval_count"]
    said = lines(daemon, "/api/generate", prompt="Hello", options=GREEDY)
    assert "".join(line["response"] for line in said) == first["response"]
    assert said[-1]["context"] == first["context"] and not any("context" in line for line in said[:-1])


def test_a_tool_is_called_with_an_object_and_its_result_read(daemon):
    question = chat("What is the weather in Paris?", tools=[WEATHER])
    answer = whole(daemon, "/api/chat", **question)
    call = answer["message"]["tool_calls"][0]
    assert re.fullmatch(r"call_[0-9a-f]{8}", call["id"]) and answer["message"]["content"] == ""
    assert call["function"] == {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}
    said = lines(daemon, "/api/chat", **question)
    calls = [line for line in said if "tool_calls" in line["message"]]
    assert len(calls) == 1 and not calls[0]["done"] and said[-1]["done_reason"] == "stop"
    assert calls[0]["message"]["tool_calls"][0]["function"] == call["function"]
    # Home Assistant names neither the tool nor the call.
    for names in {"tool_name": "get_weather"}, {"tool_call_id": call["id"]}, {}:
        messages = [*question["messages"], answer["message"], {"role": "tool", "content": "Rain", **names}]
        assert whole(daemon, "/api/chat", messages=messages, tools=[WEATHER], options=GREEDY)["message"]["content"]


def test_stop_strings_and_seeds(daemon):
    text = whole(daemon, "/api/chat", **chat())["message"]["content"]
    stop = text.split()[1]
    cut = whole(daemon, "/api/chat", **chat(options={**GREEDY, "stop": [stop]}))
    assert cut["message"]["content"] == text[:text.index(stop)] and cut["done_reason"] == "stop"
    seeded = {"temperature": 1.5, "seed": 7, "num_predict": 10}
    assert len({whole(daemon, "/api/chat", **chat(options=seeded))["message"]["content"] for _ in range(3)}) == 1


def test_what_home_assistant_and_open_webui_send(daemon):
    answer = whole(daemon, "/api/chat", **chat(think=False, keep_alive="300s", options={**GREEDY, "num_ctx": 8192}))
    assert answer["message"]["content"]
    for keep_alive in -1, "-1m", 0:
        assert whole(daemon, "/api/chat", **chat(keep_alive=keep_alive))["done"]
    assert whole(daemon, "/api/generate", prompt="", keep_alive=0)["done_reason"] == "unload"
    assert whole(daemon, "/api/chat", messages=[])["done_reason"] == "load"
    version = json.loads(daemon.ask("GET", "/api/version")[2])["version"]
    assert [int(part) for part in version.split(".")] >= [0, 14]


def test_errors_have_their_status_before_the_first_byte(daemon):
    for body, status, text in (
            (b"", 400, "missing request body"), (b"{", 400, "malformed JSON"),
            (b'{"model":"other"}', 404, "model 'other' not found"),
            (b'{"model":"demo-model","messages":[{"role":"user","content":"a"}],"think":true}', 400,
             '"demo-model" does not support thinking'),
            (b'{"model":"demo-model","messages":[{"role":"user","images":["aGk="]}]}', 400, "messages[0].images"),
            (b'{"model":"demo-model","messages":[{"role":"user"}],"options":{"stop":"a"}}', 400, "options.stop")):
        answered, headers, answer = daemon.ask("POST", "/api/chat", body)
        error = json.loads(answer)
        assert answered == status and headers["content-type"] == "application/json"
        assert list(error) == ["error"] and text in error["error"], error
    status, answer = daemon.post("/api/generate", {"model": "demo-model", "prompt": "word " * 5000})
    assert status == 400 and "4095" in answer["error"]


def test_unknown_fields_and_options_are_counted(daemon):
    before = daemon.metric("qwend:unknown_request_fields_total")
    whole(daemon, "/api/chat", **chat(options={"num_predict": 1, "num_ctx": 5, "mirostat": 1, "oops": 1}, why=1))
    assert daemon.metric("qwend:unknown_request_fields_total") == before + 2
    daemon.wait_log("options.oops")


def test_a_fault_in_a_stream_is_its_last_line(tmp_path):
    fault = {"QWEND_FAULT": "collect-throws@5", "QWEND_FAULT_AFTER": str(tmp_path / "fail")}
    with Daemon(binary=FAULTY, env=fault) as daemon, daemon.connect() as client:
        body = {"model": "demo-model", **chat("介绍一下大模型", options={"temperature": 0})}
        client.send(request("POST", "/api/chat", json.dumps(body).encode()))
        status, _ = client.head()
        data = b""
        with pytest.raises(Closed):  # it has no end
            for part in client.chunks():
                data += part
                (tmp_path / "fail").touch()
        said = [json.loads(line) for line in data.splitlines()]
        assert status == 200 and list(said[-1]) == ["error"] and said[-1]["error"], said[-1]
        assert not any(line["done"] for line in said[:-1])


def test_a_gap_is_filled_as_completions_fill_it(daemon):
    before, after = "The quick", " jumps over the dog."
    filled = whole(daemon, "/api/generate", prompt=before, suffix=after,
                   options={"temperature": 0, "num_predict": 12})
    status, same = daemon.post("/v1/completions", {"prompt": before, "suffix": after, "temperature": 0,
                                                   "repetition_penalty": 1, "max_tokens": 12, "echo": True})
    assert status == 200
    assert same["choices"][0]["text"] == before + filled["response"]
    assert same["usage"]["prompt_tokens"] == filled["prompt_eval_count"]
    asked = {"temperature": 0, "max_tokens": 12}
    _, absent = daemon.post("/v1/completions", {**asked, "prompt": before})
    _, empty = daemon.post("/v1/completions", {**asked, "prompt": before, "suffix": ""})
    assert absent["choices"] == empty["choices"]
    assert absent["usage"]["prompt_tokens"] < same["usage"]["prompt_tokens"]
