"""Answers in a form, through HTTP: whatever the demo model would rather say, what ends by itself is a text of the form,
and what `max_tokens` cuts off is the beginning of one. python-jsonschema, re and json are the judges."""

import concurrent.futures
import json
import os
import random
import re

import pytest
from daemon_fixture import Closed, request
from random_schema import SchemaMaker, loads
from schema_oracle import SchemaAccepts, dumps, validator

SEED = int(os.environ.get("QWEND_TEST_SEED") or random.SystemRandom().randrange(10 ** 6))
N_SCHEMAS = int(os.environ.get("QWEND_TEST_SCHEMAS") or 150)
CHAT = "/v1/chat/completions"


def chat(prompt="Tell me about Ann.", **fields):
    return {"messages": [{"role": "user", "content": prompt}], "max_tokens": 120, **fields}


def choices(daemon, body, path=CHAT):
    status, answer = daemon.post(path, body)
    assert status == 200, (answer, body)
    return [(choice["message"]["content"] if path == CHAT else choice["text"], choice["finish_reason"])
            for choice in answer["choices"]]


def one(daemon, body):
    return choices(daemon, body)[0]


def streamed(daemon, body):
    status, _, data = daemon.ask("POST", CHAT, json.dumps({**body, "stream": True}).encode())
    assert status == 200, data
    text, reason = "", None
    for event in re.findall(r"^data: (\{.*\})\r?$", data.decode(), re.M):
        for choice in json.loads(event)["choices"]:
            text += choice["delta"].get("content") or ""
            reason = choice["finish_reason"] or reason
    return text, reason


def json_schema(schema):
    return {"type": "json_schema", "json_schema": {"name": "s", "strict": True, "schema": schema}}


@pytest.fixture(scope="module")
def grammar():
    with SchemaAccepts() as running:
        yield running


def is_begun(grammar, schema, text):
    """Whether the text can still become one of the schema's."""
    text = text.rstrip("\ufffd")  # of a character that was cut
    return grammar.ask(schema, [text], closed=True)["read"] == [len(text.encode())]


def test_random_schemas(daemon, grammar):
    print(f"QWEND_TEST_SEED={SEED}")
    rng = random.Random(SEED)
    cases = [(SchemaMaker(rng).root(), {"seed": rng.randrange(1000), "temperature": rng.choice([1, 1.5, 2])},
              rng.choice(["whole", "stream", "text"])) for _ in range(N_SCHEMAS)]

    def ask(case):
        schema, fields, how = case
        body = chat(response_format=json_schema(schema), **fields)
        if how == "text":
            body = {"prompt": "{", "max_tokens": 120, "guided_json": schema, **fields}
            return choices(daemon, body, "/v1/completions")[0]
        return streamed(daemon, body) if how == "stream" else one(daemon, body)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, cases))
    n_whole = 0
    for (schema, fields, how), (text, reason) in zip(cases, answers):
        said = (SEED, dumps(schema), fields, how, text)
        if reason == "stop":
            validator(schema).validate(loads(text))
            n_whole += 1
        else:
            assert reason == "length" and is_begun(grammar, schema, text), said
    assert n_whole >= N_SCHEMAS / 5, n_whole


