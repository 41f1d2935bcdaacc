"""Every route and the shape of its answers; every kind of mistake and its error."""

import gzip
import json
import re

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
    status, told = daemon.get("/status")
    assert status == 200 and set(told) == {"state", "version", "uptime", "models"} and told["state"] == "ready"
    assert told["models"][0]["task"] == "chat" and told["models"][0]["device"].startswith("CPU")
    status, headers, body = daemon.ask("GET", "/")
    assert status == 200 and headers["content-type"].startswith("text/html") and b"curl -N" in body
    assert daemon.ask("HEAD", "/")[0] == 200
    assert daemon.ask("GET", "/metrics")[1]["content-type"].startswith("text/plain")


def test_the_page(daemon):
    html = {"Accept": "text/html"}
    code, headers, body = daemon.ask("GET", "/", headers=html)
    assert code == 200 and headers["content-type"].startswith("text/html") and headers["cache-control"] == "no-cache"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert not re.search(rb"""(src|href|action)=["']?(https?:)?//""", body)
    _, zipped_headers, zipped = daemon.ask("GET", "/", headers={**html, "Accept-Encoding": "gzip, deflate, br"})
    assert zipped_headers["content-encoding"] == "gzip" and gzip.decompress(zipped) == body and len(zipped) < 30_000
    assert zipped_headers["etag"] != headers["etag"]
    for method in "GET", "HEAD":
        code, again, nothing = daemon.ask(method, "/", headers={**html, "If-None-Match": f'"x", W/{headers["etag"]}'})
        assert (code, again["etag"], nothing) == (304, headers["etag"], b"") and "content-length" not in again
    code, head, nothing = daemon.ask("HEAD", "/", headers=html)
    assert (code, nothing) == (200, b"") and int(head["content-length"]) == len(body)
    assert daemon.ask("GET", "/", headers={"Accept": "*/*"})[2] == b"Ollama is running"


def test_models(daemon):
    models = json.loads(daemon.ask("GET", "/v1/models")[2])
    assert models["object"] == "list"
    model = models["data"][0]
    assert set(model) == {"id", "object", "created", "owned_by", "root", "max_model_len",  # OpenAI's, vLLM's
                          "type", "display_name", "created_at", "lifecycle", "max_input_tokens", "max_tokens"}
    assert models["has_more"] is False and models["last_id"] == models["data"][-1]["id"]
    assert model["root"] == model["id"] and "/" not in model["root"]
    assert json.loads(daemon.ask("GET", "/v1/models/" + model["id"])[2]) == model
    for other in "other", "a%2Fb", "%", "%00", "x" * 4000:
        status, _, body = daemon.ask("GET", "/v1/models/" + other)
        assert status == 404 and json.loads(body)["error"]["code"] == "model_not_found" and len(body) < 500


def test_models_with_a_slash_in_their_name():
    with Daemon("--served-model-name", "Qwen/Qwen2.5-0.5B-Instruct") as daemon:
        for path in ("/v1/models/Qwen/Qwen2.5-0.5B-Instruct", "/v1/models/Qwen%2FQwen2.5-0.5B-Instruct",
                     "//v1/models/Qwen%2fQwen2.5-0.5B-Instruct/"):
            status, _, body = daemon.ask("GET", path)
            assert status == 200 and json.loads(body)["id"] == "Qwen/Qwen2.5-0.5B-Instruct", path
        status, _, _ = daemon.ask("GET", "/v1/models/Qwen%252FQwen2.5-0.5B-Instruct")
        assert status == 404  # decoded once


def test_slashes_and_media_types(daemon):
    for path in "//v1/completions", "/v1/completions/", "/v1//completions?x=/":
        assert daemon.post(path, {"prompt": "x", "max_tokens": 1})[0] == 200, path
    body = b'{"prompt":"x","max_tokens":1}'
    for content_type in "Application/JSON", "application/json; charset=UTF-8", "text/json", "application/a+json":
        assert daemon.ask("POST", "/v1/completions", body, {"Content-Type": content_type})[0] == 200, content_type
    assert daemon.ask("POST", "/v1/completions", body, {"Content-Type": "text/plain"})[0] == 415
    status, _, answer = daemon.ask("POST", "/v1/completions", gzip.compress(body), {"Content-Encoding": "gzip"})
    assert status == 415 and "Content-Encoding: gzip" in json.loads(answer)["error"]["message"]
    status, _, answer = daemon.ask("POST", "/v1/completions", gzip.compress(body))
    assert status == 400 and "gzip" in json.loads(answer)["error"]["message"]
    assert daemon.ask("POST", "/v1/completions", b"\xef\xbb\xbf" + body)[0] == 200
    status, _, answer = daemon.ask("POST", "/v1/completions", body.decode().encode("utf-16"))
    assert status == 400 and "UTF-16" in json.loads(answer)["error"]["message"]


