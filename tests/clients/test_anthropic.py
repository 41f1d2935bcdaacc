"""Anthropic's own SDK: what it sends, and what it makes of the answers."""

import asyncio
import json
import threading
from typing import Literal

import pydantic
import pytest
from daemon_fixture import Daemon, request, wait_until

anthropic = pytest.importorskip("anthropic")

MODEL = "demo-model"
GREEDY = {"temperature": 0}  # the SDK has left sampling to the body
HELLO = [{"role": "user", "content": "Hello"}]
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
WEATHER = {"name": "get_weather", "description": "Get the current weather of a city",
           "input_schema": {"type": "object", "properties": {"city": {"type": "string",
                                                                      "description": "Name of the city"}},
                            "required": ["city"]}}


def client_of(daemon, kind=anthropic.Anthropic, **options):
    return kind(base_url=f"http://127.0.0.1:{daemon.port}", **{"api_key": "any", "max_retries": 0, **options})


@pytest.fixture(scope="module")
def client(daemon):
    return client_of(daemon)


def create(client, messages=HELLO, **fields):
    return client.messages.create(model=MODEL, max_tokens=200, messages=messages, extra_body=GREEDY, **fields)


def stream(client, messages=HELLO, **fields):
    return client.messages.stream(model=MODEL, max_tokens=200, messages=messages, extra_body=GREEDY, **fields)


def test_a_message(client):
    answer = create(client, system=[{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}],
                    metadata={"user_id": "u"}, thinking={"type": "enabled", "budget_tokens": 1024},
                    service_tier="auto", extra_headers={"anthropic-beta": "of-tomorrow-2030-01-01"})
    assert answer.type == "message" and answer.role == "assistant" and answer.model == MODEL
    assert answer.content[0].type == "text" and answer.content[0].text
    assert answer.stop_reason == "end_turn" and answer.stop_sequence is None
    assert answer.usage.output_tokens > 1 and answer.usage.input_tokens > 0
    assert answer.id == "msg_" + answer._request_id  # which it takes from a header of its own
    assert create(client, stop_sequences=["to"]).stop_sequence == "to"


def test_events_come_to_the_same_message(client):
    whole = create(client)
    with stream(client) as events:
        assert "".join(events.text_stream) == whole.content[0].text
        final = events.get_final_message()
    assert final.content[0].text == whole.content[0].text and final.stop_reason == whole.stop_reason
    assert final.usage.output_tokens == whole.usage.output_tokens
    raw = list(create(client, stream=True))
    assert raw[0].type == "message_start" and raw[-1].type == "message_stop"
    assert [e.type for e in raw].count("content_block_start") == 1


def test_tools_there_and_back(client):
    answer = create(client, QUESTION, tools=[WEATHER])
    call = answer.content[-1]
    assert answer.stop_reason == "tool_use" and call.type == "tool_use" and call.input == {"city": "Paris"}
    with stream(client, QUESTION, tools=[WEATHER], tool_choice={"type": "auto",
                                                                "disable_parallel_tool_use": True}) as events:
        snapshots = [event.snapshot for event in events if event.type == "input_json"]
        assert events.get_final_message().content[-1].input == snapshots[-1] == {"city": "Paris"}
    assert len(snapshots) > 1
    result = {"type": "tool_result", "tool_use_id": call.id, "content": '{"weather": "sunny", "temperature": 21}'}
    answer = create(client, [*QUESTION, {"role": "assistant", "content": answer.content},
                             {"role": "user", "content": [result]}], tools=[WEATHER])
    assert answer.stop_reason == "end_turn" and "21" in answer.content[0].text


def test_the_tool_runner(client):
    cities = []

    @anthropic.beta_tool
    def get_weather(city: str) -> str:
        """Get the current weather of a city

        Args:
            city: Name of the city
        """
        cities.append(city)
        return '{"weather": "sunny", "temperature": 21}'
    runner = client.beta.messages.tool_runner(model=MODEL, max_tokens=200, messages=QUESTION, tools=[get_weather],
                                              extra_body=GREEDY)
    answer = runner.until_done()
    assert cities == ["Paris"] and answer.stop_reason == "end_turn" and answer.content[0].text


