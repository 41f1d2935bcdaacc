"""What a schema's grammar accepts, asked of build/schema-accepts; and what python-jsonschema says of the same."""

import json
import os
import subprocess

import jsonschema

BINARY = os.environ.get("QWEND_SCHEMA_ACCEPTS", "build/schema-accepts")


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class SchemaAccepts:
    def __init__(self):
        self.process = subprocess.Popen([BINARY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        assert self.process.wait(10) == 0

    def ask(self, schema, texts, closed=False):
        """{"accepts": [bool, …], "seconds": …, "bytes": …} or {"error": why not, "seconds": …}. A schema is a value, or
        its text; of what the texts are, likewise."""
        schema = schema if isinstance(schema, str) else dumps(schema)
        question = {"schema": schema, "texts": [t if isinstance(t, str) else dumps(t) for t in texts], "closed": closed}
        self.process.stdin.write(dumps(question) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def validator(schema):
    """Its draft is the one that the schema says it is of, or else the last; and OpenAPI's nullable adds to the type beside
    it."""
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    type_alone = kind.VALIDATORS["type"]

    def type_or_null(judge, types, instance, schema):
        return () if instance is None and schema.get("nullable") is True else type_alone(judge, types, instance, schema)

    kind = jsonschema.validators.extend(kind, {"type": type_or_null})
    return kind(schema, format_checker=kind.FORMAT_CHECKER)


OTHERS = [None, True, False, 0, 1, -1, 2, 7, 1.5, -0.5, 100, 1e300, "", "a", "ab", "abc" * 9, "é\n\"", "2024-02-30", [],
          [1], [None, "a"], {}, {"a": 1}, {"zz": None}]


def mutations(value):
    """Values like it, of which some are valid where it is."""
    yield from OTHERS
    if isinstance(value, str):
        yield from (value + "x", value[1:], value[:-1], value.upper(), value[::-1], " " + value, value * 2)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield from (value + 1, value - 1, -value, value + 0.5, value * 10, value / 4)
    elif isinstance(value, list):
        yield from (value + [each] for each in OTHERS[:16:3])
        yield from ([], value * 2, value[::-1])
        for i, element in enumerate(value):
            yield value[:i] + value[i + 1:]
            yield from (value[:i] + [other] + value[i + 1:] for other in mutations(element))
    elif isinstance(value, dict):
        for name in ("a", "b", "c", "x1", "zz", ""):
            yield from ({**value, name: each} for each in OTHERS[:16:5])
        for name, member in value.items():
            yield {key: each for key, each in value.items() if key != name}
            yield {**{key: each for key, each in value.items() if key != name}, name: member}
            yield from ({**value, name: other} for other in mutations(member))
