"""Schemas, patterns and grammars that are made to be expensive: each is served, or refused with its bound, in time; and
nobody else waits for them."""

import concurrent.futures
import json
import time

import pytest
from hostile_schemas import HOSTILE
from schema_oracle import SchemaAccepts

SECONDS = 3  # a tenth of that where nothing else runs and the compiler optimises
MEGABYTES = 200
CHAT = "/v1/chat/completions"


def most_memory(process):
    with open(f"/proc/{process.pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))


@pytest.mark.parametrize("name", HOSTILE)
def test_each_has_its_answer_in_time(name):
    with SchemaAccepts() as grammar:
        answer = grammar.ask(HOSTILE[name], ["null", "{}", "[]", '"aaaa"'])
        assert answer["seconds"] < SECONDS, answer
        assert most_memory(grammar.process) < MEGABYTES or "AddressSanitizer" in name
        assert len(answer.get("error", "why")) < 2000


HOSTILE_TEXTS = {
    "regex": ["((((.{9}x){9}){9}){9}){9}" * 20, "(?=a)" * 5000, "(" * 5000, "a{1,2}{1,2}" * 5000, r"(a)\1", "[z-a]"],
    "grammar": ["root ::= root", "root ::= " + "(" * 5000, "root ::= x", "root ::= " + "a " * 200000, "start: start"],
}


def test_nobody_waits_for_them(daemon):
    bodies = [{"guided_json": json.loads(schema) if isinstance(schema, str) and schema.count("{") < 100 else schema}
              for schema in HOSTILE.values()]
    bodies += [{field: value} for field, values in HOSTILE_TEXTS.items() for value in values]
    say = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 3}
    waited, going = [], True

    def look():
        while going:
            began = time.time()
            assert daemon.ask("GET", "/livez")[0] == 200
            waited.append(time.time() - began)
            time.sleep(0.005)

    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        looking = pool.submit(look)
        answers = list(pool.map(lambda body: daemon.post(CHAT, {**say, **body}), bodies))
        going = False
        looking.result()
    for body, (status, answer) in zip(bodies, answers):
        assert status in (200, 400), answer
        if status == 400:
            (field,) = body
            assert answer["error"]["param"] == field and len(answer["error"]["message"]) < 2000
    assert max(waited) < 1, max(waited)
    assert sorted(waited)[len(waited) // 2] < 0.05
