"""OpenAI's own SDK at /v1/embeddings: what it asks for when nobody says otherwise is base64."""

import math

import pytest

openai = pytest.importorskip("openai", reason="the package openai is not installed")

MODEL = "demo-model"
TEXTS = ["How do I put qwend behind nginx?", "nginx in front of qwend", "大模型是什么？", "apples"]


@pytest.fixture(scope="module")
def client(daemon):
    return openai.OpenAI(base_url=f"http://127.0.0.1:{daemon.port}/v1", api_key="none", max_retries=0)


def cosine(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)


def test_base64_and_floats_are_the_same_vectors(client):
    default = client.embeddings.create(model=MODEL, input=TEXTS)
    floats = client.embeddings.create(model=MODEL, input=TEXTS, encoding_format="float")
    assert default.object == "list" and default.model == MODEL
    assert [each.index for each in default.data] == [0, 1, 2, 3]
    for one, other in zip(default.data, floats.data, strict=True):
        assert one.object == "embedding" and len(one.embedding) == 256
        assert one.embedding == pytest.approx(other.embedding, abs=1e-6)
        assert math.hypot(*one.embedding) == pytest.approx(1, abs=1e-5)
    assert default.usage.prompt_tokens == default.usage.total_tokens > 10
    first, second, _, other = (each.embedding for each in floats.data)
    assert cosine(first, second) > cosine(first, other)


def test_one_text_tokens_and_dimensions(client, daemon):
    ids = [daemon.post("/tokenize", {"prompt": text})[1]["tokens"] for text in TEXTS]
    by_text = client.embeddings.create(model=MODEL, input=TEXTS).data
    by_ids = client.embeddings.create(model=MODEL, input=ids).data
    for one, other in zip(by_text, by_ids, strict=True):
        assert cosine(one.embedding, other.embedding) > 0.999
    alone = client.embeddings.create(model=MODEL, input=ids[0]).data
    assert len(alone) == 1 and cosine(alone[0].embedding, by_text[0].embedding) > 0.999
    cut = client.embeddings.create(model=MODEL, input=TEXTS[0], dimensions=8).data[0].embedding
    assert len(cut) == 8 and cosine(cut, by_text[0].embedding[:8]) > 0.999
    assert math.hypot(*cut) == pytest.approx(1, abs=1e-5)


def test_two_thousand_texts_are_in_their_order(client):
    texts = [f"text number {i % 50}" for i in range(2048)]
    data = client.embeddings.create(model=MODEL, input=texts).data
    assert [each.index for each in data] == list(range(2048))
    for i in range(50, 2048, 97):
        assert cosine(data[i].embedding, data[i % 50].embedding) > 0.999


def test_errors(client):
    with pytest.raises(openai.BadRequestError, match=r"input\[1\]"):
        client.embeddings.create(model=MODEL, input=["a", ""])
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        client.embeddings.create(model=MODEL, input="word " * 5000)
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model=MODEL, input="a", dimensions=1000)
    with pytest.raises(openai.NotFoundError, match="other"):
        client.embeddings.create(model="other", input="a")
