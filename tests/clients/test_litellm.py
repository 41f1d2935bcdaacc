"""LiteLLM by each of its providers that reach a server like this one: what it sends and makes of the answers."""

import asyncio
import json
import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch its table of prices when imported

import pytest  # noqa: E402
from daemon_fixture import Daemon, wait_until  # noqa: E402

litellm = pytest.importorskip("litellm")

litellm.telemetry = False
litellm.suppress_debug_info = True
pytestmark = pytest.mark.filterwarnings("ignore")  # of how it describes its own types to pydantic

HELLO = [{"role": "user", "content": "Hello"}]
QUESTION = [{"role": "user", "content": "What is the weather in Paris?"}]
LONG = [{"role": "user", "content": "word " * 6000}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "description": "Name of the city"}},
          "required": ["city"]}
FUNCTION = {"name": "get_weather", "description": "Get the current weather of a city"}
WEATHER = {"type": "function", "function": {**FUNCTION, "parameters": SCHEMA}}
OPENAI = ["openai", "hosted_vllm", "lm_studio", "llamafile"]
PROVIDERS = [*OPENAI, "anthropic", "ollama_chat"]


def at(daemon, provider, model="demo-model"):
    """Where a provider's requests go, and by what model's name."""
    root = f"http://127.0.0.1:{daemon.port}"
    return {"model": f"{provider}/{model}", "api_key": "none",
            "api_base": root if provider in ("anthropic", "ollama_chat", "ollama") else root + "/v1"}


@pytest.fixture(scope="module")
def complete(daemon):
    def ask(provider, messages=HELLO, model="demo-model", how=litellm.completion, **more):
        return how(messages=messages, **{"temperature": 0, "max_tokens": 60, "num_retries": 0,
                                         **at(daemon, provider, model), **more})
    return ask


