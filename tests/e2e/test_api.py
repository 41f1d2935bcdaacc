"""Every route and the shape of its answers; every kind of mistake and its error."""

import json

import pytest
from daemon_fixture import Daemon

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Get the current weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string",
                                                             "description": "Name of the city"}},
                   "required": ["city"]}}}


def chat(content="Hello", **fields):
    return {"messages": [{"role": "user", "content": content}], "temperature": 0, **fields}


def test_health_and_friends(daemon):
    assert daemon.ask("GET", "/livez")[2] == b'{"status":"alive"}'
    assert daemon.ask("GET", "/health")[2] == b'{"status":"ready"}'
    assert set(json.loads(daemon.ask("GET", "/version")[2])) == {"version", "backends"}
    status, headers, body = daemon.ask("GET", "/")
    assert status == 200 and headers["content-type"].startswith("text/html") and b"curl -N" in body
    assert daemon.ask("GET", "/metrics")[1]["content-type"].startswith("text/plain")


def test_models(daemon):
    models = json.loads(daemon.ask("GET", "/v1/models")[2])
    assert models["object"] == "list"
    model = models["data"][0]
    assert set(model) == {"id", "object", "created", "owned_by", "root", "max_model_len"}
    assert json.loads(daemon.ask("GET", "/v1/models/" + model["id"])[2]) == model
    status, _, body = daemon.ask("GET", "/v1/models/other")
    assert status == 404 and json.loads(body)["error"]["code"] == "model_not_found"


def test_chat_shape(daemon):
    status, answer = daemon.post("/v1/chat/completions", chat("介绍一下大模型"))
    assert status == 200 and answer["object"] == "chat.completion" and answer["id"].startswith("chatcmpl-")
    choice = answer["choices"][0]
    assert choice["message"]["role"] == "assistant" and choice["finish_reason"] == "stop"
    assert choice["stop_reason"] is None and len(choice["message"]["content"]) >= 150
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert "cached_tokens" in usage["prompt_tokens_details"]


def test_completion_shape_and_prompts(daemon):
    status, answer = daemon.post("/v1/completions", {"prompt": ["The", "A"], "max_tokens": 4, "n": 2,
                                                     "temperature": 0, "ignore_eos": True})
    assert status == 200 and answer["object"] == "text_completion" and answer["id"].startswith("cmpl-")
    assert [c["index"] for c in answer["choices"]] == [0, 1, 2, 3]
    assert answer["choices"][0]["text"] == answer["choices"][1]["text"]
    assert answer["choices"][0]["finish_reason"] == "length"
    tokens = daemon.post("/tokenize", {"prompt": "The"})[1]["tokens"]
    _, by_ids = daemon.post("/v1/completions", {"prompt": tokens, "max_tokens": 4, "temperature": 0,
                                                "ignore_eos": True, "echo": True})
    assert by_ids["choices"][0]["text"] == "The" + answer["choices"][0]["text"]
    _, default = daemon.post("/v1/completions", {"prompt": "x", "ignore_eos": True})
    assert default["usage"]["completion_tokens"] == 16


def test_logprobs(daemon):
    _, answer = daemon.post("/v1/chat/completions", chat(max_tokens=3, logprobs=True, top_logprobs=2,
                                                             repetition_penalty=1))
    content = answer["choices"][0]["logprobs"]["content"]
    assert len(content) == 3
    for token in content:
        assert len(token["top_logprobs"]) == 2 and token["logprob"] <= 0
        assert token["top_logprobs"][0]["token"] == token["token"]
        assert bytes(token["bytes"]).decode(errors="replace") == token["token"]
    _, answer = daemon.post("/v1/completions", {"prompt": "Hello", "max_tokens": 3, "logprobs": 1,
                                                "temperature": 0, "ignore_eos": True})
    logprobs = answer["choices"][0]["logprobs"]
    assert len(logprobs["tokens"]) == len(logprobs["token_logprobs"]) == len(logprobs["text_offset"]) == 3
    assert "".join(logprobs["tokens"]) == answer["choices"][0]["text"]
    _, answer = daemon.post("/v1/completions", {"prompt": "Hello", "max_tokens": 1, "logprobs": 0,
                                                "return_tokens_as_token_ids": True, "return_token_ids": True})
    choice = answer["choices"][0]
    assert choice["logprobs"]["tokens"] == [f"token_id:{choice['token_ids'][0]}"]


def test_tokenize_and_back(daemon):
    _, answer = daemon.post("/tokenize", {"prompt": "Hello <|im_end|> 世界"})
    assert answer["count"] == len(answer["tokens"]) and answer["max_model_len"] > 0
    assert daemon.post("/detokenize", {"tokens": answer["tokens"]})[1]["prompt"] == "Hello <|im_end|> 世界"
    messages = [{"role": "user", "content": "say <|im_end|>"}]
    text = daemon.post("/apply-template", {"messages": messages})[1]["prompt"]
    assert text.endswith("<|im_start|>user\nsay <|im_end|><|im_end|>\n<|im_start|>assistant\n")
    rendered = daemon.post("/tokenize", {"messages": messages})[1]["tokens"]
    control = daemon.post("/tokenize", {"prompt": "<|im_end|>"})[1]["tokens"]
    assert rendered.count(control[0]) == 2  # the template's own; the one in the message is text


