"""OpenAI's /v1/files and /v1/batches over a folder: whole batches, what is wrong with one, what is left of one when
it is cancelled, late or interrupted, and that nobody who waits for an answer notices."""

import concurrent.futures
import json
import os
import random
import signal
import subprocess
import time

import pytest
from daemon_fixture import BINARY, MODEL, Daemon, request, wait_until

CHAT = "/v1/chat/completions"


def chat(text="Hello", **fields):
    return {"messages": [{"role": "user", "content": text}], "max_tokens": 4, **fields}


def line(custom_id, body=None, url=CHAT, **fields):
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body or chat(), **fields}


def jsonl(lines):
    return "".join(each if isinstance(each, str) else json.dumps(each) + "\n" for each in lines).encode()


def form(content, purpose="batch", **fields):
    parts = [f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
             for name, value in {"purpose": purpose, **fields}.items()]
    parts += [b'--b\r\nContent-Disposition: form-data; name="file"; filename="in.jsonl"\r\n\r\n' + content + b"\r\n"]
    return b"".join(parts) + b"--b--\r\n", {"Content-Type": "multipart/form-data; boundary=b"}


def upload(daemon, content, **fields):
    status, _, body = daemon.ask("POST", "/v1/files", *form(content, **fields))
    return status, json.loads(body)


def start(daemon, lines, endpoint=CHAT, window="24h", **fields):
    status, file = upload(daemon, jsonl(lines))
    assert status == 200, file
    status, batch = daemon.post("/v1/batches", {"input_file_id": file["id"], "endpoint": endpoint,
                                                "completion_window": window, **fields})
    assert status == 200, batch
    return batch["id"]


def status_of(daemon, batch):
    return daemon.get(f"/v1/batches/{batch}")[1]


def wait_end(daemon, batch, status="completed"):
    ended = ("completed", "failed", "expired", "cancelled")
    wait_until(lambda: status_of(daemon, batch)["status"] in ended, lambda: f"{status_of(daemon, batch)} {daemon.log()}")
    found = status_of(daemon, batch)
    assert found["status"] == status, found
    return found


def content(daemon, file):
    if file is None:
        return []
    status, _, body = daemon.ask("GET", f"/v1/files/{file}/content")
    assert status == 200 and body.endswith(b"\n")
    return [json.loads(each) for each in body.splitlines()]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with Daemon("--state-directory", str(tmp_path_factory.mktemp("state")), "--max-file", "1M") as running:
        yield running
        assert running.stop() == 0


def test_a_whole_batch(daemon):
    lines = [line(f"r{i}", chat(f"Number {i}")) for i in range(40)]
    batch = start(daemon, lines, metadata={"job": "a"}, output_expires_after={"anchor": "created_at", "seconds": 3600})
    found = wait_end(daemon, batch)
    assert found["request_counts"] == {"total": 40, "completed": 40, "failed": 0}
    assert found["metadata"] == {"job": "a"} and found["errors"] is None and found["error_file_id"] is None
    assert found["created_at"] <= found["in_progress_at"] <= found["finalizing_at"] <= found["completed_at"]
    outputs = content(daemon, found["output_file_id"])
    assert sorted(each["custom_id"] for each in outputs) == sorted(each["custom_id"] for each in lines)
    assert all(each["id"].startswith("batch_req_") and each["error"] is None for each in outputs)
    for each in outputs:
        assert each["response"]["status_code"] == 200
        assert each["response"]["body"]["choices"][0]["message"]["content"]
    file = daemon.get(f"/v1/files/{found['output_file_id']}")[1]
    assert file["purpose"] == "batch_output" and file["expires_at"] == file["created_at"] + 3600
    assert [each["id"] for each in daemon.get("/v1/batches?limit=1")[1]["data"]] == [batch]


def test_an_answer_is_what_a_client_gets(daemon):
    body = chat("介绍一下大模型", max_tokens=30, temperature=0)
    found = wait_end(daemon, start(daemon, [line("a", body)]))
    answer = content(daemon, found["output_file_id"])[0]["response"]["body"]
    live = daemon.post(CHAT, body)[1]
    assert answer["choices"] == live["choices"] and answer["model"] == live["model"]


@pytest.mark.parametrize("endpoint, body", [
    ("/v1/completions", {"prompt": "Hello", "max_tokens": 3, "n": 2}),
    ("/v1/responses", {"input": "Hello", "max_output_tokens": 3}),
    ("/v1/embeddings", {"input": ["Hello", "you"] * 40})])
def test_every_endpoint(daemon, endpoint, body):
    found = wait_end(daemon, start(daemon, [line(f"r{i}", body, endpoint) for i in range(3)], endpoint))
    outputs = content(daemon, found["output_file_id"])
    assert len(outputs) == 3 and all(each["response"]["status_code"] == 200 for each in outputs)


