"""LangChain over Ollama's client: it checks what is served, streams, binds tools and counts tokens."""

import asyncio

import pytest

langchain_ollama = pytest.importorskip("langchain_ollama")

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage  # noqa: E402


def get_weather(city: str) -> str:
    """Get the current weather of a city

    Args:
      city: Name of the city
    """
    return f"Rain in {city}"


@pytest.fixture(scope="module")
def chat(daemon):
    def make(model="demo-model", **more):
        return langchain_ollama.ChatOllama(model=model, base_url=f"http://127.0.0.1:{daemon.port}",
                                           temperature=0, num_predict=60, **more)
    return make


def test_the_model_is_looked_for(chat):
    for name in "demo-model", "demo-model:latest":
        chat(name, validate_model_on_init=True)
    with pytest.raises(ValueError):
        chat("other", validate_model_on_init=True)


def test_whole_and_in_parts(chat):
    whole = chat().invoke("Hello")
    assert whole.content and whole.response_metadata["done_reason"] == "stop"
    assert whole.usage_metadata["output_tokens"] == whole.response_metadata["eval_count"] > 1
    parts = list(chat().stream("Hello"))
    assert len(parts) > 2 and "".join(part.content for part in parts) == whole.content

    async def ask():
        return [part.content async for part in chat().astream("Hello")]

    assert "".join(asyncio.run(ask())) == whole.content


def test_tools(chat):
    bound = chat().bind_tools([get_weather])
    question = HumanMessage("What is the weather in Paris?")
    answer = bound.invoke([question])
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("get_weather", {"city": "Paris"})]
    streamed = None
    for part in bound.stream([question]):
        streamed = part if streamed is None else streamed + part
    assert streamed.tool_calls[0]["args"] == {"city": "Paris"}
    result = ToolMessage("Rain in Paris", tool_call_id=answer.tool_calls[0]["id"])
    assert isinstance(bound.invoke([question, answer, result]), AIMessage)


def test_text_and_errors(daemon, chat):
    text = langchain_ollama.OllamaLLM(model="demo-model", base_url=f"http://127.0.0.1:{daemon.port}",
                                      temperature=0, num_predict=20)
    assert text.invoke("Hello") == "".join(text.stream("Hello")) != ""
    with pytest.raises(Exception, match="model 'other' not found"):
        chat("other").invoke("Hello")
    with pytest.raises(Exception, match="does not support thinking"):
        chat(reasoning=True).invoke("Hello")


def test_embeddings(daemon):
    embeddings = langchain_ollama.OllamaEmbeddings(model="demo-model", base_url=f"http://127.0.0.1:{daemon.port}")
    vectors = embeddings.embed_documents(["Hello", "你好"])
    assert [len(vector) for vector in vectors] == [256, 256]
    assert embeddings.embed_query("Hello") == pytest.approx(vectors[0], abs=1e-2)
