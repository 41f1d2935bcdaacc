"""OpenAI's Responses of the running daemon: whole and streamed, kept and gone on from."""

import json

import pytest
from daemon_fixture import Daemon, request

PATH = "/v1/responses"
WEATHER = {"type": "function", "name": "get_weather", "description": "Get the current weather of a city",
           "parameters": {"type": "object", "properties": {"city": {"type": "string",
                                                                    "description": "Name of the city"}},
                          "required": ["city"]}}
# What OpenAI's SDK lists as required, or reads.
KEYS = {"id", "object", "created_at", "model", "output", "parallel_tool_calls", "tool_choice", "tools", "status",
        "error", "incomplete_details", "instructions", "metadata", "temperature", "top_p", "usage", "text",
        "reasoning", "truncation", "max_output_tokens", "previous_response_id", "store"}


def ask(daemon, input, **fields):
    status, answer = daemon.post(PATH, {"input": input, "temperature": 0, **fields})
    assert status == 200, answer
    assert KEYS <= set(answer)
    return answer


def text_of(answer):
    return "".join(part["text"] for item in answer["output"] if item["type"] == "message"
                   for part in item["content"])


def stream(daemon, input, **fields):
    """The events of a stream, each with its name as its line has it."""
    body = {"input": input, "temperature": 0, "stream": True, **fields}
    with daemon.connect() as client:
        client.send(request("POST", PATH, json.dumps(body).encode()))
        status, headers, bytes = client.response()
    assert status == 200 and headers["content-type"].startswith("text/event-stream")
    events = []
    for event in bytes.decode().split("\n\n")[:-1]:
        if event.startswith(":"):
            continue
        name, data = event.split("\n")
        data = json.loads(data.removeprefix("data: "))
        assert name == "event: " + data["type"] and data["sequence_number"] == len(events)
        events.append(data)
    return events


def accumulated(events):
    """The response as a client makes it of the events, which must fit together."""
    assert events[0]["type"] == "response.created" and events[0]["response"]["status"] == "in_progress"
    assert events[1]["type"] == "response.in_progress"
    items, texts, done = [], {}, set()
    for event in events[2:-1]:
        kind = event["type"].removeprefix("response.")
        index = event["output_index"]
        if kind == "output_item.added":
            assert index == len(items) and all(i in done for i in range(index))
            items.append(event["item"])
            continue
        if kind == "output_item.done":
            assert event["item"]["id"] == items[index]["id"]
            items[index] = event["item"]
            done.add(index)
            continue
        assert event["item_id"] == items[index]["id"] and index not in done
        if kind.endswith(".delta"):
            texts[index] = texts.get(index, "") + event["delta"]
        elif kind != "content_part.added":
            part = event.get("part", event)
            said = part.get("text", part.get("arguments", part.get("input")))
            assert said == texts.get(index, "")
    final = events[-1]["response"]
    assert final["id"] == events[0]["response"]["id"] and final["output"] == items
    assert len(done) == len(items)
    return final


def without_ids(answer):
    answer = json.loads(json.dumps(answer))
    for item in answer["output"]:
        del item["id"]
        item.pop("call_id", None)
    for key in "id", "created_at", "usage":
        del answer[key]
    return answer