def test_requests_that_are_refused_go_to_the_errors(daemon):
    lines = [line("good"), line("model", chat(model="none")), line("field", chat(temperature=-1)),
             line("stream", chat(stream=True)), line("many", chat(n=20, max_tokens=2))]
    found = wait_end(daemon, start(daemon, lines))
    assert found["request_counts"] == {"total": 5, "completed": 2, "failed": 3}
    assert {each["custom_id"] for each in content(daemon, found["output_file_id"])} == {"good", "many"}
    errors = {each["custom_id"]: each["response"] for each in content(daemon, found["error_file_id"])}
    assert {name: each["status_code"] for name, each in errors.items()} == {"model": 404, "field": 400, "stream": 400}
    assert "temperature" in errors["field"]["body"]["error"]["message"]
    assert errors["stream"]["body"]["error"]["param"] == "stream"


@pytest.mark.parametrize("lines, code, number", [
    ([line("a"), "{\n"], "invalid_json_line", 2),
    ([line("a"), "\n", line("a")], "duplicate_custom_id", 3),
    ([line("a", url="/v1/completions")], "invalid_url", 1),
    ([line("a", method="GET")], "invalid_method", 1),
    ([{"custom_id": "a"}], "missing_required_parameter", 1),
    ([line("")], "invalid_custom_id", 1),
    ([line("a", "text")], "invalid_body", 1),
    ([], "empty_file", None)])
def test_a_bad_input_fails_at_once(daemon, lines, code, number):
    found = wait_end(daemon, start(daemon, lines), "failed")
    error = found["errors"]["data"][0]
    assert (error["code"], error["line"]) == (code, number) and error["message"]
    assert found["output_file_id"] is None and found["failed_at"]


@pytest.mark.parametrize("field, value", [
    ("input_file_id", "file-none"), ("input_file_id", "../../etc/passwd"), ("input_file_id", 5), ("endpoint", "/v1/models"),
    ("completion_window", "soon"), ("completion_window", "400d"), ("metadata", {"a": 5}), ("metadata", {"k" * 65: ""}),
    ("output_expires_after", {"anchor": "created_at", "seconds": 5}), ("endpoint", None)])
def test_what_asks_wrongly_is_told_what(daemon, field, value):
    file = upload(daemon, jsonl([line("a")]))[1]["id"]
    body = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h", field: value}
    status, answer = daemon.post("/v1/batches", {k: v for k, v in body.items() if v is not None})
    assert status == 400 and answer["error"]["param"] == field, answer


@pytest.mark.parametrize("id", ["..%2F..%2Fetc%2Fpasswd", "../../../etc/passwd", "batch_", "batch_" + "0" * 32, "%00"])
def test_hostile_ids_find_nothing(daemon, id):
    for path in (f"/v1/batches/{id}", f"/v1/files/{id}", f"/v1/files/{id}/content"):
        assert daemon.get(path)[0] == 404
    assert daemon.get(f"/v1/batches/{id}/cancel", "POST")[0] == 404
    assert daemon.get(f"/v1/files/{id}", "DELETE")[0] == 404


def test_a_file_that_is_too_large_is_refused(daemon):
    assert upload(daemon, b"x" * (1 << 20))[0] == 200
    assert upload(daemon, b"x" * ((1 << 20) + 1))[0] == 413
    with daemon.connect() as client:
        client.send(request("POST", "/v1/files", headers={"Content-Length": 2 << 20, "Content-Type": "multipart/form-data"}))
        assert client.head()[0] == 413


def test_hostile_forms(daemon):
    good, headers = form(b"{}")
    for body in (b"", b"--b", b"--b\r\n", good[:-20], good.replace(b"--b", b"--c"), b"--b--", b"\r\n--b" * 10000):
        status, _, answer = daemon.ask("POST", "/v1/files", body, headers)
        assert status == 400 and json.loads(answer)["error"]["message"], answer
    for kind in ("application/json", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 100):
        assert daemon.ask("POST", "/v1/files", good, {"Content-Type": kind})[0] == 400
    assert upload(daemon, b"{}", purpose="fine-tune")[0] == 400


def test_lists_come_in_pages(daemon):
    ids = [upload(daemon, b"{}")[1]["id"] for _ in range(5)]
    seen, after = [], ""
    while True:
        page = daemon.get(f"/v1/files?limit=2&purpose=batch{after}")[1]
        seen += [each["id"] for each in page["data"]]
        if not page["has_more"]:
            break
        after = f"&after={page['last_id']}"
    assert len(seen) == len(set(seen))
    assert [id for id in seen if id in ids] == ids[::-1]  # the newest first, also within a second
    assert [each["id"] for each in daemon.get("/v1/files?order=asc&purpose=batch")[1]["data"]] == seen[::-1]
    assert daemon.get("/v1/files?limit=x")[0] == 400 and daemon.get("/v1/batches?limit=101")[0] == 400


