"""Ollama's own client, and LangChain's: what they send, and what they make of the answers."""

import asyncio

import pytest

ollama = pytest.importorskip("ollama")

MODEL = "demo-model"
GREEDY = {"temperature": 0, "num_predict": 60}
HELLO = [{"role": "user", "content": "Hello"}]
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]


def get_weather(city: str) -> str:
    """Get the current weather of a city

    Args:
      city: Name of the city
    """
    return f"Rain in {city}"


@pytest.fixture(scope="module")
def client(daemon):
    return ollama.Client(host=f"http://127.0.0.1:{daemon.port}")


@pytest.fixture(scope="module")
def async_client(daemon):
    return lambda: ollama.AsyncClient(host=f"http://127.0.0.1:{daemon.port}")


def test_chat_whole_and_in_parts(client):
    whole = client.chat(MODEL, HELLO, options=GREEDY)
    assert whole.done and whole.done_reason == "stop" and whole.model == MODEL
    assert whole.message.role == "assistant" and whole.message.content
    assert whole.eval_count > 1 and whole.prompt_eval_count > 1
    assert whole.total_duration >= whole.eval_duration > 0
    parts = list(client.chat(MODEL + ":latest", HELLO, stream=True, options=GREEDY))
    assert "".join(part.message.content for part in parts) == whole.message.content
    assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
    assert parts[-1].eval_count == whole.eval_count and parts[0].eval_count is None


def test_generate_goes_on_from_its_context(client):
    first = client.generate(MODEL, "Hello", options=GREEDY)
    assert first.response and len(first.context) == first.prompt_eval_count + first.eval_count
    second = client.generate(MODEL, "Hello", context=first.context, options=GREEDY)
    assert second.prompt_eval_count > first.prompt_eval_count
    assert list(second.context)[:len(first.context)] == list(first.context)
    parts = list(client.generate(MODEL, "Hello", stream=True, options=GREEDY))
    assert "".join(part.response for part in parts) == first.response
    assert parts[-1].context == first.context


def test_generate_raw_and_between(client):
    raw = client.generate(MODEL, "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", raw=True,
                          options=GREEDY)
    assert raw.response and raw.context is None
    between = client.generate(MODEL, "def add(a, b):\n", suffix="\n", options={"num_predict": 3})
    assert between.eval_count <= 3
    with pytest.raises(ollama.ResponseError, match="raw mode") as refused:
        client.generate(MODEL, "Hello", raw=True, system="Be kind.")
    assert refused.value.status_code == 400


def test_logprobs(client):
    answer = client.chat(MODEL, HELLO, options={"num_predict": 3, "temperature": 0}, logprobs=True,
                         top_logprobs=2)
    assert len(answer.logprobs) == 3 and len(answer.logprobs[0].top_logprobs) == 2
    assert answer.logprobs[0].token == answer.logprobs[0].top_logprobs[0].token
    parts = list(client.chat(MODEL, HELLO, options={"num_predict": 3, "temperature": 0}, logprobs=True,
                             stream=True))
    assert sum(len(part.logprobs or []) for part in parts) == 3


def test_tools(client):
    for answer in (client.chat(MODEL, QUESTION, tools=[get_weather], options=GREEDY),
                   *[part for part in client.chat(MODEL, QUESTION, tools=[get_weather], options=GREEDY,
                                                  stream=True) if part.message.tool_calls]):
        call = answer.message.tool_calls[0].function
        assert call.name == "get_weather" and call.arguments == {"city": "Paris"}
    messages = [*QUESTION, answer.message,
                {"role": "tool", "tool_name": "get_weather", "content": get_weather(**call.arguments)}]
    assert client.chat(MODEL, messages, tools=[get_weather], options=GREEDY).message.content


def test_errors(client):
    for ask in (lambda **more: client.chat("other", HELLO, **more),
                lambda **more: client.generate("other", "Hello", **more)):
        for stream in False, True:
            with pytest.raises(ollama.ResponseError, match="model 'other' not found") as refused:
                list(ask(stream=stream))
            assert refused.value.status_code == 404
    with pytest.raises(ollama.ResponseError, match="does not support thinking") as refused:
        client.chat(MODEL, HELLO, think=True)
    assert refused.value.status_code == 400
    with pytest.raises(ollama.ResponseError, match="images"):
        client.chat(MODEL, [{"role": "user", "content": "What is this?", "images": [b"GIF89a"]}])
    with pytest.raises(ollama.ResponseError, match="format: #/uniqueItems"):
        client.chat(MODEL, HELLO, format={"uniqueItems": True})
    assert client.chat(MODEL, HELLO, think=False, options={"num_predict": 1}).done


def test_catalogue(client):
    listed = client.list().models
    assert [model.model for model in listed] == [MODEL + ":latest"]
    assert listed[0].details.family == "qwen2" and listed[0].modified_at.tzinfo and listed[0].size > 0
    for name in MODEL, MODEL + ":latest":
        shown = client.show(name)
        assert set(shown.capabilities) == {"completion", "tools", "insert"}
        assert shown.modelinfo["qwen2.context_length"] == 4096 and ".Suffix" in shown.template
    running = client.ps().models
    assert running[0].name == MODEL + ":latest" and running[0].context_length == 4096
    assert running[0].expires_at.year > 2200


def test_embeddings(client):
    answer = client.embed(MODEL, ["Hello", "你好"], dimensions=16)
    assert answer.model == MODEL and answer.prompt_eval_count > 1 and answer.total_duration > 0
    for vector in answer.embeddings:
        assert len(vector) == 16 and sum(x * x for x in vector) == pytest.approx(1, abs=1e-5)
    assert client.embed(MODEL, "").embeddings == []
    assert len(client.embed(MODEL, "Hello " * 6000).embeddings[0]) == 256
    with pytest.raises(ollama.ResponseError, match="maximum context length"):
        client.embed(MODEL, "Hello " * 6000, truncate=False)
    raw = client.embeddings(MODEL, "Hello").embedding
    assert len(raw) == 256 and sum(x * x for x in raw) > 2
    with pytest.raises(ollama.ResponseError, match="model 'other' not found"):
        client.embed("other", "Hello")


def test_models_stay_as_they_are(client):
    assert client.pull(MODEL).status == "success"
    assert [part.status for part in client.pull(MODEL, stream=True)] == ["success"]
    for ask, status in ((lambda: client.pull("other"), 404), (lambda: client.push(MODEL), 400),
                        (lambda: client.create("new", from_=MODEL), 400), (lambda: client.copy(MODEL, "b"), 400),
                        (lambda: client.delete(MODEL), 400)):
        with pytest.raises(ollama.ResponseError) as refused:
            ask()
        assert refused.value.status_code == status and "qwend" in refused.value.error
    assert client.chat(MODEL, []).done_reason == "load"
    assert client.generate(MODEL, "", keep_alive=0).done_reason == "unload"


def test_async(async_client):
    async def ask():
        client = async_client()
        whole = await client.chat(MODEL, HELLO, options=GREEDY)
        parts = [part.message.content
                 async for part in await client.chat(MODEL, HELLO, stream=True, options=GREEDY)]
        assert "".join(parts) == whole.message.content
        answers = await asyncio.gather(*[client.generate(MODEL, "Hello", options=GREEDY) for _ in range(8)])
        assert len({answer.response for answer in answers}) == 1
        with pytest.raises(ollama.ResponseError):
            await client.show("other")

    asyncio.run(ask())
