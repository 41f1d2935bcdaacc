"""The engine for chat templates against Jinja itself: byte for byte, errors included."""

import json
import os
import subprocess

import jinja_reference
import pytest
from template_cases import GROUPS, VARIABLES
from template_chats import CHATS

BINARY = os.environ.get("QWEND_RENDER_TEMPLATE", "build/render-template")


class Engine:
    def __init__(self):
        self.process = subprocess.Popen([BINARY], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, encoding="utf-8")

    def render(self, template, variables):
        self.process.stdin.write(json.dumps({"template": template, "variables": variables}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


@pytest.fixture(scope="module")
def engine():
    engine = Engine()
    yield engine
    engine.stop()


def compare(engine, template, variables):
    """A template fails here if it fails there, and says what raise_exception was given."""
    expected = jinja_reference.render(template, variables)
    found = engine.render(template, variables)
    if "text" in expected or expected["raised"]:
        expected.pop("raised", None)
        assert found == expected, template
    else:
        assert "error" in found, (template, expected, found)
    return "text" in expected


@pytest.mark.parametrize("group", GROUPS)
def test_constructs(engine, group):
    for template in GROUPS[group]:
        compare(engine, template, VARIABLES)


@pytest.mark.parametrize("chat", CHATS)
def test_random_conversations(engine, chat):
    conversations = jinja_reference.Conversations(chat)
    rendered = sum(compare(engine, CHATS[chat], conversations.variables()) for _ in range(300))
    assert rendered > 20  # and not all failed alike
