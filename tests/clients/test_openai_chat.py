"""OpenAI's own SDK at /v1/chat/completions and /v1/completions: what it makes of the answers."""

import asyncio

import pytest

openai = pytest.importorskip("openai", reason="the package openai is not installed")

MODEL = "demo-model"
HELLO = [{"role": "user", "content": "Hello"}]
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Get the current weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "Name of the city"}},
                   "required": ["city"]}}}


def client_of(daemon, kind=openai.OpenAI):
    return kind(base_url=f"http://127.0.0.1:{daemon.port}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def client(daemon):
    return client_of(daemon)


def chat(client, messages=HELLO, **fields):
    return client.chat.completions.create(model=MODEL, messages=messages, temperature=0, **fields)


def test_a_stream_comes_to_the_same_answer(client):
    whole = chat(client)
    assert whole.object == "chat.completion" and whole.choices[0].finish_reason == "stop"
    assert whole.choices[0].message.content and whole.choices[0].message.role == "assistant"
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert len({chunk.id for chunk in chunks}) == 1 and len(chunks) > 4
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1])
    assert text == whole.choices[0].message.content


def test_the_stream_helper_puts_calls_together(client):
    (call,) = chat(client, QUESTION, tools=[WEATHER]).choices[0].message.tool_calls
    assert call.function.name == "get_weather" and '"Paris"' in call.function.arguments
    with client.chat.completions.stream(model=MODEL, messages=QUESTION, temperature=0, tools=[WEATHER]) as events:
        deltas = [event.arguments_delta for event in events
                  if event.type == "tool_calls.function.arguments.delta"]
        choice = events.get_final_completion().choices[0]
    assert len(deltas) > 1 and "".join(deltas) == call.function.arguments
    assert choice.finish_reason == "tool_calls" and choice.message.tool_calls[0].function.name == "get_weather"


def test_logprobs(client):
    choice = chat(client, max_tokens=3, logprobs=True, top_logprobs=2).choices[0]
    assert len(choice.logprobs.content) == 3
    for token in choice.logprobs.content:
        assert len(token.top_logprobs) == 2 and token.token == token.top_logprobs[0].token
        assert token.logprob <= 0 and bytes(token.bytes).decode() == token.token
    assert "".join(token.token for token in choice.logprobs.content) == choice.message.content


def test_two_choices(client):
    whole = chat(client, n=2, max_tokens=5)
    assert [choice.index for choice in whole.choices] == [0, 1] and whole.usage.completion_tokens == 10
    texts = ["", ""]
    for chunk in chat(client, n=2, max_tokens=5, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [choice.message.content for choice in whole.choices]


def test_completions(client):
    fields = {"model": MODEL, "prompt": "Hello", "temperature": 0, "max_tokens": 5}
    whole = client.completions.create(logprobs=2, **fields)
    assert whole.object == "text_completion" and len(whole.choices[0].logprobs.tokens) == 5
    assert whole.choices[0].text == "".join(
        chunk.choices[0].text for chunk in client.completions.create(stream=True, **fields))
    many = client.completions.create(**{**fields, "prompt": ["Hello", "What"]})
    assert [choice.index for choice in many.choices] == [0, 1] and many.choices[0].text == whole.choices[0].text


def test_raw_response(client):
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=HELLO, max_tokens=2)
    assert raw.status_code == 200 and raw.headers["content-type"].startswith("application/json")
    assert raw.request_id and raw.parse()._request_id == raw.request_id


def test_models(client):
    assert [model.id for model in client.models.list()] == [MODEL]
    assert client.models.retrieve(MODEL).object == "model"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_errors(client):
    for stream in False, True:
        with pytest.raises(openai.NotFoundError) as unknown:
            client.chat.completions.create(model="other", messages=HELLO, stream=stream)
        assert unknown.value.code == "model_not_found" and unknown.value.request_id
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model=MODEL, messages=HELLO, temperature=-1)
    assert refused.value.param == "temperature" and refused.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError):
        chat(client, "no list")


def test_async(daemon):
    async def run():
        async with client_of(daemon, openai.AsyncOpenAI) as client:
            whole = await chat(client)
            parts = [chunk.choices[0].delta.content or "" async for chunk in await chat(client, stream=True)]
            many = await asyncio.gather(*(chat(client) for _ in range(8)))
        assert "".join(parts) == whole.choices[0].message.content
        assert {answer.choices[0].message.content for answer in many} == {"".join(parts)}
    asyncio.run(run())
