"""What `vllm bench serve` sends and how it reads the answers, without vLLM, which is gigabytes.

Source: vLLM's benchmarks/serve.py and benchmarks/lib, endpoint_request_func.py and ready_checker.py. It needs of a
server: one probe that is answered with a token, asked for again every five seconds until it is; streams whose every
chunk with choices is a moment of output and whose chunk without is the usage, which counts for more than what its
own tokenizer makes of the text; as many tokens as it asked for, since ignore_eos is set for random prompts; and
/tokenize and /detokenize, by which it cuts prompts to their length where its tokenizer is another.
"""

import codecs
import http.client
import json
import threading
import time

import pytest
from daemon_fixture import PATIENCE, Daemon, wait_until

MODEL = "demo-model"


def messages_of(response):
    """The data of a stream's events, read as the benchmark does it: what came at once is stripped, and an event
    counts as whole once it is JSON, ended or not."""
    decoder, buffer = codecs.getincrementaldecoder("utf-8")(), ""
    while part := response.read1(65536):
        buffer += decoder.decode(part.strip())
        *events, buffer = buffer.split("\n\n")
        if buffer.startswith("data: "):
            try:
                if buffer[6:] != "[DONE]":
                    json.loads(buffer[6:])
                events, buffer = [*events, buffer], ""
            except ValueError:
                pass  # more of it is to come
        for event in events:
            if event.strip() and not event.startswith(":"):
                yield event.strip().removeprefix("data: ")
    assert buffer == ""


class Output:
    """One request's figures, of which all but the text and the counts are times."""

    def __init__(self, port, path, body, request_id="", connection=None):
        self.connection = connection or http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        headers = {"Content-Type": "application/json", **({"x-request-id": request_id} if request_id else {})}
        self.text, self.tokens, self.prompt_tokens, self.moments, self.error = "", None, None, [], ""
        self.connection.request("POST", path, json.dumps(body), headers)
        response = self.connection.getresponse()
        self.headers = response.headers
        if response.status != 200:
            self.error = response.reason
            response.read()
            return
        for message in messages_of(response):
            if message == "[DONE]":
                continue
            data = json.loads(message)
            if choices := data.get("choices"):
                self.moments.append(time.perf_counter())
                choice = choices[0]
                self.text += (choice["delta"].get("content") if "delta" in choice else choice.get("text")) or ""
            elif usage := data.get("usage"):
                self.tokens, self.prompt_tokens = usage["completion_tokens"], usage["prompt_tokens"]


def text_body(prompt, n, **more):
    return {"model": MODEL, "prompt": prompt, "repetition_penalty": 1.0, "max_tokens": n, "logprobs": None,
            "stream": True, "stream_options": {"include_usage": True}, **more}


def chat_body(prompt, n, **more):
    return {"model": MODEL, "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]}],
            "max_completion_tokens": n, "stream": True, "stream_options": {"include_usage": True}, **more}


def test_it_waits_until_it_is_answered():
    with Daemon(wait=False) as daemon:
        wait_until(lambda: "listening on" in daemon.log(), daemon.log)
        port = int(daemon.log().split("listening on 127.0.0.1:")[1].split()[0])
        answered = []

        def probe():
            output = Output(port, "/v1/completions", text_body("Hi", 1, ignore_eos=True))
            assert output.moments or output.error == "Service Unavailable"
            answered.extend(output.moments)
            return output.moments

        wait_until(probe, daemon.log)
        assert len(answered) == 1


def test_the_model_is_the_first_that_is_listed(daemon):
    status, _, body = daemon.ask("GET", "/v1/models")
    first = json.loads(body)["data"][0]
    assert status == 200 and first["id"] == first["root"] == MODEL


def test_prompts_are_cut_to_their_length(daemon):
    asked = {"model": MODEL, "prompt": "How do I put qwend behind nginx?", "add_special_tokens": False}
    tokens = daemon.post("/tokenize", asked)[1]["tokens"]
    cut = daemon.post("/detokenize", {"model": MODEL, "tokens": tokens[:5]})[1]["prompt"]
    assert asked["prompt"].startswith(cut)
    for prompt in cut, tokens[:5]:
        output = Output(daemon.port, "/v1/completions", text_body(prompt, 3, ignore_eos=True))
        assert output.prompt_tokens == 5


@pytest.mark.parametrize("more", [
    {}, {"temperature": 0.0, "best_of": 1}, {"logprobs": 2},
    {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}])
def test_as_many_tokens_as_were_asked_for(daemon, more):
    # So many that not all share an event, however late the loop comes to them.
    body = text_body("Hello", 400, ignore_eos=True, seed=1, **more)
    output = Output(daemon.port, "/v1/completions", body, "bench-0")
    assert (output.tokens, output.prompt_tokens) == (400, 1) and 1 < len(output.moments) <= 400
    assert output.headers["x-request-id"] == "bench-0"
    whole = daemon.post("/v1/completions", {**body, "stream": False, "stream_options": None})[1]
    assert output.text == whole["choices"][0]["text"] and whole["usage"]["completion_tokens"] == 400


def test_chats(daemon):
    output = Output(daemon.port, "/v1/chat/completions", chat_body("Hello", 400, ignore_eos=True))
    assert output.tokens == 400 and output.prompt_tokens > 1 and len(output.moments) > 1
    ended = Output(daemon.port, "/v1/chat/completions", chat_body("Hello", 1000, temperature=0))
    assert 1 < ended.tokens < 1000 and ended.text


def test_many_at_once_on_connections_that_are_kept(daemon):
    outputs = []

    def ask_again():
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
        for n in range(3):
            outputs.append(Output(daemon.port, "/v1/completions", text_body([5, 6, 7], 20, ignore_eos=True),
                                  f"bench-{n}", connection))

    threads = [threading.Thread(target=ask_again, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert [(output.tokens, output.prompt_tokens) for output in outputs] == [(20, 3)] * 24


def test_failures_have_a_reason(daemon):
    too_much, unknown = text_body("x", 5000), {**text_body("x", 1), "model": "other"}
    for body, reason in (too_much, "Bad Request"), (unknown, "Not Found"):
        assert Output(daemon.port, "/v1/completions", body).error == reason
    assert daemon.post("/start_profile", {})[0] == 404
