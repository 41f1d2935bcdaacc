"""Every keyword of JSON Schema, against python-jsonschema: what a schema's grammar accepts is valid, whatever is done to
it; and the README's table of keywords is true."""

import json
import os
import re

import pytest
from schema_cases import CASES, REFUSED, is_json
from schema_oracle import SchemaAccepts, dumps, mutations, validator

README = os.path.join(os.path.dirname(__file__), "..", "..", "README.md")


@pytest.fixture(scope="module")
def grammar():
    with SchemaAccepts() as running:
        yield running


def ids(rows):
    return [f"{row[0]}-{i}" for i, row in enumerate(rows)]


@pytest.mark.parametrize("keyword, schema, yes, narrow, no", CASES, ids=ids(CASES))
def test_what_is_served(grammar, keyword, schema, yes, narrow, no):
    judge = validator(schema)
    assert all(judge.is_valid(json.loads(text)) for text in yes + narrow)
    if schema.get("format", "date") in judge.format_checker.checkers:  # others take packages that are not here
        assert not any(judge.is_valid(json.loads(text)) for text in no if is_json(text))
    answer = grammar.ask(schema, yes + narrow + no)
    assert "error" not in answer, answer
    assert dict(zip(yes + narrow + no, answer["accepts"])) == {
        **dict.fromkeys(yes, True), **dict.fromkeys(narrow + no, False)}


@pytest.mark.parametrize("keyword, schema, yes, narrow, no", CASES, ids=ids(CASES))
def test_what_is_accepted_is_valid(grammar, keyword, schema, yes, narrow, no):
    judge = validator(schema)
    texts = sorted({dumps(other) for text in yes + narrow for other in mutations(json.loads(text))})
    for closed in (False, True):
        accepted = [text for text, ok in zip(texts, grammar.ask(schema, texts, closed)["accepts"]) if ok]
        assert not [text for text in accepted if not judge.is_valid(json.loads(text))]


@pytest.mark.parametrize("keyword, schema, message", REFUSED, ids=ids(REFUSED))
def test_what_is_refused_says_where_and_why(grammar, keyword, schema, message):
    assert message in grammar.ask(schema, []).get("error", "")


def rows():
    with open(README) as file:
        section = file.read().split("### Structured output")[1].split("\n##")[0]
    for line in re.findall(r"^\| .* \|$", section, re.M):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if "`" in cells[0]:
            yield re.findall(r"`([^`]+)`", cells[0]), cells[1]


def test_the_readme_has_every_keyword_once_and_is_right_about_it():
    said = [(keyword, how) for keywords, how in rows() for keyword in keywords]
    assert len(said) == len({keyword for keyword, _ in said})
    assert {keyword for keyword, _ in said} >= {row[0] for row in CASES + REFUSED} - {"x-made-up"}
    served = {row[0] for row in CASES}
    narrowed = {row[0] for row in CASES if row[3]} | {row[0] for row in REFUSED}
    for keyword, how in said:
        if how == "served":
            assert keyword in served, keyword
        elif how == "in part":
            assert keyword in served and keyword in narrowed, keyword
        elif how == "ignored":
            assert keyword in served, keyword
        else:
            assert how == "refused" and keyword in {row[0] for row in REFUSED}, keyword


def test_schemas_as_people_write_them(grammar):
    """How many of them are served, with all their values, may not fall."""
    with open(os.path.join(os.path.dirname(__file__), "served_schemas.json")) as file:
        schemas = json.load(file)
    served = [each for each in schemas if all(grammar.ask(each["schema"], [dumps(value) for value in each["valid"]], closed).get("accepts", [False]) ==
                                              [True] * len(each["valid"]) for closed in (False, True))]
    missing = [each["name"] for each in schemas if each not in served]
    assert all(validator(each["schema"]).is_valid(value) for each in schemas for value in each["valid"])
    assert len(served) >= 34, missing
