"""LangChain over OpenAI's SDK: chats, Responses, texts, tools, and what it makes of refusals."""

import asyncio

import pytest
from daemon_fixture import MODEL

langchain_openai = pytest.importorskip("langchain_openai")

import openai  # noqa: E402
from langchain_core.exceptions import ContextOverflowError  # noqa: E402
from langchain_core.messages import HumanMessage, ToolMessage  # noqa: E402
from pydantic import BaseModel, Field  # noqa: E402

QUESTION = HumanMessage("What is the weather in Paris?")
RESPONSES = {"use_responses_api": True}


def get_weather(city: str) -> str:
    """Get the current weather of a city

    Args:
      city: Name of the city
    """
    return f"Rain in {city}"


class Weather(BaseModel):
    """The weather of a city"""

    city: str


def sum_of(parts):
    total = None
    for part in parts:
        total = part if total is None else total + part
    return total


def options(daemon, **more):
    return {"model": "demo-model", "base_url": f"http://127.0.0.1:{daemon.port}/v1", "api_key": "none",
            "temperature": 0, "max_tokens": 60, "max_retries": 0, **more}


@pytest.fixture(scope="module")
def chat(daemon):
    return lambda **more: langchain_openai.ChatOpenAI(**options(daemon, **more))


@pytest.fixture(scope="module")
def text(daemon):
    return lambda **more: langchain_openai.OpenAI(**options(daemon, **more))


@pytest.mark.parametrize("api", [{}, RESPONSES, {**RESPONSES, "output_version": "v1"}])
def test_whole_and_in_parts(chat, api):
    whole = chat(**api).invoke("Hello")
    assert whole.text and whole.response_metadata["model_name"] == "demo-model"
    usage = whole.usage_metadata
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 2
    parts = list(chat(**api, stream_usage=True).stream("Hello"))
    total = sum_of(parts)
    assert len(parts) > 4 and total.text == whole.text
    assert total.usage_metadata["output_tokens"] == usage["output_tokens"]


def test_async(chat, text):
    async def ask(model):
        whole = await model.ainvoke("Hello")
        parts = [part.text async for part in model.astream("Hello")]
        many = await model.abatch(["Hello"] * 8)
        kinds = {event["event"] async for event in model.astream_events("Hello", version="v2")}
        assert {"".join(parts), *(answer.text for answer in many)} == {whole.text}
        assert kinds == {"on_chat_model_start", "on_chat_model_stream", "on_chat_model_end"}

    async def everything():  # in one loop, since LangChain keeps its client for the next
        for api in {}, RESPONSES:
            await ask(chat(**api))
        assert await text(max_tokens=5).ainvoke("Hello")

    asyncio.run(everything())


@pytest.mark.parametrize("api", [{}, {"output_version": "v1"}, RESPONSES, {**RESPONSES, "output_version": "v1"},
                                 {**RESPONSES, "use_previous_response_id": True}])
def test_tools_there_and_back(chat, api):
    bound = chat(**api).bind_tools([get_weather])
    answer = bound.invoke([QUESTION])
    streamed = sum_of(bound.stream([QUESTION]))
    for one in answer, streamed:
        (call,) = one.tool_calls
        assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
        result = ToolMessage('{"weather": "sunny", "temperature": 21}', tool_call_id=call["id"])
        told = bound.invoke([QUESTION, one, result])
        assert "21" in told.text
        assert bound.invoke([QUESTION, one, result, told, HumanMessage("Hello")]).text


def test_tools_with_a_choice(chat):
    assert not chat().bind_tools([get_weather], tool_choice="none").invoke([QUESTION]).tool_calls
    for more in {"tool_choice": "auto"}, {"strict": True, "parallel_tool_calls": False}:
        assert len(chat().bind_tools([get_weather], **more).invoke([QUESTION]).tool_calls) == 1
    hosted = chat(**RESPONSES).bind_tools([{"type": "web_search_preview"}])  # which nobody runs here
    assert hosted.invoke("Hello").text == chat().invoke("Hello").text


def test_stop_choices_and_logprobs(chat):
    whole = chat().invoke("Hello").content
    assert chat(stop=["to"]).invoke("Hello").content == whole[:whole.index("to")]
    both = chat(n=2).generate([[HumanMessage("Hello")]]).generations[0]
    assert [one.text for one in both] == [whole, whole]
    asked = {"logprobs": True, "top_logprobs": 2, "max_tokens": 3}
    for answer in chat(**asked).invoke("Hello"), sum_of(chat(**asked).stream("Hello")):
        tokens = answer.response_metadata["logprobs"]["content"]
        assert "".join(token["token"] for token in tokens) == answer.content
        assert [len(token["top_logprobs"]) for token in tokens] == [2, 2, 2]