def test_a_stream_says_what_a_whole_answer_says(daemon):
    body = chat(response_format=json_schema({"type": "object", "properties": {
        "name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 130}},
        "required": ["name", "age"]}), seed=5, temperature=1.5)
    assert streamed(daemon, body) == one(daemon, body)


@pytest.mark.parametrize("pattern", [
    r"(yes|no), (Ann|Bob)!", r"[A-Z][a-z]{2,8}( [A-Z][a-z]{2,8}){1,2}", r"\d{4}-(0[1-9]|1[0-2])-\d{2}",
    r"((25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(25[0-5]|2[0-4]\d|1?\d?\d)", r"[^\n]{10,20}", "(é|漢字|😀){3,5}", "x?"])
def test_regular_expressions(daemon, pattern):
    for seed, field in enumerate(("regex", "guided_regex", "structured_outputs")):
        value = {"regex": pattern} if field == "structured_outputs" else pattern
        text, reason = one(daemon, chat(**{field: value}, seed=seed, temperature=2))
        assert reason == "stop" and re.fullmatch(pattern, text, re.A), text


def test_choices(daemon):
    words = ["yes", "yes, please", "no", "", "a \"quoted\" one", "漢字"]
    said = {one(daemon, chat(**{field: value}, seed=seed, temperature=2))[0]
            for seed in range(6) for field, value in (("guided_choice", words), ("structured_outputs", {"choice": words}))}
    assert said <= set(words) and len(said) > 1


def test_an_answer_ends_where_its_form_does(daemon):
    """Without a step for a token that says so."""
    for fields in {"guided_choice": ["yes"]}, {"guided_choice": ["yes"], "ignore_eos": True}, {"regex": "yes"}:
        status, answer = daemon.post(CHAT, chat(**fields, logprobs=True))
        assert status == 200, answer
        tokens = [token["token"] for token in answer["choices"][0]["logprobs"]["content"]]
        assert "".join(tokens) == "yes" and answer["usage"]["completion_tokens"] == len(tokens), answer
        assert answer["choices"][0]["finish_reason"] == "stop"
        assert streamed(daemon, chat(**fields)) == ("yes", "stop")


def test_what_a_form_leaves_no_choice_about_is_guessed(daemon):
    before = [daemon.metric(f"qwend:spec_decode_num_{what}_total") for what in ("drafts", "draft_tokens", "accepted_tokens")]
    text, reason = one(daemon, chat(guided_choice=["a text that has a good many tokens"]))
    assert (text, reason) == ("a text that has a good many tokens", "stop")
    after = [daemon.metric(f"qwend:spec_decode_num_{what}_total") for what in ("drafts", "draft_tokens", "accepted_tokens")]
    drafts, tokens, accepted = (b - a for a, b in zip(before, after))
    assert 0 < drafts <= tokens and 0 < accepted <= tokens


def test_an_answer_that_cannot_be_ended_in_its_form_is_an_error(daemon):
    _, tokens = daemon.post("/tokenize", {"prompt": "a", "add_special_tokens": False})
    body = chat(regex="a{60}b", allowed_token_ids=tokens["tokens"])
    status, answer = daemon.post(CHAT, body)
    assert status == 400 and answer["error"]["param"] == "regex" and "cannot go on in the form" in answer["error"]["message"], answer
    with daemon.connect() as client:
        client.send(request("POST", CHAT, json.dumps({**body, "stream": True}).encode()))
        assert client.head()[0] == 200
        last = None
        with pytest.raises(Closed):  # no end that looks like one
            for last in client.events():
                pass
    assert "cannot go on in the form" in last["error"]["message"], last


ARITHMETIC = r"""
root ::= term (("+" | "-") term){0,3}
term ::= [0-9]{1,3} | "(" root ")"
"""
SQL = r"""
start: "SELECT " NAME (", " NAME)~0..2 " FROM " NAME
NAME: /[a-z_]{1,8}/
"""


@pytest.mark.parametrize("field", ["grammar", "ebnf", "guided_grammar"])
def test_grammars(daemon, field):
    for seed in range(3):
        text, reason = one(daemon, chat(**{field: ARITHMETIC}, seed=seed, temperature=1.5))
        assert re.fullmatch(r"[0-9+()-]*", text), text
        if reason == "stop":
            eval(re.sub(r"\b0+(?=\d)", "", text))  # digits, signs and brackets, which match
        text, reason = one(daemon, chat(**{field: SQL}, seed=seed, temperature=1.5))
        assert reason == "stop" and re.fullmatch("SELECT [a-z_]+(, [a-z_]+){0,2} FROM [a-z_]+", text), text


NUMBERED = {"type": "tag", "begin": "<n>", "content": {"type": "json_schema", "json_schema": {"type": "integer"}}, "end": "</n>"}
TAGS = {"type": "tags_with_separator", "separator": ", ", "at_least_one": True, "tags": [
    NUMBERED, {"type": "tag", "begin": "<t>", "content": {"type": "regex", "pattern": "[a-z]{1,9}"}, "end": ["</t>", "."]}]}
CALLS = {"triggers": ["<n>"], "structures": [{"begin": "<n>", "schema": {"type": "integer"}, "end": "</n>"}]}


@pytest.mark.parametrize("how", ["response_format", "structured_outputs", "structural_tag"])
def test_tags(daemon, how):
    def asked(tree):
        if how == "response_format":
            return {how: {"type": "structural_tag", **tree}}
        return {how: {"structural_tag": json.dumps(tree)}} if how == "structured_outputs" else {how: json.dumps(tree)}
    one_tag = r"(<n>(0|-?[1-9]\d*)</n>|<t>[a-z]{1,9}(</t>|\.))"
    for seed in range(3):
        text, reason = one(daemon, chat(**asked({"format": TAGS}), seed=seed, temperature=1.5))
        assert reason == "length" or re.fullmatch(f"{one_tag}(, {one_tag})*", text), text
        text, reason = one(daemon, chat(**asked(CALLS), seed=seed, temperature=1.5, logit_bias={"30": 5}))
        assert all(re.match(r"<n>-?\d*($|<)", text[found.start():]) for found in re.finditer("<n>", text)), text
    status, answer = daemon.post(CHAT, chat(**asked({"format": {"type": "dispatch"}})))
    assert status == 400 and "format.type: " in answer["error"]["message"], answer


def test_json_objects(daemon):
    bodies = [(CHAT, chat(response_format={"type": "json_object"}, seed=3)),
              (CHAT, chat(structured_outputs={"json_object": True}, seed=4)),
              (CHAT, chat(json_schema="$$ANY$$", seed=5)),
              ("/v1/completions", {"prompt": "{", "response_format": {"type": "json_object"}, "max_tokens": 60, "seed": 2})]
    for path, body in bodies:
        text, reason = choices(daemon, body, path)[0]
        assert text.lstrip()[0] in "{["
        if reason == "stop":
            assert isinstance(loads(text), (dict, list))


PERSON = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}, "ok": {"type": "boolean"}},
          "required": ["name", "ok"], "additionalProperties": False}


