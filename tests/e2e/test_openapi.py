"""The running daemon is as /openapi.json describes it: answers have all that is said of them and nothing
else, and each field is held to its type and bounds."""

import json

import jsonschema
import pytest
from daemon_fixture import Daemon, wait_until

CHAT = [{"role": "user", "content": "Hello"}]
TOOL = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
# The least that each operation takes.
BODIES = {
    "/v1/chat/completions": {"messages": CHAT, "max_tokens": 2},
    "/v1/completions": {"prompt": "Hello", "max_tokens": 2},
    "/v1/responses": {"input": "Hello", "max_output_tokens": 2},
    "/v1/messages": {"messages": CHAT, "max_tokens": 2},
    "/v1/messages/count_tokens": {"messages": CHAT},
    "/tokenize": {"prompt": "Hello"},
    "/detokenize": {"tokens": [1, 2]},
    "/apply-template": {"messages": CHAT},
    "/api/chat": {"messages": CHAT, "stream": False, "options": {"num_predict": 2}},
    "/api/generate": {"prompt": "Hello", "stream": False, "options": {"num_predict": 2}},
    "/api/show": {"model": "demo-model"},
    "/api/embed": {"input": "Hello"},
    "/api/embeddings": {"prompt": "Hello"},
    "/v1/embeddings": {"input": "Hello"},
    "/pooling": {"input": "Hello"},
    **dict.fromkeys(("/score", "/v1/score"), {"text_1": "Hello", "text_2": "Hi"}),
    **dict.fromkeys(("/rerank", "/v1/rerank", "/v2/rerank"), {"query": "Hello", "documents": ["Hi", "Bye"]}),
    "/api/pull": {"model": "demo-model", "stream": False},
}
# More of what there is to be had.
MORE = [
    ("/v1/chat/completions", {"logprobs": True, "top_logprobs": 2, "n": 2, "return_token_ids": True}),
    ("/v1/chat/completions", {"stop": "a", "max_tokens": 50}),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "What is the weather in Paris?"}],
                              "tools": [{"type": "function", "function": TOOL}], "max_tokens": 60}),
    ("/v1/completions", {"logprobs": 2, "echo": False, "return_token_ids": True, "prompt": ["a", "b"]}),
    ("/v1/completions", {"echo": True}),
    ("/v1/completions", {"echo": True, "logprobs": 1, "max_tokens": 0, "prompt": "Hello you"}),
    ("/v1/completions", {"prompt_logprobs": 2, "prompt": "Hello you"}),
    ("/v1/chat/completions", {"prompt_logprobs": 1}),
    ("/v1/responses", {"top_logprobs": 1, "include": ["message.output_text.logprobs"], "metadata": {"a": "b"}}),
    ("/v1/messages", {"stop_sequences": ["a"], "max_tokens": 50}),
    ("/api/chat", {"logprobs": True, "top_logprobs": 1}),
    ("/api/chat", {"messages": []}),
    ("/api/generate", {"raw": True, "logprobs": True}),
    ("/api/embed", {"input": []}),
    ("/v1/embeddings", {"input": ["a", "b"], "encoding_format": "base64", "dimensions": 4}),
    ("/pooling", {"task": "token_embed"}),
    ("/v1/rerank", {"top_n": 1, "return_documents": False}),
]