@pytest.mark.parametrize("provider", PROVIDERS)
def test_whole_and_in_parts(complete, provider):
    whole = complete(provider)
    text = whole.choices[0].message.content
    assert text and whole.choices[0].finish_reason == "stop"
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens
    chunks = list(complete(provider, stream=True, stream_options={"include_usage": True}))
    assert len(chunks) > 2 and chunks[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == text
    stopped = complete(provider, stop=["to"])
    assert stopped.choices[0].message.content == text[:text.index("to")]
    assert complete(provider, max_tokens=3).choices[0].finish_reason == "length"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_tools_there_and_back(complete, provider):
    whole = complete(provider, QUESTION, tools=[WEATHER])
    streamed = litellm.stream_chunk_builder(list(complete(provider, QUESTION, tools=[WEATHER], stream=True)))
    for answer in whole, streamed:
        message = answer.choices[0].message
        assert answer.choices[0].finish_reason == "tool_calls"
        assert (message.tool_calls[0].function.name, message.tool_calls[0].function.arguments) == (
            "get_weather", '{"city": "Paris"}')
        result = {"role": "tool", "tool_call_id": message.tool_calls[0].id,
                  "content": '{"weather": "sunny", "temperature": 21}'}
        told = complete(provider, [*QUESTION, message, result], tools=[WEATHER])
        assert "21" in told.choices[0].message.content


def test_async(complete):
    async def ask(provider):
        whole = await complete(provider, how=litellm.acompletion)
        text = whole.choices[0].message.content
        parts = [chunk.choices[0].delta.content or ""
                 async for chunk in await complete(provider, how=litellm.acompletion, stream=True)]
        many = await asyncio.gather(*(complete(provider, how=litellm.acompletion) for _ in range(8)))
        assert {"".join(parts), *(answer.choices[0].message.content for answer in many)} == {text}

    async def everything():
        for provider in PROVIDERS:
            await ask(provider)

    asyncio.run(everything())


@pytest.mark.parametrize("provider", OPENAI)
def test_settings_of_all_kinds(complete, provider):
    text = complete(provider).choices[0].message.content
    more = {"seed": 1, "top_p": 0.9, "user": "u", "presence_penalty": 0, "frequency_penalty": 0, "n": 1,
            "logit_bias": {"5": 1}, "extra_body": {"top_k": 5, "repetition_penalty": 1.0}}
    assert complete(provider, drop_params=True, **more).choices[0].message.content == text
    assert complete(provider, allowed_openai_params=["reasoning_effort"],
                    reasoning_effort="low").choices[0].message.content == text


def test_logprobs(complete):
    tokens = complete("hosted_vllm", logprobs=True, top_logprobs=2, max_tokens=3).choices[0].logprobs.content
    assert len(tokens) == 3 and [len(token.top_logprobs) for token in tokens] == [2, 2, 2]


@pytest.mark.parametrize("provider", ["text-completion-openai", "hosted_vllm"])
def test_texts(daemon, provider):
    def ask(prompt="Hello", **more):
        return litellm.text_completion(prompt=prompt, temperature=0, max_tokens=5, **at(daemon, provider), **more)

    whole = ask()
    assert whole.choices[0].text and whole.usage.completion_tokens == 5
    assert "".join(part.choices[0].text or "" for part in ask(stream=True)) == whole.choices[0].text
    if provider == "text-completion-openai":  # the other makes a chat of it, of one text
        many = ask(["Hello", "What"])
        assert [choice.index for choice in many.choices] == [0, 1] and many.choices[0].text == whole.choices[0].text
        (ids,) = ask([[5, 6, 7]], logprobs=2).choices
        assert len(ids.logprobs.tokens) == 5


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm", "anthropic", "ollama_chat"])
def test_responses(daemon, provider):
    def ask(input, **more):
        return litellm.responses(input=input, temperature=0, max_output_tokens=60, **at(daemon, provider), **more)

    text = ask("Hello").output[0].content[0].text
    events = list(ask("Hello", stream=True))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == text != "" and events[-1].type == "response.completed"
    call = ask(QUESTION[0]["content"], tools=[{"type": "function", **FUNCTION, "parameters": SCHEMA}]).output[-1]
    assert (call.name, call.arguments) == ("get_weather", '{"city": "Paris"}')


def test_responses_are_kept(daemon):
    where = {key: value for key, value in at(daemon, "openai").items() if key != "model"}
    first = litellm.responses(input="My name is Anna.", **at(daemon, "openai"))
    assert litellm.responses(input="Hello", previous_response_id=first.id, **at(daemon, "openai")).output
    assert litellm.get_responses(response_id=first.id, **where).output[0].id == first.output[0].id
    with pytest.raises(litellm.NotFoundError, match="no such route: /v1/responses/resp_.*/input_items"):
        litellm.list_input_items(response_id=first.id, **where)
    assert litellm.delete_responses(response_id=first.id, **where).deleted
    with pytest.raises(litellm.NotFoundError, match="is kept here"):
        litellm.get_responses(response_id=first.id, **where)


def test_messages(daemon):
    async def ask(provider, **more):
        return await litellm.anthropic_messages(messages=QUESTION, max_tokens=60, temperature=0, tools=[
            {**FUNCTION, "input_schema": SCHEMA}], **at(daemon, provider), **more)

    async def everything():
        for provider in "anthropic", "openai", "hosted_vllm", "ollama_chat":
            call = (await ask(provider))["content"][-1]
            assert (call["type"], call["input"]) == ("tool_use", {"city": "Paris"}), provider
            if provider in ("anthropic", "openai"):
                continue  # whose streams it hands through its proxy, which is not installed
            parts = [part async for part in await ask(provider, stream=True)]
            events = b"".join(part if isinstance(part, bytes) else str(part).encode() for part in parts)
            assert b"tool_use" in events and b"message_stop" in events, provider

    asyncio.run(everything())


def test_what_is_served(daemon):
    for provider in "openai", "hosted_vllm", "anthropic", "ollama_chat":
        where = {key: value for key, value in at(daemon, provider).items() if key != "model"}
        (name,) = litellm.get_valid_models(check_provider_endpoint=True, custom_llm_provider=provider, **where)
        assert name.split("/")[-1] in ("demo-model", "demo-model:latest"), provider
    info = litellm.get_model_info("ollama_chat/demo-model", api_base=at(daemon, "ollama_chat")["api_base"])
    assert info["max_input_tokens"] == 4096 and info["supports_function_calling"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_form_is_kept(complete, provider):
    form = {"type": "object", "properties": {"city": {"type": "string", "maxLength": 9}}, "required": ["city"]}
    said = complete(provider, response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": form}})
    assert list(json.loads(said.choices[0].message.content)) == ["city"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_errors(complete, provider):
    for more in {}, {"stream": True}:
        # Ollama's errors have no such class: its server cuts what is too long.
        with pytest.raises(litellm.BadRequestError if provider == "ollama_chat"
                           else litellm.ContextWindowExceededError, match="prompt is too long.*6035"):
            list(complete(provider, LONG, **more))
        with pytest.raises(litellm.NotFoundError, match="other"):
            list(complete(provider, model="other", **more))
    if provider != "ollama_chat":  # where a choice is not sent
        assert complete(provider, QUESTION, tools=[WEATHER], tool_choice="required").choices[0].message.tool_calls
    if provider in OPENAI:
        with pytest.raises(litellm.BadRequestError, match="top_p"):
            complete(provider, top_p=7)


@pytest.mark.parametrize("provider", ["openai", "hosted_vllm", "ollama"])
def test_embeddings(daemon, provider):
    data = litellm.embedding(input=["Hello", "你好"], **at(daemon, provider)).data
    assert [len(each["embedding"]) for each in data] == [256, 256]


def test_keys(tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("secret\n")
    keys.chmod(0o600)
    with Daemon("--api-key-file", str(keys)) as daemon:
        for provider in PROVIDERS:
            ask = {**at(daemon, provider), "messages": HELLO, "max_tokens": 3}
            assert litellm.completion(**{**ask, "api_key": "secret"}).choices
            with pytest.raises(litellm.AuthenticationError):
                litellm.completion(**{**ask, "api_key": "wrong"})


def test_who_is_refused_asks_again():
    with Daemon("--max-sequences", "1", "--max-queue", "1") as daemon:
        async def ask(**more):
            return await litellm.acompletion(**at(daemon, "openai"), messages=HELLO, **more)

        async def crowd():
            long = {"max_tokens": 3000, "extra_body": {"ignore_eos": True}, "num_retries": 0}
            busy = [asyncio.create_task(ask(**long)) for _ in range(2)]
            await asyncio.to_thread(daemon.wait_metric, "qwend:num_requests_waiting", 1)
            with pytest.raises(litellm.RateLimitError):
                await ask(max_tokens=3, num_retries=0, max_retries=0)
            patient = asyncio.create_task(ask(max_tokens=3, max_retries=30))
            await asyncio.to_thread(wait_until, lambda: daemon.log().count(" 429 ") >= 2, daemon.log)
            for one in busy:
                one.cancel()
            assert (await patient).choices

        asyncio.run(crowd())