def test_other_dialects(daemon):
    judge = validator(PERSON)
    for form in {"type": "json_schema", "name": "person", "strict": True, "schema": PERSON}, {"type": "json_object"}:
        status, answer = daemon.post("/v1/responses", {"input": "Who?", "text": {"format": form}, "max_output_tokens": 90})
        text = answer["output"][0]["content"][0]["text"]
        assert status == 200 and answer["text"]["format"]["type"] == form["type"]
        if answer["status"] == "completed":
            assert form["type"] == "json_object" or not judge.validate(loads(text))
    for path, said in ("/api/chat", {"messages": chat()["messages"]}), ("/api/generate", {"prompt": "Who?"}):
        for form in PERSON, "json":
            status, answer = daemon.post(path, {**said, "format": form, "stream": False, "options": {"num_predict": 90}})
            assert status == 200, answer
            text = answer["message"]["content"] if path == "/api/chat" else answer["response"]
            if answer["done_reason"] == "stop":
                assert form == "json" or not judge.validate(loads(text))
    for fields in {"output_config": {"format": {"type": "json_schema", "schema": PERSON}}}, {
            "output_format": {"type": "json_schema", "schema": PERSON}}:
        status, answer = daemon.post("/v1/messages", {"messages": chat()["messages"], "max_tokens": 90, **fields})
        assert status == 200, answer
        if answer["stop_reason"] == "end_turn":
            judge.validate(loads(answer["content"][0]["text"]))
        bad = json.loads(json.dumps(fields).replace('"type": "object"', '"type": "thing"'))
        status, answer = daemon.post("/v1/messages", {"messages": chat()["messages"], "max_tokens": 90, **bad})
        assert status == 400 and next(iter(fields)) in answer["error"]["message"], answer