def test_a_conversation_goes_on_whatever_was_called(daemon):
    for function in ({"name": "f", "arguments": ""}, {"name": "f"}, {"name": "f", "arguments": None},
                     {"name": "f", "arguments": '{"city": "Par'}, {"name": "f", "arguments": {"x": 2**70}}):
        status, answer = daemon.post("/v1/chat/completions", {"max_tokens": 1, "messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "content": None, "refusal": None,
             "tool_calls": [{"id": "1", "type": "function", "function": function}]},
            {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "ok"}]}]})
        assert status == 200, (function, answer)


def test_a_schema_reaches_the_model_as_it_is(daemon):
    deep = {}
    for _ in range(60):
        deep = {"properties": {"a": deep}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"maximum": 2**64, "properties": deep}}}
    status, answer = daemon.post("/v1/chat/completions", chat(tools=[tool], max_tokens=1))
    assert status == 200, answer
    _, rendered = daemon.post("/apply-template", {**chat(), "tools": [tool]})
    assert "\n" + json.dumps(tool) + "\n" in rendered["prompt"]


def test_unknown_fields_are_logged_once():
    with Daemon() as daemon:
        for _ in range(3):
            assert daemon.post("/v1/completions", {"prompt": "x", "max_tokens": 1, "temprature": 0, "a\nb": 1})[0] == 200
        assert daemon.log().count("the field temprature,") == daemon.log().count("the field a?b,") == 1
        assert daemon.metric("qwend:unknown_request_fields_total") == 6


def test_priority_is_for_whom_the_operator_trusts():
    ask = {"prompt": "x", "max_tokens": 1, "priority": -1}
    with Daemon() as daemon:
        status, answer = daemon.post("/v1/completions", ask)
        assert status == 400 and "allow-priority" in answer["error"]["message"]
        assert daemon.post("/v1/completions", {**ask, "priority": 0})[0] == 200
    with Daemon("--allow-priority") as daemon:
        assert daemon.post("/v1/completions", ask)[0] == 200


def test_chat_shape(daemon):
    status, answer = daemon.post("/v1/chat/completions", chat("介绍一下大模型"))
    assert status == 200 and answer["object"] == "chat.completion" and answer["id"].startswith("chatcmpl-")
    choice = answer["choices"][0]
    assert choice["message"]["role"] == "assistant" and choice["finish_reason"] == "stop"
    assert choice["stop_reason"] is None and len(choice["message"]["content"]) >= 150
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert 0 <= usage["prompt_tokens_details"]["cached_tokens"] < usage["prompt_tokens"]


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


def test_best_of_has_the_likeliest_by_token_first(daemon):
    asked = {"prompt": "The quick", "max_tokens": 12, "seed": 5, "temperature": 1.5, "top_p": 1, "top_k": 0}

    def mean(choice):
        logprobs = choice["logprobs"]["token_logprobs"]
        return sum(logprobs) / len(logprobs)

    _, all_six = daemon.post("/v1/completions", {**asked, "n": 6, "logprobs": 0})
    _, best = daemon.post("/v1/completions", {**asked, "n": 2, "best_of": 6, "logprobs": 0})
    ranked = sorted(all_six["choices"], key=mean, reverse=True)
    assert [c["text"] for c in best["choices"]] == [c["text"] for c in ranked[:2]]
    assert [c["index"] for c in best["choices"]] == [0, 1]
    assert best["usage"]["completion_tokens"] == all_six["usage"]["completion_tokens"]
    _, unasked = daemon.post("/v1/completions", {**asked, "best_of": 6})
    assert [(c["text"], c["logprobs"]) for c in unasked["choices"]] == [(ranked[0]["text"], None)]


def test_bad_words_are_not_written(daemon):
    asked = {**chat("How do I put qwend behind nginx?"), "max_tokens": 80}
    _, answer = daemon.post("/v1/chat/completions", asked)
    text = answer["choices"][0]["message"]["content"]
    words = [word for word in text.split() if word.isalpha() and len(word) > 3][:4]
    _, other = daemon.post("/v1/chat/completions", {**asked, "bad_words": words})
    said = other["choices"][0]["message"]["content"].split()
    assert len(words) == 4 and said and not set(words) & set(said)

    # Of what is several tokens, the first ones may come.
    said = text.split()
    phrase = next(" ".join(said[i:i + 3]) for i in range(1, len(said)) if all(w.isalpha() for w in said[i:i + 3]))
    _, other = daemon.post("/v1/chat/completions", {**asked, "bad_words": [phrase], "n": 2})
    assert phrase in text
    for choice in other["choices"]:
        assert phrase not in choice["message"]["content"] and phrase.split()[0] in choice["message"]["content"]