def test_settings_of_all_kinds(chat):
    whole = chat().invoke("Hello").text
    common = {"reasoning_effort": "low", "service_tier": "auto", "verbosity": "low", "store": True,
              "metadata": {"a": "b"}, "top_p": 0.9}
    for more in {"seed": 1, "logit_bias": {"5": 1}, "extra_body": {"top_k": 5, "min_p": 0.1}}, \
            {**RESPONSES, "truncation": "auto", "include": ["reasoning.encrypted_content"]}:
        assert chat(**common, **more).invoke("Hello").text == whole
    said = [{"role": "developer", "content": [{"type": "text", "text": "You are a helpful assistant."}]},
            {"role": "user", "content": "Hello", "name": "anna"}]
    assert chat().invoke(said).text


def test_text(text):
    whole = text(max_tokens=20).invoke("Hello")
    assert whole == "".join(text(max_tokens=20).stream("Hello")) != ""
    assert text(max_tokens=20).invoke("Hello", stop=["demo"]) == whole[:whole.index("demo")]
    result = text(max_tokens=20, n=2, best_of=2).generate(["Hello", "What"])
    assert [len(choices) for choices in result.generations] == [2, 2]
    assert result.generations[0][0].text == whole and result.llm_output["token_usage"]["prompt_tokens"] == 2
    (one,) = text(max_tokens=3, logprobs=2).generate(["Hello"]).generations[0]
    assert len(one.generation_info["logprobs"]["tokens"]) == 3
    assert len(text(max_tokens=1, batch_size=20).generate(["Hello"] * 40).generations) == 40


@pytest.mark.parametrize("api", [{}, RESPONSES])
def test_a_prompt_that_is_too_long_is_known_for_one(chat, api):
    for ask in chat(**api).invoke, lambda said: list(chat(**api).stream(said)):
        with pytest.raises(ContextOverflowError, match="6035"):
            ask("word " * 6000)


class Place(BaseModel):
    """A place"""

    city: str = Field(max_length=9)
    is_capital: bool


@pytest.mark.parametrize("api", [{}, RESPONSES])
def test_structured_output(chat, api):
    said = chat(**api).with_structured_output(Place, method="json_schema").invoke([QUESTION])
    assert isinstance(said, Place)


def test_json_mode_begins_an_object(chat):
    said = chat().with_structured_output(None, method="json_mode", include_raw=True)
    try:
        assert said.invoke([QUESTION])["raw"].content.lstrip().startswith("{")
    except openai.LengthFinishReasonError as cut:
        assert cut.completion.choices[0].message.content.lstrip().startswith("{")


@pytest.mark.parametrize("api", [{}, RESPONSES])
def test_a_call_can_be_required(chat, api):
    for choice in "any", "get_weather":
        answer = chat(**api).bind_tools([get_weather], tool_choice=choice, parallel_tool_calls=False).invoke("Hello")
        assert [call["name"] for call in answer.tool_calls] == ["get_weather"]
    assert isinstance(chat().with_structured_output(Weather, method="function_calling").invoke([QUESTION]), Weather)


@pytest.mark.parametrize("api", [{}, RESPONSES])
def test_structured_output_through_a_tool(chat, api):
    said = chat(**api).with_structured_output(Place, method="function_calling").invoke([QUESTION])
    assert isinstance(said, Place)


def test_errors(daemon, chat, text):
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    for api in {}, RESPONSES:
        with pytest.raises(openai.NotFoundError, match='"other"'):
            chat(model="other", **api).invoke("Hello")
        with pytest.raises(openai.BadRequestError, match="only text is supported"):
            chat(**api).invoke([HumanMessage([picture])])
    with pytest.raises(openai.BadRequestError, match="top_p"):
        text(top_p=7).invoke("Hello")


@pytest.mark.parametrize("by_ids", [False, True], ids=["texts", "ids"])
def test_embeddings(daemon, by_ids):
    """What checks lengths sends ids of OpenAI's tokenizer, unless it is told to take a model's own."""
    pytest.importorskip("transformers") if by_ids else None
    more = {"tiktoken_enabled": False, "tiktoken_model_name": str(MODEL)} if by_ids else {
        "check_embedding_ctx_length": False}
    embeddings = langchain_openai.OpenAIEmbeddings(
        model="demo-model", base_url=f"http://127.0.0.1:{daemon.port}/v1", api_key="none", **more)
    vectors = embeddings.embed_documents(["Hello", "你好", "Hello"])
    assert [len(vector) for vector in vectors] == [256] * 3
    assert vectors[0] == pytest.approx(vectors[2], abs=1e-2)
    assert embeddings.embed_query("Hello") == pytest.approx(vectors[0], abs=1e-2)
