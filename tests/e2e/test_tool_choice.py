"""Calls that are required, and tools that are strict, in each dialect: whatever the demo model would rather say,
what comes is a call of a tool that there is, with arguments that are valid by its schema."""

import json

import jsonschema
import pytest
from test_anthropic import accumulate, stream as anthropic_stream

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 20},
                                           "unit": {"enum": ["celsius", "fahrenheit"]},
                                           "days": {"type": "integer", "minimum": 1, "maximum": 9}},
          "required": ["city", "unit"], "additionalProperties": False}
SCHEMAS = {"forecast": SCHEMA, "shut_down": {"type": "object", "properties": {"minutes": {"type": "integer"}},
                                             "required": ["minutes"], "additionalProperties": False}}
UNIQUE = {"type": "object", "properties": {"a": {"type": "array", "uniqueItems": True}}}
OTHER = "Who are you?"  # to which no call is the answer


def chat_tools(strict=None, **more):
    return [{"type": "function", "function": {"name": name, "parameters": schema,
                                              **({} if strict is None else {"strict": strict})}}
            for name, schema in {**SCHEMAS, **more}.items()]


def chat(content=OTHER, **fields):
    return {"messages": [{"role": "user", "content": content}], "temperature": 1.5, "max_tokens": 400,
            "tools": chat_tools(), **fields}


def ask(daemon, **fields):
    status, answer = daemon.post("/v1/chat/completions", chat(**fields))
    assert status == 200, answer
    return answer["choices"][0]


def check(name, arguments):
    jsonschema.validate(arguments, SCHEMAS[name])
    return name


def names_of(choice):
    return [check(call["function"]["name"], json.loads(call["function"]["arguments"]))
            for call in choice["message"].get("tool_calls") or []]


@pytest.mark.parametrize("seed", range(4))
def test_a_call_is_required(daemon, seed):
    choice = ask(daemon, tool_choice="required", parallel_tool_calls=False, seed=seed)
    assert len(names_of(choice)) == 1 and not choice["message"]["content"]
    assert choice["finish_reason"] == "tool_calls"
    several = ask(daemon, tool_choice="required", seed=seed)
    if several["finish_reason"] == "tool_calls":
        assert names_of(several) and not several["message"]["content"]


def test_one_tool_is_required(daemon):
    for name in SCHEMAS:
        choice = ask(daemon, tool_choice={"type": "function", "function": {"name": name}}, seed=1)
        assert names_of(choice) == [name] and choice["finish_reason"] == "stop"
    only = {"mode": "required", "tools": [{"type": "function", "function": {"name": "shut_down"}}]}
    choice = ask(daemon, tool_choice={"type": "allowed_tools", "allowed_tools": only}, parallel_tool_calls=False)
    assert names_of(choice) == ["shut_down"] and choice["finish_reason"] == "tool_calls"


def test_a_stream_has_the_same_call(daemon):
    fields = chat(tool_choice="required", parallel_tool_calls=False, seed=3)
    whole = daemon.post("/v1/chat/completions", fields)[1]["choices"][0]["message"]["tool_calls"][0]["function"]
    _, _, body = daemon.ask("POST", "/v1/chat/completions", json.dumps({**fields, "stream": True}).encode())
    calls = [call["function"] for event in body.decode().split("\n\n") if event.startswith("data: {")
             for choice in json.loads(event[6:])["choices"] for call in choice["delta"].get("tool_calls", [])]
    assert calls[0]["name"] == whole["name"]
    assert "".join(call.get("arguments", "") for call in calls) == whole["arguments"]


@pytest.mark.parametrize("seed", range(4))
def test_strict_tools_are_called_as_they_say(daemon, seed):
    choice = ask(daemon, content="What is the weather in Paris?", tools=chat_tools(strict=True), seed=seed)
    if choice["finish_reason"] == "tool_calls":
        names_of(choice)
    free = ask(daemon, content=OTHER, tools=chat_tools(strict=True), temperature=0)
    assert free["finish_reason"] == "stop" and "qwend" in free["message"]["content"]


@pytest.mark.parametrize("seed", range(4))
def test_an_answer_in_a_form_or_calls(daemon, seed):
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}}
    choice = ask(daemon, response_format=form, tools=chat_tools(strict=True), seed=seed)
    if choice["finish_reason"] == "tool_calls":
        assert names_of(choice) and not choice["message"]["content"]
    elif choice["finish_reason"] == "stop":
        jsonschema.validate(json.loads(choice["message"]["content"]), SCHEMA)


def test_responses(daemon):
    tools = [{"type": "function", "name": name, "parameters": schema} for name, schema in SCHEMAS.items()]
    fields = {"input": OTHER, "tools": tools, "temperature": 1.5, "parallel_tool_calls": False, "seed": 4}
    for choice in "required", {"type": "function", "name": "shut_down"}:
        status, answer = daemon.post("/v1/responses", {**fields, "tool_choice": choice})
        assert status == 200 and answer["status"] == "completed" and answer["tool_choice"] == choice, answer
        [item] = answer["output"]
        assert check(item["name"], json.loads(item["arguments"])) == (
            item["name"] if choice == "required" else "shut_down")


def test_anthropic(daemon):
    tools = [{"name": name, "input_schema": schema} for name, schema in SCHEMAS.items()]
    fields = {"messages": [{"role": "user", "content": OTHER}], "max_tokens": 400, "tools": tools, "temperature": 1}
    for choice in {"type": "any", "disable_parallel_tool_use": True}, {"type": "tool", "name": "shut_down"}:
        status, answer = daemon.post("/v1/messages", {**fields, "tool_choice": choice})
        assert status == 200 and answer["stop_reason"] == "tool_use", answer
        [block] = answer["content"]
        assert check(block["name"], block["input"]) == choice.get("name", block["name"])
    [block] = accumulate(anthropic_stream(daemon, {**fields, "tool_choice": {"type": "tool", "name": "forecast"}}))[
        "content"]
    assert block["type"] == "tool_use" and block["name"] == "forecast"


def test_a_tool_that_cannot_be_had_is_named(daemon):
    for path, fields, param in (
            ("/v1/chat/completions", chat(tools=chat_tools(strict=True, odd=UNIQUE)), "tools[2].function.parameters"),
            ("/v1/responses", {"input": "x", "tools": [{"type": "function", "name": "odd", "parameters": UNIQUE,
                                                        "strict": True}]}, "tools[0].parameters"),
            ("/v1/messages", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 9, "tools": [
                {"name": "odd", "input_schema": UNIQUE, "strict": True}]}, "tools[0].input_schema")):
        status, answer = daemon.post(path, fields)
        message = answer["error"]["message"]
        assert status == 400 and message.startswith(f'{param}: of the tool "odd": #/properties/a/uniqueItems'), answer
        assert answer["error"].get("param", param) == param
    # What is not strict is called as well as can be.
    status, answer = daemon.post("/v1/chat/completions", chat(
        tools=[{"type": "function", "function": {"name": "odd", "parameters": UNIQUE}}], tool_choice="required",
        parallel_tool_calls=False))
    assert status == 200, answer


def test_mistakes_name_the_field(daemon):
    for fields, param in (({"tool_choice": {"type": "function", "function": {"name": "nobody"}}}, "tool_choice"),
                          ({"tool_choice": "required", "tools": []}, "tool_choice"),
                          ({"tool_choice": {"type": "function"}}, "tool_choice.function"),
                          ({"tool_choice": "always"}, "tool_choice")):
        status, answer = daemon.post("/v1/chat/completions", chat(**fields))
        assert status == 400 and answer["error"]["param"] == param, answer
