"""Guesses change how fast an answer comes and nothing else: the same requests to a daemon that guesses and to one that
does not, token by token with their log-probabilities."""

import concurrent.futures
import json

import pytest
from daemon_fixture import Daemon

ROWS = "\n".join(f"{name},{number},open" for number, name in enumerate(["Ann", "Bob", "Cleo", "Dan"] * 8))
PROMPTS = [ROWS, "one two three " * 30, "What is qwend? What is qwend? What is", "How do I put qwend behind nginx?"]
PARAMETERS = [
    {"temperature": 0},
    {"temperature": 1, "seed": 7},
    {"temperature": 0.7, "top_p": 0.9, "top_k": 40, "seed": 8, "n": 3},
    {"temperature": 0, "repetition_penalty": 1.2, "presence_penalty": 0.5, "frequency_penalty": 0.3},
    {"temperature": 0, "min_tokens": 30, "stop": ["three one", "open\n"]},
    {"temperature": 1, "seed": 9, "logit_bias": {"100": 5, "200": -100}, "bad_words": ["open"]},
    {"temperature": 1, "seed": 3, "guided_json": {"type": "object", "properties": {
        "name": {"enum": ["Ann", "Bob"]}, "a_number": {"type": "integer", "maximum": 99},
        "open": {"type": "boolean"}}, "required": ["name", "a_number", "open"]}},
    {"temperature": 0, "regex": "(Ann|Bob), (open|closed); the rest of this sentence is known\\."},
]
DRAFTED = "qwend:spec_decode_num_draft_tokens_total"


@pytest.fixture(scope="module")
def daemons():
    with Daemon() as guessing, Daemon("--no-speculation") as plain:
        yield guessing, plain


def answer(daemon, body):
    status, answer = daemon.post("/v1/completions", body)
    assert status == 200, answer
    return [(c["text"], c["finish_reason"], c["logprobs"]["token_logprobs"], c["logprobs"]["top_logprobs"])
            for c in answer["choices"]]


def test_answers_are_the_same(daemons):
    guessing, plain = daemons
    for i, prompt in enumerate(PROMPTS):
        for parameters in PARAMETERS:
            # What the prefix cache has may have come about otherwise.
            body = {"prompt": prompt, "max_tokens": 60, "logprobs": 3, "cache_salt": str(i), **parameters}
            assert answer(guessing, body) == answer(plain, body), json.dumps(body)
    assert plain.metric(DRAFTED) == 0


def test_answers_are_the_same_in_company(daemons):
    bodies = [{"prompt": prompt, "max_tokens": 40, "logprobs": 1, **parameters}
              for prompt in PROMPTS for parameters in PARAMETERS]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        ours, theirs = (list(pool.map(lambda body, daemon=daemon: answer(daemon, body), bodies)) for daemon in daemons)
    assert ours == theirs


def test_repeated_text_takes_fewer_steps(daemons):
    guessing, _ = daemons
    if "bf16" not in guessing.log():
        pytest.skip("a CPU without bf16 checks one token a step")
    counters = [DRAFTED, "qwend:spec_decode_num_accepted_tokens_total"]
    before = [guessing.metric(counter) for counter in counters]
    body = {"prompt": "la li lu " * 40, "max_tokens": 100, "temperature": 0, "logprobs": 1}
    [(text, *_)] = answer(guessing, {**body, "logit_bias": {}})
    drafted, accepted = (guessing.metric(counter) - n for counter, n in zip(counters, before))
    assert drafted >= accepted and (accepted > 0 or "la li lu la li" not in text), (drafted, accepted, text)