def test_tokenize_and_back(daemon):
    _, answer = daemon.post("/tokenize", {"prompt": "Hello <|im_end|> 世界"})
    assert answer["count"] == len(answer["tokens"]) and answer["max_model_len"] == 4096
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
    ({"response_format": {"type": "json_schema"}}, "response_format"), ({"prompt_logprobs": -1}, "prompt_logprobs"),
    ({"structured_outputs": {"json": {}, "regex": "a"}}, "structured_outputs.regex"), ({"tool_choice": "required"}, "tool_choice"),
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
    for path, body in (("/tokenize", {"prompt": "x"}), ("/detokenize", {"tokens": [1]}), ("/apply-template", chat()),
                       ("/v1/chat/completions", chat()), ("/v1/completions", {"prompt": "x"})):
        status, answer = daemon.post(path, {**body, "model": "m" * 100_000})
        assert status == 404 and answer["error"]["code"] == "model_not_found", path
        assert len(answer["error"]["message"]) < 200
    status, answer = daemon.post("/v1/chat/completions", chat(add_generation_prompt=True, continue_final_message=True))
    assert status == 400 and answer["error"]["param"] == "continue_final_message"
    status, answer = daemon.post("/v1/completions", {"prompt": [1] * 5000})
    assert status == 400 and answer["error"]["code"] == "context_length_exceeded"
    assert answer["error"]["message"].startswith("This model's maximum context length is 4096 tokens")
    assert "4096" in answer["error"]["message"] and "5000" in answer["error"]["message"]
    status, answer = daemon.post("/v1/completions", {"prompt": ""})
    assert status == 400 and answer["error"]["param"] == "prompt"
    status, _, body = daemon.ask("GET", "/v1/models", headers={"Origin": "https://evil.example"})
    assert status == 403
    status, _, _ = daemon.ask("POST", "/v1/completions", b'{"prompt":"x","max_tokens":1}',
                              {"Content-Type": "application/x-www-form-urlencoded"})
    assert status == 200  # what curl -d says when nothing else is said


def test_pages_and_proxies_of_elsewhere_are_refused(daemon):
    body = b'{"prompt":"x","max_tokens":1}'
    for headers in ({"Origin": "http://6.6.6.6"}, {"Origin": "null"}, {"Origin": "http://[::1].evil.example"},
                    {"Sec-Fetch-Site": "cross-site"}, {"X-Forwarded-For": "10.0.0.9"}):
        status, _, answer = daemon.ask("POST", "/v1/completions", body, headers)
        assert status == 403 and json.loads(answer)["error"]["type"] == "permission_error", headers
    for headers in {"Origin": "http://LOCALHOST:3000"}, {"X-Forwarded-For": "127.0.0.1"}:
        assert daemon.ask("POST", "/v1/completions", body, headers)[0] == 200, headers


def test_options_of_the_server_as_a_whole(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    keys.chmod(0o600)
    with Daemon("--api-key-file", str(keys)) as daemon:
        status, headers, body = daemon.ask("OPTIONS", "*")
        assert (status, headers["allow"], body) == (204, "GET, HEAD, POST, DELETE", b"")
        status, headers, _ = daemon.ask("OPTIONS", "/*")
        assert status == 401


def test_cors_is_off_until_named():
    with Daemon("--cors-origins", "https://app.example") as daemon:
        _, headers, _ = daemon.ask("GET", "/v1/models", headers={"Origin": "https://app.example"})
        assert headers["access-control-allow-origin"] == "https://app.example"
        status, headers, _ = daemon.ask("OPTIONS", "/v1/chat/completions", headers={"Origin": "https://app.example"})
        assert status == 204 and "POST" in headers["access-control-allow-methods"]
        status, headers, _ = daemon.ask("OPTIONS", "/v1/chat/completions", headers={
            "Origin": "https://app.example", "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os,x-stainless-timeout"})
        assert status == 204 and headers["access-control-allow-origin"] == "https://app.example"
        allowed = headers["access-control-allow-headers"].split(", ")
        assert set(allowed) == {"authorization", "content-type", "x-stainless-os", "x-stainless-timeout"}
        assert int(headers["access-control-max-age"]) > 0
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


def test_ids_that_cannot_begin_an_answer_are_refused(daemon):
    body = {"prompt": "x", "allowed_token_ids": [5, 6], "stop_token_ids": [6, 5], "max_tokens": 4}
    status, answer = daemon.post("/v1/completions", {**body, "min_tokens": 1})
    assert status == 400 and answer["error"]["param"] == "allowed_token_ids"
    status, answer = daemon.post("/v1/completions", {**body, "min_tokens": 0})
    assert status == 200 and answer["choices"][0]["finish_reason"] == "stop"