def closed(schema):
    """The same, with nothing in an object that is not described."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: closed(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        result.setdefault("additionalProperties", False)
    return result


@pytest.fixture(scope="module")
def document(daemon):
    status, document = daemon.get("/openapi.json")
    assert status == 200 and document["openapi"].startswith("3.1")
    return document


def check(document, schema, answer, strict=True):
    components = {"components": closed(document["components"]) if strict else document["components"]}
    jsonschema.Draft202012Validator({**schema, **components}).validate(answer)


def schema_of(document, path, method="post", status="200"):
    return document["paths"][path][method]["responses"][status]["content"]["application/json"]["schema"]


def test_every_schema_is_one_and_every_reference_leads_somewhere(document):
    for schema in document["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names)) > 25
    text = json.dumps(document)
    for reference in text.split('"#/components/schemas/')[1:]:
        assert reference.split('"')[0] in document["components"]["schemas"]


@pytest.mark.parametrize("path, more", [(path, {}) for path in BODIES] + MORE)
def test_answers_are_as_described(daemon, document, path, more):
    status, answer = daemon.post(path, {**BODIES[path], **more})
    assert status == 200, answer
    check(document, schema_of(document, path), answer)


@pytest.mark.parametrize("path", ["/livez", "/health", "/status", "/version", "/v1/models", "/v1/models/demo-model", "/api/tags",
                                  "/api/ps", "/api/version"])
def test_what_is_told_is_as_described(daemon, document, path):
    status, answer = daemon.get(path)
    assert status == 200, answer
    described = "/v1/models/{model}" if path.startswith("/v1/models/") else path
    check(document, schema_of(document, described, "get"), answer)


def test_errors_are_as_described(daemon, document):
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method != "post" or "requestBody" not in operation:
                continue
            status, answer = daemon.post(path, {"messages": 5, "prompt": {}, "tokens": 5, "input": 5, "model": 5})
            assert status == 400, (path, answer)
            check(document, schema_of(document, path, method, "default"), answer)


def test_a_stored_response_is_as_described(daemon, document):
    _, kept = daemon.post("/v1/responses", BODIES["/v1/responses"])
    path = "/v1/responses/{response_id}"
    status, answer = daemon.get(f"/v1/responses/{kept['id']}")
    assert status == 200
    check(document, schema_of(document, path, "get"), answer)
    status, answer = daemon.get(f"/v1/responses/{kept['id']}", "DELETE")
    assert status == 200
    check(document, schema_of(document, path, "delete"), answer)


def test_files_and_batches_are_as_described(tmp_path):
    with Daemon("--state-directory", str(tmp_path)) as daemon:
        document = daemon.get("/openapi.json")[1]

        def described(path, method="get"):
            return schema_of(document, path, method)

        line = {"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": {"prompt": "a", "max_tokens": 1}}
        body = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in
                       {"purpose": "batch", "file": json.dumps(line)}.items()) + "--b--"
        _, _, answer = daemon.ask("POST", "/v1/files", body.encode(), {"Content-Type": "multipart/form-data; boundary=b"})
        file = json.loads(answer)
        check(document, described("/v1/files", "post"), file)
        check(document, described("/v1/files"), daemon.get("/v1/files")[1])
        check(document, described("/v1/files/{file_id}"), daemon.get(f"/v1/files/{file['id']}")[1])
        asked = {"input_file_id": file["id"], "endpoint": "/v1/completions", "completion_window": "24h"}
        assert set(asked) < set(fields_of(document, "/v1/batches"))
        for endpoint in ("/v1/completions", "/v1/responses"):  # one that is done, one that fails
            status, batch = daemon.post("/v1/batches", {**asked, "endpoint": endpoint, "metadata": {"a": "b"}})
            assert status == 200
            check(document, described("/v1/batches", "post"), batch)
            wait_until(lambda: daemon.get(f"/v1/batches/{batch['id']}")[1]["status"] in ("completed", "failed"), daemon.log)
            check(document, described("/v1/batches/{batch_id}"), daemon.get(f"/v1/batches/{batch['id']}")[1])
        check(document, described("/v1/batches"), daemon.get("/v1/batches")[1])
        status, refused = daemon.get(f"/v1/batches/{batch['id']}/cancel", "POST")
        assert status == 400
        check(document, schema_of(document, "/v1/batches/{batch_id}/cancel", "post", "default"), refused)
        for field, schema in fields_of(document, "/v1/batches").items():
            for value in beyond(schema):
                status, answer = daemon.post("/v1/batches", {**asked, field: value})
                assert status == 400 and field in answer["error"]["message"], (field, value, answer)
        check(document, described("/v1/files/{file_id}", "delete"), daemon.get(f"/v1/files/{file['id']}", "DELETE")[1])
        assert daemon.stop() == 0


def beyond(schema):
    """Values that a field's schema forbids."""
    for kind in schema.get("anyOf", [schema]):
        if kind.get("type") in ("integer", "number"):
            yield "text"
            if "minimum" in kind and kind["minimum"] > -2**63:
                yield kind["minimum"] - 1
            if "maximum" in kind:
                yield kind["maximum"] + (1 if kind["maximum"] < 1e20 else 1e31)
        elif kind.get("type") == "boolean":
            yield "true"
        elif kind.get("type") == "string":
            yield from ({"a": 1}, 5.5)
        elif kind.get("type") in ("array", "object"):
            yield 5.5


def fields_of(document, path):
    name = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    return document["components"]["schemas"][name.split("/")[-1]]["properties"]


@pytest.mark.parametrize("path", BODIES)
def test_each_field_is_held_to_its_schema(daemon, document, path):
    n_refused = 0
    for field, schema in fields_of(document, path).items():
        for value in beyond(schema):
            if jsonschema.Draft202012Validator(schema).is_valid(value):
                continue
            status, answer = daemon.post(path, {**BODIES[path], field: value})
            assert status == 400, (field, value, answer)
            error = answer["error"]
            assert field in (error if isinstance(error, str) else error["message"]), (field, value, answer)
            n_refused += 1
        if schema.get("anyOf", [{}])[-1] == {"type": "null"} and field not in BODIES[path]:
            status, answer = daemon.post(path, {**BODIES[path], field: None})
            assert status == 200, (field, answer)
    assert n_refused > 2