def test_choices_of_one_request_differ_and_can_be_had_again(daemon):
    body = chat(response_format=json_schema(PERSON), temperature=1.5, seed=40)
    three = choices(daemon, {**body, "n": 3})
    for i, answer in enumerate(three):
        validator(PERSON).validate(loads(answer[0]))
        assert one(daemon, {**body, "seed": 40 + i}) == answer
    assert len(set(three)) > 1


def test_layout(daemon):
    wide = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "integer", "maximum": 9, "minimum": 0},
            "minItems": 2, "maxItems": 3}, "b": {"type": "boolean"}}, "required": ["a", "b"]}
    for seed in range(3):
        body = chat(response_format=json_schema(wide), seed=seed, temperature=2)
        tight = one(daemon, {**body, "structured_outputs": {"disable_any_whitespace": True}})[0]
        assert not re.search(r"\s", tight) and validator(wide).validate(loads(tight)) is None
        broken = one(daemon, {**body, "guided_whitespace_pattern": "\\n"})[0]
        assert broken.count("\n") == 4 + len(loads(broken)["a"]) * 1 + 2 and " " not in broken, broken
    for pattern, why in ("a", "spaces, tabs and line breaks alone"), (" {40}", "at most 32"), ("(", "regex, byte"):
        status, answer = daemon.post(CHAT, {**body, "guided_whitespace_pattern": pattern})
        assert status == 400 and why in answer["error"]["message"], answer


def test_beside_other_fields(daemon):
    judge = validator(PERSON)
    body = chat(response_format=json_schema(PERSON), temperature=1, seed=1)
    for fields in ({"presence_penalty": 2, "frequency_penalty": 2, "repetition_penalty": 1.5}, {"top_k": 1}, {"top_p": 0.1},
                   {"min_p": 0.5}, {"min_tokens": 20}, {"logit_bias": {"0": 100, "1": 100, "2": 100}}, {"temperature": 0},
                   {"ignore_eos": True}, {"stop_token_ids": [5]}, {"bad_words": ["true"]}):
        text, reason = one(daemon, {**body, **fields})
        assert reason == "stop", (fields, text)
        judge.validate(loads(text))
    assert one(daemon, chat(guided_choice=["yes"], min_tokens=50)) == ("yes", "stop")
    assert one(daemon, chat(guided_choice=["ab,cd"], stop=",")) == ("ab", "stop")
    status, answer = daemon.post(CHAT, {**body, "logprobs": True, "top_logprobs": 3})
    tokens = answer["choices"][0]["logprobs"]["content"]
    assert status == 200 and "".join(token["token"] for token in tokens).startswith(answer["choices"][0]["message"]["content"])


def test_what_cannot_be_had_names_the_field_and_the_place(daemon):
    bad = {"type": "object", "properties": {"tags": {"type": "array", "uniqueItems": True}}}
    where = "#/properties/tags/uniqueItems: "
    for path, body, param in (
            (CHAT, chat(response_format=json_schema(bad)), "response_format"), (CHAT, chat(guided_json=bad), "guided_json"),
            (CHAT, chat(structured_outputs={"json": bad}), "structured_outputs.json"),
            ("/v1/completions", {"prompt": "x", "json_schema": json.dumps(bad)}, "json_schema"),
            ("/v1/responses", {"input": "x", "text": {"format": {"type": "json_schema", "name": "n", "schema": bad}}},
             "text.format")):
        for _ in range(2):  # the second time it is known
            status, answer = daemon.post(path, body)
            assert status == 400 and answer["error"]["param"] == param, answer
            assert answer["error"]["message"].startswith(f"{param}: {where}"), answer
    status, answer = daemon.post("/api/chat", {"messages": chat()["messages"], "format": bad})
    assert status == 400 and f"format: {where}" in answer["error"], answer
    for field, value in ("regex", "("), ("grammar", "root ::= none"), ("ebnf", "this is no grammar"):
        status, answer = daemon.post(CHAT, chat(**{field: value}))
        assert status == 400 and answer["error"]["param"] == field, answer