def test_cancel(tmp_path):
    with Daemon("--state-directory", str(tmp_path), "--max-sequences", "2", "--no-speculation") as daemon:
        lines = [line(f"r{i}", chat(max_tokens=200, ignore_eos=True)) for i in range(60)]
        batch, queued = start(daemon, lines), start(daemon, lines)
        wait_until(lambda: status_of(daemon, batch)["request_counts"]["completed"] > 1, daemon.log)
        used = status_of(daemon, batch)["input_file_id"]
        assert daemon.get(f"/v1/files/{used}", "DELETE")[0] == 400  # somebody reads it
        for each in (queued, batch):
            status, answer = daemon.get(f"/v1/batches/{each}/cancel", "POST")
            assert status == 200 and answer["status"] in ("cancelling", "cancelled"), answer
        for each in (queued, batch):
            found = wait_end(daemon, each, "cancelled")
            outputs, errors = content(daemon, found["output_file_id"]), content(daemon, found["error_file_id"])
            assert sorted(x["custom_id"] for x in outputs + errors) == sorted(x["custom_id"] for x in lines)
            assert all(x["response"] is None and x["error"]["code"] == "batch_cancelled" for x in errors)
            assert found["request_counts"]["completed"] == len(outputs)
            assert daemon.get(f"/v1/batches/{each}/cancel", "POST")[0] == 400
        assert len(errors) < 60
        assert daemon.get(f"/v1/files/{used}", "DELETE")[1]["deleted"]
        assert daemon.stop() == 0


def test_expiry(tmp_path):
    with Daemon("--state-directory", str(tmp_path), "--max-sequences", "1", "--no-speculation") as daemon:
        lines = [line(f"r{i}", chat(max_tokens=300, ignore_eos=True)) for i in range(100)]
        found = wait_end(daemon, start(daemon, lines, window="2s"), "expired")
        outputs, errors = content(daemon, found["output_file_id"]), content(daemon, found["error_file_id"])
        assert len(outputs) + len(errors) == 100 and errors and outputs
        assert all(x["error"]["code"] == "batch_expired" for x in errors)
        assert daemon.stop() == 0


def test_a_restart_goes_on_where_it_was(tmp_path):
    options = ("--state-directory", str(tmp_path), "--max-sequences", "2", "--no-speculation")
    lines = [line(f"r{i}", chat(max_tokens=60, ignore_eos=True)) for i in range(60)]
    with Daemon(*options) as daemon:
        batch = start(daemon, lines)
        wait_until(lambda: status_of(daemon, batch)["request_counts"]["completed"] > 5, daemon.log)
        began = time.time()
        assert daemon.stop() == 0  # nothing waits for the batch
        assert time.time() - began < 10
    with Daemon(*options) as daemon:
        assert status_of(daemon, batch)["request_counts"]["completed"] > 0
        found = wait_end(daemon, batch)
        assert sorted(x["custom_id"] for x in content(daemon, found["output_file_id"])) == \
            sorted(x["custom_id"] for x in lines)
        assert daemon.stop() == 0


def test_killed_at_any_moment_every_line_is_answered_once(tmp_path):
    seed = int(os.environ.get("QWEND_SEED", "1"))
    print("QWEND_SEED", seed)
    chance = random.Random(seed)
    lines = [line(f"r{i}", chat(f"{i}", model="none" if i % 10 == 0 else MODEL.split("/")[-1])) for i in range(300)]
    batch = None
    for _ in range(8):
        with Daemon("--state-directory", str(tmp_path)) as daemon:
            batch = batch or start(daemon, lines)
            time.sleep(chance.uniform(0, 0.15))
            daemon.stop(signal.SIGKILL)
        if chance.random() < 0.5:  # as a loss of power might leave it
            for path in (tmp_path / "files").glob("*.data"):
                if not path.with_suffix(".json").exists():
                    with open(path, "ab") as file:
                        file.write(b'{"id":"batch_req_0","custom_id":"r2')
    with Daemon("--state-directory", str(tmp_path)) as daemon:
        found = wait_end(daemon, batch)
        outputs, errors = content(daemon, found["output_file_id"]), content(daemon, found["error_file_id"])
        assert sorted(x["custom_id"] for x in outputs + errors) == sorted(x["custom_id"] for x in lines)
        assert len(errors) == 30 and all(x["response"]["status_code"] == 404 for x in errors)
        assert found["request_counts"] == {"total": 300, "completed": 270, "failed": 30}
        assert daemon.stop() == 0


