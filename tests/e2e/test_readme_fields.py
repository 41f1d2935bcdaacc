"""The README's table of what clients may say: each field in it works, changes nothing or is refused, as its
column says."""

import json
import os
import re

import pytest
from daemon_fixture import Daemon
from test_openapi import BODIES, fields_of

README = os.path.join(os.path.dirname(__file__), "..", "..", "README.md")
# What asks for something, whatever the field: a value that no reader takes for none.
SOMETHING = ({"a": 1}, [{"a": 1}], "something", 3, True)


def rows():
    with open(README) as file:
        section = file.read().split("### What clients may say")[1].split("\n## ")[0]
    for line in re.findall(r"^\| .* \|$", section, re.M):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] != "whose":
            yield cells[0], cells[1].strip("`"), *[re.findall(r"`([^`]+)`", cell) for cell in cells[2:]]


ROWS = list(rows())


@pytest.fixture(scope="module")
def document(daemon):
    return daemon.get("/openapi.json")[1]


def test_the_table_is_read():
    assert {"OpenAI", "vLLM", "SGLang", "llama.cpp", "Anthropic", "Ollama", "Cohere", "Jina", "TEI"} == {
        row[0] for row in ROWS}
    assert sum(len(row[2]) for row in ROWS) > 90


@pytest.mark.parametrize("whose, path, works", [row[:3] for row in ROWS])
def test_what_works_is_described(document, whose, path, works):
    assert set(works) <= set(fields_of(document, path))


@pytest.mark.parametrize("whose, path, works", [row[:3] for row in ROWS if row[2]])
def test_what_works_has_tests(whose, path, works):
    texts = []
    for folder, _, names in os.walk(os.path.join(os.path.dirname(README), "tests")):
        for name in names:
            if name.endswith((".cpp", ".py")) and name != os.path.basename(__file__):
                with open(os.path.join(folder, name)) as file:
                    texts.append(file.read())
    everything = "\n".join(texts)
    for field in works:
        named = (f'"{field}"', f'\\"{field}\\"', f"{field}=", f'"{field}":')
        assert any(name in everything for name in named), field


def test_what_changes_nothing_is_taken_and_known():
    with Daemon() as daemon:
        for _, path, _, taken, _ in ROWS:
            for field in taken:
                value = True if field in ("truncate", "shift", "cache_prompt", "stream_reasoning") else {"a": "b"}
                if field in ("user", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "service_tier"):
                    value = "default"
                status, answer = daemon.post(path, {**BODIES[path], field: value})
                assert status == 200, (path, field, answer)
        assert daemon.metric("qwend:unknown_request_fields_total") == 0, daemon.log()
        assert daemon.stop() == 0


@pytest.mark.parametrize("whose, path, refused", [(row[0], row[1], row[4]) for row in ROWS if row[4]])
def test_what_is_refused_is_named(daemon, whose, path, refused):
    for field in refused:
        for value in SOMETHING:
            status, answer = daemon.post(path, {**BODIES[path], field: value})
            assert status == 400, (field, value, answer)
            assert field in json.dumps(answer), (field, value, answer)
