"""LlamaIndex by its classes for servers that are like OpenAI's, for Ollama's and for Anthropic's."""

import asyncio

import pytest
from daemon_fixture import Daemon

pytest.importorskip("llama_index.core")
pytestmark = pytest.mark.filterwarnings("ignore")  # of its own use of what is deprecated

from llama_index.core.llms import ChatMessage, MessageRole  # noqa: E402
from llama_index.core.tools import FunctionTool  # noqa: E402
from pydantic import BaseModel, Field  # noqa: E402

HELLO = [ChatMessage(role="user", content="Hello")]
QUESTION = "What is the weather in Paris?"
CLAUDE = "claude-3-7-sonnet-20250219"  # it refuses what it does not know by name


def get_weather(city: str) -> str:
    """Get the current weather of a city

    Args:
      city: Name of the city
    """
    return '{"weather": "sunny", "temperature": 21}'


TOOL = FunctionTool.from_defaults(get_weather)


def like_openai(root, **more):
    module = pytest.importorskip("llama_index.llms.openai_like")
    return module.OpenAILike(**{"model": "demo-model", "api_base": root + "/v1", "api_key": "none", "temperature": 0,
                                "max_tokens": 60, "max_retries": 0, "is_chat_model": True, "context_window": 4096,
                                "is_function_calling_model": True, **more})


def responses(root, **more):
    module = pytest.importorskip("llama_index.llms.openai")
    return module.OpenAIResponses(**{"model": "gpt-4o", "api_base": root + "/v1", "api_key": "none", "temperature": 0,
                                     "max_output_tokens": 60, "max_retries": 0, **more})


def ollama(root, **more):
    module = pytest.importorskip("llama_index.llms.ollama")
    return module.Ollama(**{"model": "demo-model", "base_url": root, "temperature": 0,
                            "additional_kwargs": {"num_predict": 60}, **more})


def anthropic(root, **more):
    module = pytest.importorskip("llama_index.llms.anthropic")
    return module.Anthropic(**{"model": CLAUDE, "base_url": root, "api_key": "none", "temperature": 0,
                               "max_tokens": 60, "max_retries": 0, **more})


ALL = [like_openai, responses, ollama, anthropic]


@pytest.fixture(scope="module")
def root():
    """A daemon that answers to the names of models that these classes know too."""
    names = [option for name in ("demo-model", "gpt-4o", CLAUDE) for option in ("--served-model-name", name)]
    with Daemon(*names, "--no-speculation") as daemon:  # see conftest.py
        yield f"http://127.0.0.1:{daemon.port}"


@pytest.mark.parametrize("make", ALL)
def test_whole_and_in_parts(root, make):
    llm = make(root)
    text = llm.complete("Hello").text
    assert text and llm.chat(HELLO).message.content == text
    for parts in llm.stream_complete("Hello"), llm.stream_chat(HELLO):
        deltas = [part.delta or "" for part in parts]
        assert len(deltas) > 2 and "".join(deltas) == text


@pytest.mark.parametrize("make", ALL)
def test_async(root, make):
    async def ask():
        llm = make(root)
        text = (await llm.acomplete("Hello")).text
        parts = [part.delta or "" async for part in await llm.astream_chat(HELLO)]
        many = await asyncio.gather(*(llm.achat(HELLO) for _ in range(4)))
        assert {"".join(parts), *(answer.message.content for answer in many)} == {text}

    asyncio.run(ask())


@pytest.mark.parametrize("make", ALL)
def test_tools_there_and_back(root, make):
    llm = make(root)
    whole = llm.chat_with_tools([TOOL], user_msg=QUESTION)
    for answer in whole, list(llm.stream_chat_with_tools([TOOL], user_msg=QUESTION))[-1]:
        (call,) = llm.get_tool_calls_from_response(answer)
        assert (call.tool_name, call.tool_kwargs) == ("get_weather", {"city": "Paris"})
    (call,) = llm.get_tool_calls_from_response(whole)
    history = [ChatMessage(role="user", content=QUESTION), whole.message,
               ChatMessage(role=MessageRole.TOOL, content=get_weather("Paris"),
                           additional_kwargs={"tool_call_id": call.tool_id})]
    told = llm.chat_with_tools([TOOL], chat_history=history)
    assert "21" in told.message.content
    assert "sunny" in str(llm.predict_and_call([TOOL], user_msg=QUESTION))


@pytest.mark.parametrize("make", [like_openai, responses, ollama])
def test_an_agent(root, make):
    from llama_index.core.agent.workflow import FunctionAgent

    async def ask():
        agent = FunctionAgent(tools=[get_weather], llm=make(root), system_prompt="You are a helpful assistant.")
        return await agent.run(QUESTION)

    assert "21" in str(asyncio.run(ask()))


def test_texts(root):
    llm = like_openai(root, is_chat_model=False, is_function_calling_model=False, max_tokens=20)
    text = llm.complete("Hello").text
    assert text and "".join(part.delta for part in llm.stream_complete("Hello")) == text
    assert len(llm.complete("Hello", logprobs=2).logprobs) == 20
    assert llm.chat(HELLO).message.content


def test_what_is_known_of_a_model(root):
    assert ollama(root).metadata.context_window == 4096
    assert like_openai(root).chat(HELLO).raw.usage.completion_tokens > 1


class Weather(BaseModel):
    """The weather of a city"""

    city: str = Field(max_length=20)


def test_a_form_is_kept(root):
    said = ollama(root).as_structured_llm(Weather).chat([ChatMessage(role="user", content=QUESTION)])
    assert isinstance(said.raw, Weather)


def test_a_call_can_be_required(root):
    said = like_openai(root).as_structured_llm(Weather).chat([ChatMessage(role="user", content=QUESTION)])
    assert isinstance(said.raw, Weather)
    for make in like_openai, responses, anthropic:
        llm = make(root)
        said = llm.chat_with_tools([TOOL], user_msg=QUESTION, tool_required=True)
        assert llm.get_tool_calls_from_response(said)


def test_errors(root):
    with pytest.raises(Exception, match='no model "other"'):
        like_openai(root, model="other").complete("Hello")
    with pytest.raises(Exception, match="model 'other' not found"):
        ollama(root, model="other").complete("Hello")
    for make in like_openai, responses, ollama, anthropic:
        with pytest.raises(Exception, match="prompt is too long"):
            make(root).complete("word " * 6000)
