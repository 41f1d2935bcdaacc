"""What is said of the tokens of a prompt: echo with logprobs, and vLLM's prompt_logprobs."""

import json

import pytest
from daemon_fixture import Daemon

PROMPT = "How do I put qwend behind nginx?"


def complete(daemon, **fields):
    status, answer = daemon.post("/v1/completions", {"prompt": PROMPT, "temperature": 0, "ignore_eos": True,
                                                     "repetition_penalty": 1, **fields})
    assert status == 200, answer
    return answer


def ids_of(daemon, text):
    return daemon.post("/tokenize", {"prompt": text})[1]["tokens"]


def same(ours, theirs):
    """To the bit with bf16 products; another order of additions may come to a little more."""
    return ours == pytest.approx(theirs, abs=2e-2)


def test_an_echo_scores_an_answer_as_generating_it_did(daemon):
    generated = complete(daemon, max_tokens=24, logprobs=2, return_token_ids=True)["choices"][0]
    prompt = ids_of(daemon, PROMPT) + generated["token_ids"]
    scored = complete(daemon, prompt=prompt, max_tokens=0, echo=True, logprobs=2)
    choice = scored["choices"][0]
    assert choice["text"] == PROMPT + generated["text"] and choice["finish_reason"] == "length"
    assert scored["usage"]["completion_tokens"] == 0 and scored["usage"]["prompt_tokens"] == len(prompt)
    logprobs = choice["logprobs"]
    assert {len(each) for each in logprobs.values()} == {len(prompt)}
    assert logprobs["token_logprobs"][0] is None and logprobs["top_logprobs"][0] is None
    assert "".join(logprobs["tokens"]) == choice["text"]
    before = "".join(generated["logprobs"]["tokens"])
    assert "".join(logprobs["tokens"][-24:]) == before
    assert same(logprobs["token_logprobs"][-24:], generated["logprobs"]["token_logprobs"])
    for ours, theirs in zip(logprobs["top_logprobs"][-24:], generated["logprobs"]["top_logprobs"]):
        assert list(ours) == list(theirs)
    for token, offset in zip(logprobs["tokens"], logprobs["text_offset"]):
        assert choice["text"][offset:].startswith(token)


def test_what_is_generated_follows_the_prompt(daemon):
    for prompt in PROMPT, [PROMPT, "Hello"]:
        fields = {"prompt": prompt, "max_tokens": 3, "echo": True, "logprobs": 1, "n": 2}
        answer = complete(daemon, **fields)
        plain = complete(daemon, **{**fields, "echo": False})
        for ours, theirs in zip(answer["choices"], plain["choices"]):
            n = len(ours["logprobs"]["tokens"]) - 3
            assert ours["logprobs"]["tokens"][n:] == theirs["logprobs"]["tokens"]
            assert same(ours["logprobs"]["token_logprobs"][n:], theirs["logprobs"]["token_logprobs"])
            begin = len(ours["text"]) - len(theirs["text"])
            assert ours["logprobs"]["text_offset"][n:] == [begin + at for at in theirs["logprobs"]["text_offset"]]
        assert answer["choices"][0]["logprobs"] == answer["choices"][1]["logprobs"]


def test_a_stream_begins_with_the_prompt(daemon):
    fields = {"max_tokens": 3, "echo": True, "logprobs": 1}
    whole = complete(daemon, **fields)["choices"][0]
    for max_tokens in 3, 0:
        _, _, body = daemon.ask("POST", "/v1/completions", json.dumps(
            {"prompt": PROMPT, "temperature": 0, "ignore_eos": True, "repetition_penalty": 1, **fields,
             "max_tokens": max_tokens, "stream": True}).encode())
        events = [json.loads(e[6:]) for e in body.decode().split("\n\n") if e and not e.endswith("[DONE]")]
        choices = [event["choices"][0] for event in events]
        assert choices[0]["text"] == PROMPT
        n = len(choices[0]["logprobs"]["tokens"])
        for kind, values in choices[0]["logprobs"].items():
            assert values == whole["logprobs"][kind][:n]
        tokens = sum((c["logprobs"]["tokens"] for c in choices if c["logprobs"]), [])
        assert tokens == whole["logprobs"]["tokens"][:n + max_tokens]
        assert choices[-1]["finish_reason"] == "length"


