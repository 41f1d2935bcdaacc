"""Answers in a form, as clients ask for them with classes: OpenAI's parse(), Instructor, Outlines, Ollama's format."""

import datetime
import decimal
import enum
import json
import typing

import pytest

openai = pytest.importorskip("openai", reason="the package openai is not installed")
pydantic = pytest.importorskip("pydantic")

from pydantic import BaseModel, Field  # noqa: E402

MODEL = "demo-model"
ASK = [{"role": "user", "content": "Tell me about Ann, who is 41 and lives in Paris."}]


class Colour(enum.Enum):
    red = "red"
    green = "green"


class Address(BaseModel):
    street: str = Field(max_length=12)
    number: int = Field(ge=1, le=999)


class Person(BaseModel):
    """A person"""

    name: str = Field(max_length=10)
    age: typing.Optional[int] = Field(default=None, ge=0, le=150)
    favourite: Colour
    role: typing.Literal["admin", "user"]
    address: Address
    tags: list[typing.Annotated[str, Field(max_length=6)]] = Field(max_length=2)


class Event(BaseModel):
    day: datetime.date
    at: datetime.datetime
    price: decimal.Decimal


class Cat(BaseModel):
    kind: typing.Literal["cat"]
    lives: int = Field(ge=1, le=9)


class Dog(BaseModel):
    kind: typing.Literal["dog"]
    good: bool


class Pet(BaseModel):
    pet: typing.Union[Cat, Dog] = Field(discriminator="kind")


class Either(BaseModel):
    value: typing.Union[bool, Address, None]


class Tree(BaseModel):
    leaf: bool
    children: list["Tree"] = Field(max_length=1)


class Pair(BaseModel):
    both: tuple[bool, typing.Literal[1, 2]]
    more: dict[typing.Annotated[str, Field(max_length=4)], bool] = Field(max_length=2)


MODELS = [Person, Pet, Either, Tree, Event, Pair]


@pytest.fixture(scope="module")
def client(daemon):
    return openai.OpenAI(base_url=f"http://127.0.0.1:{daemon.port}/v1", api_key="none", max_retries=0)


def until_complete(ask, n_tries=8):
    """The first answer that ends by itself: seeds that have it go on for ever are none of the form's."""
    for seed in range(n_tries):
        try:
            return ask(seed)
        except (openai.LengthFinishReasonError, pydantic.ValidationError) as cut:
            if isinstance(cut, pydantic.ValidationError) and "EOF" not in str(cut):
                raise
    raise AssertionError("none of the answers ended")


@pytest.mark.parametrize("model", MODELS)
def test_chat_parse(client, model):
    def ask(seed):
        return client.chat.completions.parse(model=MODEL, messages=ASK, response_format=model, max_tokens=400, seed=seed,
                                             temperature=1)
    (choice,) = until_complete(ask).choices
    assert isinstance(choice.message.parsed, model) and choice.finish_reason == "stop"


@pytest.mark.parametrize("model", [Person, Pet])
def test_responses_parse(client, model):
    def ask(seed):
        return client.responses.parse(model=MODEL, input="Tell me about Ann.", text_format=model, max_output_tokens=400,
                                      temperature=1, extra_body={"seed": seed})
    assert isinstance(until_complete(ask).output_parsed, model)


def test_a_stream_is_parsed(client):
    with client.chat.completions.stream(model=MODEL, messages=ASK, response_format=Person, max_tokens=400,
                                        seed=1) as stream:
        for _ in stream:
            pass
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Person)


def test_what_cannot_be_had(client):
    class Bag(BaseModel):
        items: set[int]

    with pytest.raises(openai.BadRequestError, match="#/properties/items/uniqueItems") as refused:
        client.chat.completions.parse(model=MODEL, messages=ASK, response_format=Bag)
    assert refused.value.param == "response_format"


def test_instructor(client):
    instructor = pytest.importorskip("instructor")
    for mode in instructor.Mode.JSON_SCHEMA, instructor.Mode.TOOLS, instructor.Mode.JSON:
        asking = instructor.from_openai(client, mode=mode)
        fields = {"max_retries": 0, "max_tokens": 400, "temperature": 0.5}
        if mode == instructor.Mode.JSON:  # which says any object; the form comes beside
            fields["extra_body"] = {"guided_json": Pet.model_json_schema()}
            with pytest.raises(Exception, match="not together with"):
                asking.chat.completions.create(model=MODEL, messages=ASK, response_model=Pet, **fields)
            continue
        assert isinstance(asking.chat.completions.create(model=MODEL, messages=ASK, response_model=Pet, **fields), Pet)


def test_outlines(client, daemon):
    outlines = pytest.importorskip("outlines")
    from outlines.types import Regex  # noqa: E402

    for make in outlines.from_openai, outlines.from_vllm:
        model = make(client, MODEL)
        assert isinstance(Pet.model_validate_json(model("Which pet?", Pet, max_tokens=200)), Pet)
    model = outlines.from_vllm(client, MODEL)
    assert model("Yes or no?", typing.Literal["yes", "no"], max_tokens=9) in ("yes", "no")
    assert len(model("A number?", Regex(r"\d{3}"), max_tokens=9)) == 3


def test_ollama(daemon):
    ollama = pytest.importorskip("ollama")
    client = ollama.Client(f"http://127.0.0.1:{daemon.port}")
    said = client.chat(MODEL, ASK, format=Pet.model_json_schema(), options={"num_predict": 200, "seed": 1})
    assert isinstance(Pet.model_validate_json(said.message.content), Pet)
    said = client.generate(MODEL, "An object:", format="json", options={"num_predict": 200, "temperature": 0})
    assert said.done_reason == "length" or isinstance(json.loads(said.response), dict)
