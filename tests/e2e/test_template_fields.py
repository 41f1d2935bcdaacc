"""What a chat template is shown of a request, by one that prints what it was given."""

import pytest

from daemon_fixture import Daemon

TEMPLATE = """\
{%- for message in messages -%}
{{ message.role }}|{{ message.name }}|{{ message.tool_call_id }}|
{%- for call in message.tool_calls %}{{ call.id }}{% endfor %}|{{ message.content }};
{%- endfor -%}
{%- for document in documents %}{{ document.title }},{% endfor -%}
{{ reasoning_effort }}
"""


@pytest.fixture(scope="module")
def printing(tmp_path_factory):
    file = tmp_path_factory.mktemp("template") / "printing.jinja"
    file.write_text(TEMPLATE)
    with Daemon("--chat-template", str(file)) as running:
        yield running


def shown(daemon, *messages, **members):
    status, said = daemon.post("/apply-template", {"messages": messages, **members})
    assert status == 200, said
    return said["prompt"]


def test_names_and_the_ids_of_calls(printing):
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert shown(printing, {"role": "user", "name": "Ada", "content": "a"},
                 {"role": "assistant", "content": "b", "tool_calls": [call]},
                 {"role": "tool", "tool_call_id": "c1", "name": "f", "content": "d"}) == \
        "user|Ada|||a;assistant|||c1|b;tool|f|c1||d;"


def test_a_developer_is_the_systems_to_a_template_that_names_none(printing, tmp_path):
    turns = [{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}]
    assert shown(printing, *turns) == "system||||a;user||||b;"
    file = tmp_path / "developer.jinja"
    file.write_text("{{ messages[0].role == 'developer' }}")
    with Daemon("--chat-template", str(file)) as running:
        assert shown(running, *turns) == "True"


def test_documents_and_how_much_to_reason(printing, daemon):
    turn = {"role": "user", "content": "a"}
    documents = [{"title": "b"}, {"title": "c"}]
    assert shown(printing, turn, documents=documents) == "user||||a;b,c,"
    assert shown(printing, turn, reasoning_effort="high") == "user||||a;high"
    assert shown(printing, turn, reasoning_effort="high",
                 chat_template_kwargs={"reasoning_effort": "low"}) == "user||||a;low"
    status, said = daemon.post("/v1/chat/completions", {"messages": [turn], "documents": documents})
    assert status == 400 and said["error"]["param"] == "documents"


def test_a_response_is_told_how_much_to_reason(printing):
    def n_prompt(**members):
        status, said = printing.post("/v1/responses", {"input": "a", "max_output_tokens": 1, **members})
        assert status == 200, said
        return said["usage"]["input_tokens"]

    effort = "as much as it takes, and then some"
    assert n_prompt(reasoning={"effort": effort}) > n_prompt(reasoning={"effort": None}) == n_prompt()
    status, said = printing.post("/v1/responses", {"input": "a", "reasoning": {"effort": 1}})
    assert status == 400 and said["error"]["param"] == "reasoning.effort"
