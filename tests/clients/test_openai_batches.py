"""OpenAI's own SDK at /v1/files and /v1/batches. Skipped where it is not installed (pip install openai)."""

import json
import time

import pytest
from daemon_fixture import PATIENCE, Daemon

openai = pytest.importorskip("openai", reason="the package openai is not installed")

MODEL = "demo-model"
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with Daemon("--state-directory", str(tmp_path_factory.mktemp("state"))) as daemon:
        yield openai.OpenAI(base_url=f"http://127.0.0.1:{daemon.port}/v1", api_key="none", max_retries=0)
        assert daemon.stop() == 0


def lines(n, **fields):
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5, **fields}
    return "".join(json.dumps({"custom_id": f"r{i}", "method": "POST", "url": CHAT, "body": body}) + "\n"
                   for i in range(n)).encode()


def create(client, content, **fields):
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    return client.batches.create(input_file_id=file.id, endpoint=CHAT, completion_window="24h", **fields)


def ended(client, batch):
    deadline = time.time() + PATIENCE
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        assert time.time() < deadline, batch
        time.sleep(0.02)
        batch = client.batches.retrieve(batch.id)
    return batch


def test_files(client):
    content = bytes(range(256)) * 4096
    file = client.files.create(file=("a b.jsonl", content), purpose="batch",
                               expires_after={"anchor": "created_at", "seconds": 3600})
    assert file.bytes == len(content) and file.filename == "a b.jsonl" and file.status == "processed"
    assert file.expires_at == file.created_at + 3600
    type(file).model_validate(file.to_dict())
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).read() == content
    more = [client.files.create(file=("b", b"{}"), purpose="batch").id for _ in range(3)]
    listed = [each.id for each in client.files.list(limit=2, purpose="batch")]  # by pages
    assert len(listed) == len(set(listed)) and {file.id, *more} <= set(listed)
    deleted = client.files.delete(file.id)
    assert deleted.deleted and deleted.id == file.id
    with pytest.raises(openai.NotFoundError):
        client.files.retrieve(file.id)
    with pytest.raises(openai.BadRequestError, match="purpose"):
        client.files.create(file=("a", b"{}"), purpose="fine-tune")


def test_a_batch(client):
    batch = create(client, lines(20), metadata={"job": "nightly"})
    assert batch.status == "validating" and batch.object == "batch"
    batch = ended(client, batch)
    type(batch).model_validate(batch.to_dict())
    assert batch.status == "completed" and batch.metadata == {"job": "nightly"}
    assert batch.request_counts.completed == batch.request_counts.total == 20
    outputs = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
    assert sorted(each["custom_id"] for each in outputs) == sorted(f"r{i}" for i in range(20))
    completion = openai.types.chat.ChatCompletion.model_validate(outputs[0]["response"]["body"])
    assert completion.choices[0].message.content


def test_a_batch_that_fails(client):
    batch = ended(client, create(client, lines(2) + lines(1)))
    assert batch.status == "failed" and batch.errors.data[0].code == "duplicate_custom_id"
    assert batch.errors.data[0].line == 3


def test_cancel_and_list(client):
    batch = create(client, lines(500, max_tokens=200))
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    assert ended(client, batch).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="cancelled"):
        client.batches.cancel(batch.id)
    others = [ended(client, create(client, lines(1))).id for _ in range(3)]
    listed = [each.id for each in client.batches.list(limit=2)]
    assert len(listed) == len(set(listed)) and {batch.id, *others} <= set(listed)
    with pytest.raises(openai.NotFoundError):
        client.batches.retrieve("batch_none")


def test_without_a_folder(daemon):
    client = openai.OpenAI(base_url=f"http://127.0.0.1:{daemon.port}/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.NotFoundError, match="state-directory"):
        client.files.create(file=("a", b"{}"), purpose="batch")
    with pytest.raises(openai.NotFoundError, match="state-directory"):
        client.batches.list()