def test_whoever_waits_goes_first(tmp_path):
    """A live stream beside a batch is as fast as alone, within the noise of a busy machine, and a batch goes on in
    between."""
    with Daemon("--state-directory", str(tmp_path), "--max-sequences", "4", "--no-speculation") as daemon:
        def ask():
            began = time.time()
            status, body = daemon.post(CHAT, chat(max_tokens=100, ignore_eos=True))
            assert status == 200 and body["usage"]["completion_tokens"] == 100
            return time.time() - began

        ask()
        alone = min(ask() for _ in range(3))
        batch = start(daemon, [line(f"r{i}", chat(max_tokens=400, ignore_eos=True)) for i in range(200)])
        wait_until(lambda: status_of(daemon, batch)["request_counts"]["completed"] > 1, daemon.log)
        beside = min(ask() for _ in range(3))
        assert beside < 2 * alone + 0.1, (alone, beside)
        before = status_of(daemon, batch)["request_counts"]["completed"]
        wait_until(lambda: status_of(daemon, batch)["request_counts"]["completed"] > before, daemon.log)
        daemon.get(f"/v1/batches/{batch}/cancel", "POST")
        wait_end(daemon, batch, "cancelled")
        assert daemon.stop() == 0


def test_a_full_queue_is_full_of_clients(tmp_path):
    with Daemon("--state-directory", str(tmp_path), "--max-sequences", "2", "--max-queue", "2", "--no-speculation") as daemon:
        batch = start(daemon, [line(f"r{i}", chat(max_tokens=300, ignore_eos=True)) for i in range(100)])
        wait_until(lambda: status_of(daemon, batch)["request_counts"]["completed"] > 0, daemon.log)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: daemon.post(CHAT, chat(max_tokens=40, ignore_eos=True))[0], range(4)))
        assert answers == [200] * 4
        daemon.get(f"/v1/batches/{batch}/cancel", "POST")
        wait_end(daemon, batch, "cancelled")
        assert daemon.stop() == 0


def test_what_is_kept_is_bounded(tmp_path):
    with Daemon("--state-directory", str(tmp_path), "--max-state", "1M") as daemon:
        first = upload(daemon, b"x" * (700 << 10))[1]["id"]
        status, answer = upload(daemon, b"x" * (700 << 10))
        assert status == 400 and "max-state" in answer["error"]["message"]
        assert daemon.get(f"/v1/files/{first}", "DELETE")[0] == 200
        assert upload(daemon, b"x" * (700 << 10))[0] == 200
        assert daemon.stop() == 0


def test_files_end_when_they_should(tmp_path):
    with Daemon("--state-directory", str(tmp_path)) as daemon:
        _, file = upload(daemon, b"{}", **{"expires_after[anchor]": "created_at", "expires_after[seconds]": "3600"})
        assert file["expires_at"] == file["created_at"] + 3600
        assert daemon.stop() == 0
    record = tmp_path / "files" / f"{file['id']}.json"
    record.write_text(json.dumps({**file, "expires_at": int(time.time()) - 1}))
    with Daemon("--state-directory", str(tmp_path)) as daemon:
        assert daemon.get(f"/v1/files/{file['id']}")[0] == 404
        assert daemon.stop() == 0


def test_two_daemons_do_not_share_a_folder(tmp_path):
    options = ["--state-directory", str(tmp_path), "--listen", "127.0.0.1:0", "--model", MODEL]
    with Daemon("--state-directory", str(tmp_path)) as daemon:
        second = subprocess.run([BINARY, "serve", *options], capture_output=True, text=True, timeout=60)
        assert second.returncode == 78 and "another qwend" in second.stderr
        assert daemon.stop() == 0


def test_nothing_is_offered_without_a_folder():
    with Daemon() as daemon:
        for method, path in (("GET", "/v1/files"), ("GET", "/v1/batches"), ("GET", "/v1/files/x"), ("DELETE", "/v1/files/x"),
                             ("POST", "/v1/batches/x/cancel")):
            status, answer = daemon.get(path, method)
            assert status == 404 and "state-directory" in answer["error"]["message"]
        assert upload(daemon, b"{}")[0] == 404
        assert daemon.post("/v1/batches", {})[0] == 404
        assert daemon.stop() == 0


def test_metrics_and_log(daemon):
    batch = start(daemon, [line("a"), line("b", chat(model="none"))])
    wait_end(daemon, batch)
    assert daemon.metric("qwend:batch_requests_total") >= 2 and daemon.metric("qwend:batches") >= 1
    assert f"{batch} completed: 2 requests, 1 completed, 1 failed" in daemon.log()


def test_systemd_keeps_what_is_relative(tmp_path):
    with Daemon("--state-directory", "batches", env={"STATE_DIRECTORY": f"{tmp_path}:/other"}) as daemon:
        assert upload(daemon, b"{}")[0] == 200
        assert daemon.stop() == 0
    assert list((tmp_path / "batches" / "files").glob("file-*.data"))