def test_prompt_logprobs_are_vllms(daemon):
    ids = ids_of(daemon, PROMPT)
    choices = complete(daemon, max_tokens=2, prompt_logprobs=3, n=2)["choices"]
    echoed = complete(daemon, max_tokens=0, echo=True, logprobs=0)["choices"][0]["logprobs"]
    assert choices[0]["prompt_logprobs"] == choices[1]["prompt_logprobs"] and choices[0]["logprobs"] is None
    scores = choices[0]["prompt_logprobs"]
    assert scores[0] is None and len(scores) == len(ids)
    for token, score, logprob in zip(ids[1:], scores[1:], echoed["token_logprobs"][1:]):
        given = score[str(token)]
        assert next(iter(score)) == str(token) and len(score) in (3, 4)
        assert set(given) == {"logprob", "rank", "decoded_token"}
        assert same(given["logprob"], logprob)
        assert given["decoded_token"] == daemon.post("/detokenize", {"tokens": [token]})[1]["prompt"]
        ranked = sorted(score.values(), key=lambda entry: entry["rank"])
        assert [entry["rank"] for entry in ranked][:3] == [1, 2, 3]
        assert ranked == sorted(ranked, key=lambda entry: -entry["logprob"])
    answer = daemon.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello"}],
                                                  "max_tokens": 2, "prompt_logprobs": 0})[1]
    assert len(answer["prompt_logprobs"]) == answer["usage"]["prompt_tokens"]
    assert all(len(score) == 1 for score in answer["prompt_logprobs"][1:])
    assert "prompt_logprobs" not in answer["choices"][0]


def test_what_a_prompt_shares_with_another_is_scored_all_the_same(daemon):
    fields = {"prompt": PROMPT * 8, "max_tokens": 0, "echo": True, "logprobs": 1}
    first = complete(daemon, **fields)
    again = complete(daemon, **fields)
    assert again["choices"] == first["choices"]
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    plain = complete(daemon, prompt=PROMPT * 8, max_tokens=1)
    assert plain["usage"]["prompt_tokens_details"]["cached_tokens"] > 50


def test_a_prompt_as_long_as_the_context_is_scored():
    with Daemon("--max-context", "128", "--max-step-tokens", "48") as daemon:
        ids = ids_of(daemon, PROMPT * 40)[:128]
        answer = complete(daemon, prompt=ids, max_tokens=0, echo=True, logprobs=20)
        assert len(answer["choices"][0]["logprobs"]["tokens"]) == 128
        assert daemon.post("/v1/completions", {"prompt": ids, "max_tokens": 1})[0] == 400


@pytest.mark.parametrize("path, fields, param", [
    ("completions", {"prompt": "x", "prompt_logprobs": -1}, "prompt_logprobs"),
    ("completions", {"prompt": "x", "prompt_logprobs": 21}, "prompt_logprobs"),
    ("completions", {"prompt": "x", "prompt_logprobs": 1, "stream": True}, "prompt_logprobs"),
    ("completions", {"prompt": "x", "max_tokens": 0}, "max_tokens"),
    ("completions", {"prompt": "x", "max_tokens": 0, "logprobs": 1}, "max_tokens"),
    ("chat/completions", {"messages": [{"role": "user", "content": "x"}], "prompt_logprobs": 1, "stream": True},
     "prompt_logprobs"),
    ("chat/completions", {"messages": [{"role": "user", "content": "x"}], "max_tokens": 0}, "max_tokens"),
])
def test_errors(daemon, path, fields, param):
    status, answer = daemon.post("/v1/" + path, fields)
    assert status == 400 and answer["error"]["param"] == param