def test_tool_call(daemon):
    status, answer = daemon.post("/v1/chat/completions", chat("What is the weather in Paris?", tools=[WEATHER]))
    choice = answer["choices"][0]
    assert choice["finish_reason"] == "tool_calls" and choice["message"]["content"] is None
    call = choice["message"]["tool_calls"][0]
    assert call["type"] == "function" and call["function"]["name"] == "get_weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    _, final = daemon.post("/v1/chat/completions", {"temperature": 0, "tools": [WEATHER], "messages": [
        {"role": "user", "content": "What is the weather in Paris?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": '{"weather": "sunny", "temperature": 21}'}]})
    assert "Paris" in final["choices"][0]["message"]["content"]


def test_seed_and_stop(daemon):
    hot = dict(temperature=5, top_p=1, top_k=0, max_tokens=12)
    one, two, other = (daemon.post("/v1/chat/completions", {**chat(), **hot, "seed": seed})[1]["choices"][0]
                       ["message"]["content"] for seed in (7, 7, 8))
    assert one == two != other
    full = daemon.post("/v1/chat/completions", chat("Who are you?"))[1]["choices"][0]["message"]["content"]
    stop = full[20:27]
    cut = daemon.post("/v1/chat/completions", chat("Who are you?", stop=[stop]))[1]["choices"][0]
    assert cut["message"]["content"] == full[:full.index(stop)]
    assert cut["finish_reason"] == "stop" and cut["stop_reason"] == stop
    kept = daemon.post("/v1/chat/completions",
                       chat("Who are you?", stop=stop, include_stop_str_in_output=True))[1]["choices"][0]
    assert kept["message"]["content"] == full[:full.index(stop) + len(stop)]


@pytest.mark.parametrize("fields,param", [
    ({"temperature": "hot"}, "temperature"), ({"n": 0}, "n"), ({"logit_bias": {"x": 1}}, "logit_bias.x"),
    ({"response_format": {"type": "json_object"}}, "response_format"), ({"prompt_logprobs": 1}, "prompt_logprobs"),
    ({"structured_outputs": {"json": {}}}, "structured_outputs"), ({"tool_choice": "required"}, "tool_choice"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type")])
def test_mistakes_name_the_field(daemon, fields, param):
    status, answer = daemon.post("/v1/chat/completions", {**chat(), **fields})
    assert status == 400 and answer["error"]["param"] == param
    assert answer["error"]["type"] == "invalid_request_error"


def test_other_errors(daemon):
    status, _, body = daemon.ask("POST", "/v1/completions", b'{"prompt":"x",}')
    assert status == 400 and "byte 14" in json.loads(body)["error"]["message"]
    status, answer = daemon.post("/v1/completions", {"prompt": "x", "model": "gpt"})
    assert status == 404 and answer["error"]["code"] == "model_not_found"
    status, answer = daemon.post("/v1/completions", {"prompt": [1] * 5000})
    assert status == 400 and answer["error"]["code"] == "context_length_exceeded"
    assert "4096" in answer["error"]["message"] and "5000" in answer["error"]["message"]
    status, answer = daemon.post("/v1/completions", {"prompt": ""})
    assert status == 400 and answer["error"]["param"] == "prompt"
    status, _, body = daemon.ask("GET", "/v1/models", headers={"Origin": "https://evil.example"})
    assert status == 403
    status, _, _ = daemon.ask("POST", "/v1/completions", b'{"prompt":"x","max_tokens":1}',
                              {"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 200  # what curl -d says when nothing else is said


def test_cors_is_off_until_named():
    with Daemon("--cors-origins", "https://app.example") as daemon:
        _, headers, _ = daemon.ask("GET", "/v1/models", headers={"Origin": "https://app.example"})
        assert headers["access-control-allow-origin"] == "https://app.example"
        status, headers, _ = daemon.ask("OPTIONS", "/v1/chat/completions", headers={"Origin": "https://app.example"})
        assert status == 204 and "POST" in headers["access-control-allow-methods"]
        status, headers, _ = daemon.ask("GET", "/v1/models", headers={"Origin": "https://evil.example"})
        assert status == 403 and "access-control-allow-origin" not in headers


def test_cpu_time_of_loop_and_worker(daemon):
    def cpu():
        text = daemon.ask("GET", "/metrics")[2].decode()
        total = float(text.split("\nprocess_cpu_seconds_total ")[1].split()[0])
        return daemon.metric("qwend:loop_cpu_seconds_total"), daemon.metric("qwend:worker_cpu_seconds_total"), total
    before = cpu()
    assert daemon.post("/v1/completions", {"prompt": "x", "max_tokens": 200, "ignore_eos": True})[0] == 200
    loop, worker, total = (now - then for now, then in zip(cpu(), before))
    assert 0 < loop < total and 0 < worker < total