@pytest.mark.parametrize("fields", [
    {"input": "Hello"},
    {"input": "介绍一下大模型", "max_output_tokens": 20},
    {"input": "What is the weather in Berlin?", "tools": [WEATHER]},
    {"input": [{"role": "developer", "content": "Your name is Luna."},
               {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Who are you?"}]}]},
])
def test_a_stream_is_the_document_and_both_are_kept(daemon, fields):
    whole = ask(daemon, **fields)
    streamed = accumulated(stream(daemon, **fields))
    assert without_ids(streamed) == without_ids(whole)
    for answer in whole, streamed:
        assert json.loads(daemon.ask("GET", f"{PATH}/{answer['id']}")[2]) == answer
    if "max_output_tokens" in fields:
        assert whole["status"] == "incomplete"
        assert whole["incomplete_details"] == {"reason": "max_output_tokens"}
        assert whole["usage"]["output_tokens"] == 20
    else:
        assert whole["status"] == "completed"


def test_a_conversation_goes_on_from_what_is_kept(daemon):
    first = ask(daemon, "My name is Anna.", instructions="Answer briefly.")
    second = ask(daemon, "What is my name?", previous_response_id=first["id"])
    assert second["instructions"] is None and second["previous_response_id"] == first["id"]
    by_hand = ask(daemon, [{"role": "user", "content": "My name is Anna."}, *first["output"],
                           {"role": "user", "content": "What is my name?"}], store=False)
    assert text_of(second) == text_of(by_hand)
    assert second["usage"]["input_tokens"] == by_hand["usage"]["input_tokens"]
    assert by_hand["store"] is False
    assert daemon.ask("GET", f"{PATH}/{by_hand['id']}")[0] == 404
    assert json.loads(daemon.ask("DELETE", f"{PATH}/{first['id']}")[2]) == {
        "id": first["id"], "object": "response", "deleted": True}
    for gone in first["id"], second["id"]:  # the second stands, but not on its own
        status, answer = daemon.post(PATH, {"input": "x", "previous_response_id": gone})
        assert status == 400 and answer["error"]["code"] == "previous_response_not_found"
        assert answer["error"]["param"] == "previous_response_id"


def test_a_tool_is_called_and_its_output_answered(daemon):
    question = {"role": "user", "content": "What is the weather in Berlin?"}
    answer = ask(daemon, [question], tools=[WEATHER])
    (call,) = answer["output"]
    assert (call["type"], call["name"], call["status"]) == ("function_call", "get_weather", "completed")
    assert json.loads(call["arguments"]) == {"city": "Berlin"}
    output = {"type": "function_call_output", "call_id": call["call_id"],
              "output": json.dumps({"temperature": 12, "condition": "rain"})}
    by_id = ask(daemon, [output], previous_response_id=answer["id"], tools=[WEATHER])
    by_hand = ask(daemon, [question, {"type": "reasoning", "summary": []}, call, output], tools=[WEATHER])
    assert text_of(by_id) == text_of(by_hand) != ""
    assert by_id["usage"]["input_tokens"] == by_hand["usage"]["input_tokens"]


def test_a_request_of_codex(daemon):
    """Its fields, and tools of every type that it lists."""
    tools = [WEATHER, {"type": "custom", "name": "apply_patch", "description": "Edit files.",
                       "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
             {"type": "web_search", "external_web_access": False}, {"type": "local_shell"},
             {"type": "namespace", "name": "mcp__x", "description": "",
              "tools": [{"type": "function", "name": "y", "parameters": {"type": "object", "properties": {}}}]}]
    events = stream(daemon, [{"type": "message", "role": "developer",
                              "content": [{"type": "input_text", "text": "Answer briefly."}]},
                             {"type": "message", "role": "user",
                              "content": [{"type": "input_text", "text": "Hello"}]}],
                    instructions="You are Codex.", tools=tools, tool_choice="auto", parallel_tool_calls=False,
                    reasoning={"effort": "medium", "summary": "auto"}, store=False,
                    include=["reasoning.encrypted_content"], prompt_cache_key="k",
                    text={"verbosity": "low"}, client_metadata={"a": "b"})
    final = accumulated(events)
    assert final["tools"] == tools and final["store"] is False and final["prompt_cache_key"] == "k"
    assert final["usage"]["output_tokens_details"] == {"reasoning_tokens": 0}


def test_logprobs_of_a_text(daemon):
    fields = {"include": ["message.output_text.logprobs"], "top_logprobs": 2, "max_output_tokens": 8}
    whole = ask(daemon, "Hello", **fields)
    logprobs = whole["output"][0]["content"][0]["logprobs"]
    assert len(logprobs) == 8 and all(len(token["top_logprobs"]) == 2 for token in logprobs)
    events = stream(daemon, "Hello", **fields)
    deltas = [event for event in events if event["type"] == "response.output_text.delta"]
    assert [token["token"] for event in deltas for token in event["logprobs"]] == [
        token["token"] for token in logprobs]
    assert "".join(token["token"] for token in logprobs) == text_of(whole)


def test_what_is_refused(daemon):
    for fields, param in (({"background": True}, "background"), ({"tool_choice": "required"}, "tool_choice"),
                          ({"tool_choice": {"type": "mcp"}}, "tool_choice"),
                          ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
                          ({"conversation": "c"}, "conversation"), ({"max_tokens": 5}, "max_tokens"),
                          ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]},
                           "input[0].content[0].type")):
        status, answer = daemon.post(PATH, {"input": "x", **fields})
        assert status == 400 and answer["error"]["param"] == param, answer
    status, answer = daemon.post(PATH, {"input": "x " * 20000})
    assert status == 400 and answer["error"]["code"] == "context_length_exceeded"
    status, headers, _ = daemon.ask("PUT", f"{PATH}/x")
    assert status == 405 and headers["allow"] == "GET, HEAD, DELETE, POST"


def test_what_is_kept_has_a_bound():
    with Daemon("--responses-store-bytes", "64K") as daemon:
        first = ask(daemon, "Hello", metadata={"filler": "x" * 20000}, max_output_tokens=1)
        others = [ask(daemon, "Hello", metadata={"filler": "x" * 20000}, max_output_tokens=1) for _ in range(3)]
        assert daemon.ask("GET", f"{PATH}/{first['id']}")[0] == 404
        assert daemon.ask("GET", f"{PATH}/{others[-1]['id']}")[0] == 200
    with Daemon("--responses-store-bytes", "0") as daemon:
        answer = ask(daemon, "Hello", max_output_tokens=1)
        assert answer["store"] is False and daemon.ask("GET", f"{PATH}/{answer['id']}")[0] == 404
