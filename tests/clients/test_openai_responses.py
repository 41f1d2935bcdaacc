"""OpenAI's own SDK at /v1/responses. Skipped where it is not installed (pip install openai)."""

import asyncio

import pytest

openai = pytest.importorskip("openai", reason="the package openai is not installed")

MODEL = "demo-model"
WEATHER = {"type": "function", "name": "get_weather", "description": "Get the current weather of a city",
           "parameters": {"type": "object", "properties": {"city": {"type": "string",
                                                                    "description": "Name of the city"}},
                          "required": ["city"]}, "strict": False}
QUESTION = "What is the weather in Berlin?"


@pytest.fixture
def client(daemon):
    return openai.OpenAI(base_url=f"http://127.0.0.1:{daemon.port}/v1", api_key="none", max_retries=0)


def ask(client, input, **fields):
    return client.responses.create(model=MODEL, input=input, temperature=0, **fields)


def test_create(client):
    response = ask(client, "Hello")
    assert response.status == "completed" and response.output_text
    usage = response.usage
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert usage.input_tokens_details.cached_tokens >= 0 and usage.output_tokens_details.reasoning_tokens == 0
    # Strict: every field that a type calls required is there, and of its type.
    type(response).model_validate(response.to_dict(), strict=False)


def test_raw_events(client):
    events = list(ask(client, "Hello", stream=True))
    for number, event in enumerate(events):
        assert event.sequence_number == number
        assert type(event).__name__.startswith("Response")
        type(event).model_validate(event.to_dict())
    assert events[-1].response.output_text == ask(client, "Hello").output_text


@pytest.mark.parametrize("fields", [{"input": "Hello"}, {"input": QUESTION, "tools": [WEATHER]}])
def test_stream_helper(client, fields):
    with client.responses.stream(model=MODEL, temperature=0, **fields) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert final.output_text == text
    whole = ask(client, **fields)
    assert final.status == whole.status and final.output_text == whole.output_text
    assert [item.type for item in final.output] == [item.type for item in whole.output]


def test_stream_helper_of_what_is_cut(client):
    with client.responses.stream(model=MODEL, input="Hello", max_output_tokens=5) as stream:
        last = list(stream)[-1]
    assert last.type == "response.incomplete"
    assert last.response.incomplete_details.reason == "max_output_tokens"


def test_kept_and_gone_on_from(client):
    first = ask(client, "My name is Anna.")
    second = ask(client, "What is my name?", previous_response_id=first.id)
    assert client.responses.retrieve(second.id) == second
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(second.id)
    client.responses.delete(first.id)
    with pytest.raises(openai.BadRequestError) as gone:
        ask(client, "x", previous_response_id=first.id)
    assert gone.value.code == "previous_response_not_found"
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(first.id)


def test_tool(client):
    first = ask(client, QUESTION, tools=[WEATHER])
    (call,) = first.output
    assert (call.type, call.name) == ("function_call", "get_weather")
    output = {"type": "function_call_output", "call_id": call.call_id,
              "output": '{"temperature": 12, "condition": "rain"}'}
    by_id = ask(client, [output], tools=[WEATHER], previous_response_id=first.id)
    by_hand = ask(client, [{"role": "user", "content": QUESTION}, *first.output, output], tools=[WEATHER])
    assert by_id.output_text == by_hand.output_text != ""


def test_logprobs(client):
    response = ask(client, "Hello", include=["message.output_text.logprobs"], top_logprobs=2)
    logprobs = response.output[0].content[0].logprobs
    assert len(logprobs) == response.usage.output_tokens and len(logprobs[0].top_logprobs) == 2


def test_async(daemon):
    async def run():
        async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{daemon.port}/v1", api_key="none") as client:
            whole = await ask(client, "Hello")
            async with client.responses.stream(model=MODEL, input="Hello", temperature=0) as stream:
                async for _ in stream:
                    pass
                return whole, await stream.get_final_response()

    whole, streamed = asyncio.run(run())
    assert whole.output_text == streamed.output_text


def test_errors(client):
    with pytest.raises(openai.BadRequestError) as refused:
        ask(client, "x", text={"format": {"type": "grammar"}})
    assert refused.value.param == "text.format.type"
    with pytest.raises(openai.NotFoundError) as unknown:
        client.responses.create(model="other", input="x")
    assert unknown.value.code == "model_not_found"