def test_the_beta_route(client):
    answer = client.beta.messages.create(model=MODEL, max_tokens=200, messages=HELLO, extra_body=GREEDY,
                                         betas=["context-management-2025-06-27"],
                                         context_management={"edits": [{"type": "clear_tool_uses_20250919"}]})
    assert answer.content[0].text == create(client).content[0].text


def test_count_tokens(client):
    for fields in {}, {"tools": [WEATHER], "system": "Be brief."}:
        n = client.messages.count_tokens(model=MODEL, messages=QUESTION, **fields).input_tokens
        usage = create(client, QUESTION, **fields).usage
        assert n == usage.input_tokens + usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    beta = client.beta.messages.count_tokens(model=MODEL, messages=QUESTION).input_tokens
    assert beta == client.messages.count_tokens(model=MODEL, messages=QUESTION).input_tokens


def test_models(client):
    models = list(client.models.list(limit=1))
    assert [model.id for model in models] == [MODEL]
    assert models[0].type == "model" and models[0].display_name == MODEL and models[0].created_at.year > 2020
    assert models[0].lifecycle == "active" and models[0].max_input_tokens == 4096
    assert client.models.retrieve(MODEL) == models[0]


class Person(pydantic.BaseModel):  # the SDK sends types, no bounds
    name: Literal["Ann", "Bob"]
    age: int


@pytest.mark.parametrize("route", ["messages", "beta"])
def test_an_answer_is_parsed(client, route):
    messages = client.messages if route == "messages" else client.beta.messages
    for _ in range(3):
        answer = messages.parse(model=MODEL, max_tokens=200, messages=HELLO, output_format=Person)
        assert answer.stop_reason == "end_turn" and isinstance(answer.parsed_output, Person)


def test_errors(client):
    with pytest.raises(anthropic.NotFoundError) as error:
        client.messages.create(model="claude-opus-4", max_tokens=1, messages=HELLO)
    assert error.value.body["error"]["type"] == "not_found_error"
    assert error.value.request_id == error.value.body["request_id"]
    with pytest.raises(anthropic.BadRequestError, match="messages"):
        create(client, [])
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        create(client, [{"role": "user", "content": "word " * 6000}])
    with pytest.raises(anthropic.RequestTooLargeError):
        create(client, [{"role": "user", "content": "x" * (9 << 20)}])
    with pytest.raises(anthropic.BadRequestError, match="output_config.format"):
        create(client, output_config={"format": {"type": "json_schema", "schema": {"type": "thing"}}})
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("none")


def test_keys(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    keys.chmod(0o600)
    with Daemon("--api-key-file", str(keys)) as daemon:
        assert create(client_of(daemon, api_key="secret")).content
        assert create(client_of(daemon, api_key=None, auth_token="secret")).content
        with pytest.raises(anthropic.AuthenticationError):
            create(client_of(daemon, api_key="other"))


def test_who_is_refused_asks_again():
    with Daemon("--max-sequences", "1", "--max-queue", "1") as daemon, daemon.connect() as first, \
            daemon.connect() as second:
        for other in first, second:
            other.send(request("POST", "/v1/completions", json.dumps(
                {"prompt": "x", "max_tokens": 3000, "ignore_eos": True, "stream": True}).encode()))
        daemon.wait_metric("qwend:num_requests_waiting", 1)
        with pytest.raises(anthropic.RateLimitError):
            create(client_of(daemon))
        answers = []
        asking = threading.Thread(target=lambda: answers.append(create(client_of(daemon, max_retries=9))), daemon=True)
        asking.start()
        wait_until(lambda: daemon.log().count("/v1/messages 429") == 2, daemon.log)
        first.socket.close()
        second.socket.close()
        asking.join(60)
        assert answers[0].content


def test_async(daemon):
    async def everything():
        async with client_of(daemon, anthropic.AsyncAnthropic) as client:
            whole = await create(client)
            async with stream(client) as events:
                text = "".join([part async for part in events.text_stream])
            assert text == whole.content[0].text
            many = await asyncio.gather(*(create(client) for _ in range(8)))
            assert {answer.content[0].text for answer in many} == {text}
            assert (await client.messages.count_tokens(model=MODEL, messages=HELLO)).input_tokens > 0
    asyncio.run(everything())


def test_prefill(client):
    text = create(client).content[0].text
    begun = text[:text.index(" ", 5)]
    assert begun + create(client, [*HELLO, {"role": "assistant", "content": begun}]).content[0].text == text
