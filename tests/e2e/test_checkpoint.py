"""Checkpoint folders as they come, and what happens to them under a running daemon."""

import array
import contextlib
import json
import os
import pathlib
import re
import shutil
import struct
import subprocess

import pytest
from daemon_fixture import BINARY, MODEL, Daemon, request
from test_openapi import BODIES

GREEDY = {"prompt": "The capital of France is", "max_tokens": 24, "temperature": 0, "ignore_eos": True}
SNAPSHOT = "models--Qwen--Qwen2.5-0.5B-Instruct/snapshots/7ae557604adf67be50417f59c2c2f167def9a775"


@pytest.fixture
def folder(tmp_path):
    """A copy of the demo checkpoint, to be spoilt."""
    return pathlib.Path(shutil.copytree(MODEL, tmp_path / "copy", ignore=shutil.ignore_patterns("corpus", "*.py")))


def answer(daemon):
    status, body = daemon.post("/v1/completions", GREEDY)
    assert status == 200
    return body["choices"][0]["text"]


def change(path, **fields):
    value = json.loads(path.read_text())
    value.update(fields)
    path.write_text(json.dumps(value))


def refusal(*options):
    """The message of a serve that exits with 78."""
    done = subprocess.run([BINARY, "serve", "--listen", "127.0.0.1:0", *options], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 78, done.stderr
    return done.stderr


def test_a_chat_template_without_its_tokens_is_refused(folder):
    path = folder / "tokenizer.json"
    tokens = json.loads(path.read_text())["added_tokens"]
    for kept, missing in ([], "<|im_start|>"), (["<|im_start|>"], "<|im_end|>"):
        change(path, added_tokens=[token for token in tokens if token["content"] in kept])
        # What this names is added where tokenizer.json lacks it.
        change(folder / "tokenizer_config.json", added_tokens_decoder=None, eos_token=None, pad_token=None,
               additional_special_tokens=[])
        said = refusal("--model", str(folder))
        assert f"expected the token {missing}" in said and "found none" in said
        checked = subprocess.run([BINARY, "check", "--model", str(folder)], capture_output=True, text=True, timeout=60)
        assert checked.returncode == 78 and missing in checked.stderr


def open_files(daemon):
    """What the daemon has open; the connection that asked may be closed meanwhile."""
    for descriptor in pathlib.Path("/proc", str(daemon.process.pid), "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            yield os.readlink(descriptor)


@pytest.mark.parametrize("spoil", ["truncate", "overwrite", "remove"])
def test_answers_do_not_depend_on_the_file_any_more(folder, spoil):
    weights = folder / "model.safetensors"
    with Daemon("--no-prefix-cache", model=str(folder)) as daemon:
        before = answer(daemon)
        if spoil == "truncate":
            os.truncate(weights, 0)
        elif spoil == "overwrite":
            with open(weights, "r+b") as file:
                file.write(os.urandom(weights.stat().st_size))
        else:
            shutil.rmtree(folder)
        assert answer(daemon) == before
        maps = pathlib.Path("/proc", str(daemon.process.pid), "maps").read_text()
        assert str(folder) not in maps and not any(str(folder) in file for file in open_files(daemon))
        assert daemon.stop() == 0


def test_a_truncated_file_is_refused_with_a_message(folder):
    weights = folder / "model.safetensors"
    os.truncate(weights, weights.stat().st_size - 1000)
    assert "truncated" in refusal("--model", str(folder))


def test_a_cache_larger_than_the_memory_is_refused():
    message = refusal("--model", MODEL, "--device", "cpu", "--kv-cache-memory", "4000G")
    assert "kv-cache-memory: expected at most" in message and "found 4096000 MiB" in message


def test_layers_that_are_not_used_are_told(folder):
    change(folder / "config.json", num_hidden_layers=5)
    with Daemon(model=str(folder)) as daemon:
        assert "num_hidden_layers 5, the weights have 7 layers" in daemon.log()
        assert daemon.stop() == 0
    change(folder / "config.json", num_hidden_layers=9)
    assert "num_hidden_layers 9, the weights have 7" in refusal("--model", str(folder))


def test_odd_generation_defaults_are_served(folder):
    change(folder / "generation_config.json", top_k=-1, top_p=None, temperature=-3)
    with Daemon(model=str(folder)) as daemon:
        assert '"temperature" is not used' in daemon.log()
        assert answer(daemon)
        assert daemon.stop() == 0


def test_special_tokens_are_put_around_prompts_and_not_around_chats(folder):
    """As DeepSeek's distilled Qwens have it: their tokenizer begins every text with a token."""
    single = [{"SpecialToken": {"id": "<|im_start|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    change(folder / "tokenizer.json", post_processor={
        "type": "TemplateProcessing", "single": single, "pair": [],
        "special_tokens": {"<|im_start|>": {"id": "<|im_start|>", "ids": [6059], "tokens": ["<|im_start|>"]}}})
    with Daemon(model=str(folder)) as daemon:
        def ids(path, **body):
            status, answer = daemon.post(path, body)
            assert status == 200, answer
            return answer["tokens"] if "tokens" in answer else answer["choices"][0]["prompt_token_ids"]
        plain = ids("/tokenize", prompt="hello", add_special_tokens=False)
        assert 6059 not in plain
        assert ids("/tokenize", prompt="hello") == [6059, *plain]
        for asked, expected in ({}, [6059, *plain]), ({"add_special_tokens": False}, plain):
            assert ids("/v1/completions", prompt="hello", max_tokens=1, return_token_ids=True, **asked) == expected
        assert ids("/v1/completions", prompt=plain, max_tokens=1, return_token_ids=True) == plain
        messages = [{"role": "user", "content": "hello"}]
        chat = ids("/tokenize", messages=messages)
        assert chat[:2] != [6059, 6059]
        assert ids("/tokenize", messages=messages, add_special_tokens=True) == [6059, *chat]
        assert daemon.stop() == 0


def test_added_tokens_without_a_row_are_told(folder):
    tokens = json.loads((folder / "tokenizer.json").read_text())["added_tokens"]
    beyond = {"id": 6144, "content": "<new>", "single_word": False, "lstrip": False, "rstrip": False,
              "normalized": False, "special": True}
    change(folder / "tokenizer.json", added_tokens=[*tokens, beyond])
    with Daemon(model=str(folder)) as daemon:
        assert "1 added token is beyond the 6144 rows of the embedding" in daemon.log()
        status, body = daemon.post("/tokenize", {"prompt": "a<new>b"})
        assert status == 200 and max(body["tokens"]) < 6144
        assert answer(daemon)
        assert daemon.stop() == 0


def test_quantised_folders_are_refused_by_their_scheme(folder):
    change(folder / "config.json", quantization_config={"quant_method": "exl2", "bits": 4})
    assert "quantised (exl2, 4 bits)" in refusal("--model", str(folder))


def test_a_folder_that_is_not_quantised_as_it_says_is_refused_by_its_tensors(folder):
    change(folder / "config.json", quantization_config={"quant_method": "awq", "bits": 4})
    message = refusal("--model", str(folder))
    assert "q_proj.qweight: expected I32, found BF16 as if it were not quantised" in message


def quantise_down_projections(folder):
    """To 8 bits with a scale for each output, as compressed-tensors does."""
    path = folder / "model.safetensors"
    content = path.read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8:8 + length]), content[8 + length:]
    made, body = {}, bytearray()

    def add(name, dtype, shape, values):
        made[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(values)]}
        body.extend(values)

    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        begin, end = tensor["data_offsets"]
        if not name.endswith("down_proj.weight"):
            add(name, tensor["dtype"], tensor["shape"], data[begin:end])
            continue
        n, k = tensor["shape"]
        assert tensor["dtype"] == "BF16"
        numbers = array.array("f")
        numbers.frombytes(array.array("I", (h << 16 for h in array.array("H", data[begin:end]))).tobytes())
        codes, scales = array.array("b"), array.array("f")
        for row in range(n):
            values = numbers[row * k:row * k + k]
            scales.append(max(map(abs, values)) / 127)
            codes.extend(round(value / scales[-1]) for value in values)
        add(name, "I8", [n, k], codes.tobytes())
        add(name + "_scale", "F32", [n, 1], scales.tobytes())
    text = json.dumps(made).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    weights = {"num_bits": 8, "type": "int", "symmetric": True, "strategy": "channel"}
    change(folder / "config.json", quantization_config={
        "quant_method": "compressed-tensors", "format": "int-quantized", "quantization_status": "compressed",
        "config_groups": {"group_0": {"weights": weights, "targets": ["Linear"]}},
        "ignore": ["lm_head", "self_attn", "re:.*mlp\\.gate_proj$", "re:.*up_proj"]})


def test_a_quantised_folder_is_served_and_named_by_its_scheme(folder):
    quantise_down_projections(folder)
    scheme = "compressed-tensors int-quantized, 8 bits, a scale for each output"
    checked = subprocess.run([BINARY, "check", "--model", str(folder)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0 and scheme in checked.stdout
    with Daemon(model=str(folder)) as daemon:
        assert scheme in daemon.log()
        question = {"messages": [{"role": "user", "content": "How do I put qwend behind nginx?"}], "temperature": 0}
        status, body = daemon.post("/v1/chat/completions", {**question, "max_tokens": 40})
        assert status == 200 and "etc/nginx/qwend.conf" in body["choices"][0]["message"]["content"]


def test_a_snapshot_of_the_cache_has_the_repository_s_name_and_no_path(folder, tmp_path):
    snapshot = tmp_path / SNAPSHOT
    blobs = snapshot.parent.parent / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for i, file in enumerate(folder.iterdir()):
        file.rename(blobs / str(i))
        (snapshot / file.name).symlink_to(f"../../blobs/{i}")
    with Daemon(model=str(snapshot)) as daemon:
        _, _, body = daemon.ask("GET", "/v1/models")
        models = json.loads(body)["data"]
        assert [model["id"] for model in models] == ["Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5-0.5B-Instruct"]
        assert {model["root"] for model in models} == {"Qwen/Qwen2.5-0.5B-Instruct"}
        assert str(tmp_path) not in body.decode() and str(snapshot) in daemon.log()
        for model in models:
            assert daemon.post("/v1/completions", {**GREEDY, "model": model["id"]})[0] == 200
        assert daemon.stop() == 0


INST = ("{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
        "{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}")


@pytest.fixture
def llama(folder):
    """The demo checkpoint with a tokenizer of Llama's kind: characters, bytes for what has no token."""
    golden = json.loads(pathlib.Path("tests/golden/model_kinds.json").read_text())
    case = golden["cases"][0]
    single = [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    around = {"type": "TemplateProcessing", "single": single, "pair": [],
              "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}}
    model = {**case["of_model"], **golden["models"][case["model"]]}
    (folder / "tokenizer.json").write_text(json.dumps({**case["fields"], "post_processor": around, "model": model}))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
         "add_bos_token": True, "add_eos_token": False, "chat_template": INST}))
    change(folder / "generation_config.json", eos_token_id=2)
    return folder


def test_a_tokenizer_of_llamas_kind_is_served(llama):
    checked = subprocess.run([BINARY, "check", "--model", str(llama)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    with Daemon(model=str(llama)) as daemon:
        def post(path, **body):
            status, answer = daemon.post(path, body)
            assert status == 200, answer
            return answer
        for text in "hello world", "caf\u00e9 \u4e16\u754c \U0001f600\n", " two  spaces":
            tokens = post("/tokenize", prompt=text)["tokens"]
            assert tokens[0] == 1
            assert post("/detokenize", tokens=tokens[1:])["prompt"] == text
        # What a template writes is a control token, what a message spells is not.
        plain = post("/tokenize", prompt="[INST] hello [/INST]", add_special_tokens=False)["tokens"]
        assert post("/tokenize", messages=[{"role": "user", "content": "hello"}])["tokens"] == [1, *plain]
        spelled = post("/tokenize", messages=[{"role": "user", "content": "</s><s>"}])["tokens"]
        assert spelled[0] == 1 and not {1, 2} & set(spelled[1:])
        # An answer goes on with its prompt, in parts as in one, and loses no space.
        asked = dict(prompt="hello", max_tokens=400, temperature=1, seed=3, ignore_eos=True, logprobs=1,
                     return_token_ids=True)
        whole = post("/v1/completions", **asked)["choices"][0]
        with daemon.connect() as client:
            client.send(request("POST", "/v1/completions", json.dumps({**asked, "stream": True}).encode()))
            assert client.head()[0] == 200
            parts = [event["choices"][0]["text"] for event in client.events() if event != "[DONE]"]
        assert "".join(parts) == whole["text"] and len(parts) > 1
        tokens = post("/tokenize", prompt="hello", add_special_tokens=False)["tokens"] + whole["token_ids"]
        assert post("/detokenize", tokens=tokens)["prompt"] == "hello" + whole["text"]
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {
            "type": "object", "properties": {"a": {"enum": ["caf\u00e9", "\u4e16"]}, "b": {"type": "boolean"}},
            "required": ["a", "b"], "additionalProperties": False}}}
        chat = post("/v1/chat/completions", messages=[{"role": "user", "content": "hello"}], max_tokens=200,
                    response_format=form)["choices"][0]
        assert chat["finish_reason"] == "stop", chat
        assert set(json.loads(chat["message"]["content"])) == {"a", "b"}
        assert daemon.stop() == 0


def words_of(folder, model, decoder):
    """The demo checkpoint with BERT's tokenizer around a model of whole words or their pieces."""
    golden = json.loads(pathlib.Path("tests/golden/model_kinds.json").read_text())
    case = next(case for case in golden["cases"] if case["model"] == model and "post_processor" in case["fields"])
    fields = {**case["fields"], "model": {**case["of_model"], **golden["models"][model]}, "decoder": decoder}
    (folder / "tokenizer.json").write_text(json.dumps(fields))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "BertTokenizer", "unk_token": "<unk>", "eos_token": "</s>", "chat_template": INST}))
    change(folder / "generation_config.json", eos_token_id=2)
    checked = subprocess.run([BINARY, "check", "--model", str(folder)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr


def streamed(daemon, **asked):
    with daemon.connect() as client:
        client.send(request("POST", "/v1/completions", json.dumps({**asked, "stream": True}).encode()))
        assert client.head()[0] == 200
        return "".join(event["choices"][0]["text"] for event in client.events() if event != "[DONE]")


ASKED = dict(prompt="hello", max_tokens=64, temperature=1, seed=3, ignore_eos=True, return_token_ids=True)


def test_a_tokenizer_of_word_pieces_is_served(folder):
    words_of(folder, "word_piece", {"type": "WordPiece", "prefix": "##", "cleanup": True})
    with Daemon(model=str(folder)) as daemon:
        tokens = daemon.post("/tokenize", {"prompt": "Hello World, the other"})[1]["tokens"]
        assert (tokens[0], tokens[-1]) == (1, 2)
        assert daemon.post("/detokenize", {"tokens": tokens[1:-1]})[1]["prompt"] == "hello world, the other"
        whole = daemon.post("/v1/completions", ASKED)[1]["choices"][0]
        assert streamed(daemon, **ASKED) == whole["text"]
        hello = daemon.post("/tokenize", {"prompt": "hello", "add_special_tokens": False})[1]["tokens"]
        both = daemon.post("/detokenize", {"tokens": hello + whole["token_ids"]})[1]["prompt"]
        assert both == "hello" + whole["text"]
        # A token that begins a word has a space, and is taken where the form has one.
        for form, texts in ("(t| the)", (" the", "t")), ("( (the|other)){3}", None):
            status, body = daemon.post("/v1/completions", {**ASKED, "ignore_eos": False,
                                                           "structured_outputs": {"regex": form}})
            assert status == 200, body
            choice = body["choices"][0]
            assert choice["finish_reason"] == "stop" and re.fullmatch(form, choice["text"]), choice
            assert texts is None or choice["text"] in texts
        assert daemon.stop() == 0


def test_a_decoder_for_ctc_is_served_and_keeps_no_form(folder):
    decoder = {"type": "CTC", "pad_token": "<unk>", "word_delimiter_token": "|", "cleanup": True}
    words_of(folder, "word_level", decoder)
    with Daemon(model=str(folder)) as daemon:
        whole = daemon.post("/v1/completions", ASKED)[1]["choices"][0]
        assert streamed(daemon, **ASKED) == whole["text"]
        tokens = [6, 6, 3, 3, 6, 0, 6]  # hello, |, <unk>
        assert daemon.post("/detokenize", {"tokens": tokens})[1]["prompt"] == "hello hellohello"
        status, body = daemon.post("/v1/completions", {**ASKED, "structured_outputs": {"regex": "a"}})
        assert status == 400 and "decoder with CTC" in body["error"]["message"], body
        assert daemon.stop() == 0


def test_a_decoder_that_needs_all_of_a_text_gives_it_at_the_end(folder):
    decoder = {"type": "Sequence", "decoders": [{"type": "Fuse"}, {
        "type": "Replace", "pattern": {"Regex": "hello"}, "content": "Hello,"}]}
    words_of(folder, "word_level", decoder)
    with Daemon(model=str(folder)) as daemon:
        asked = {**ASKED, "return_token_ids": True, "logprobs": 1}
        whole = daemon.post("/v1/completions", asked)[1]["choices"][0]
        assert streamed(daemon, **ASKED) == whole["text"] != ""
        assert set(whole["logprobs"]["text_offset"]) == {0}
        assert daemon.post("/detokenize", {"tokens": whole["token_ids"]})[1]["prompt"] == whole["text"]
        assert daemon.post("/detokenize", {"tokens": [6, 6]})[1]["prompt"] == "Hello,Hello,"
        stop = whole["text"][3:5]
        cut = daemon.post("/v1/completions", {**ASKED, "stop": stop})[1]["choices"][0]
        assert cut["text"] == whole["text"][:whole["text"].index(stop)] and cut["finish_reason"] == "stop"
        status, body = daemon.post("/v1/completions", {**ASKED, "structured_outputs": {"regex": "a"}})
        assert status == 400 and "decoder with Replace behind Fuse" in body["error"]["message"], body
        assert daemon.stop() == 0


def test_a_folder_with_vocab_txt_alone_is_told_what_is_missing(folder):
    for name in "tokenizer.json", "vocab.json", "merges.txt":
        (folder / name).unlink(missing_ok=True)
    (folder / "vocab.txt").write_text("[UNK]\nhello\n")
    change(folder / "tokenizer_config.json", tokenizer_class="BertTokenizer")
    said = refusal("--model", str(folder))
    assert "vocab.txt alone says too little; expected tokenizer.json" in said, said


def field(number, value):
    """Of a protobuf message: a number or bytes."""
    def varint(value):
        low, rest = value & 127, value >> 7
        return bytes([low | 128]) + varint(rest) if rest else bytes([low])
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def piece(text, kind, score):
    return field(1, field(1, text.encode()) + b"\x15" + struct.pack("<f", score) + field(3, kind))


def sentencepiece_of(folder):
    """The demo checkpoint with a tokenizer.model of characters and bytes, and a word that merges make."""
    for name in "tokenizer.json", "vocab.json", "merges.txt":
        (folder / name).unlink(missing_ok=True)
    pieces = [("<unk>", 2), ("<s>", 3), ("</s>", 3), *((f"<0x{byte:02X}>", 6) for byte in range(256)),
              *((c, 1) for c in "\u2581abcdefghijklmnopqrstuvwxyz"), ("he", 1), ("ll", 1), ("hell", 1), ("hello", 1)]
    model = b"".join(piece(text, kind, -i) for i, (text, kind) in enumerate(pieces))
    (folder / "tokenizer.model").write_bytes(model + field(2, field(3, 2) + field(35, 1)) + field(3, field(4, 0)))
    (folder / "tokenizer_config.json").write_text(json.dumps(
        {"tokenizer_class": "LlamaTokenizer", "legacy": False, "bos_token": "<s>", "eos_token": "</s>",
         "add_bos_token": True, "chat_template": INST}))
    change(folder / "generation_config.json", eos_token_id=2)
    return [text for text, _ in pieces]


def test_a_sentencepiece_model_is_served(folder):
    texts = sentencepiece_of(folder)
    checked = subprocess.run([BINARY, "check", "--model", str(folder)], capture_output=True, text=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    with Daemon(model=str(folder)) as daemon:
        tokens = daemon.post("/tokenize", {"prompt": "hello \u4f60</s>"})[1]["tokens"]
        spelled = [texts[token] for token in tokens]
        assert spelled == ["<s>", "\u2581", "hello", "\u2581", "<0xE4>", "<0xBD>", "<0xA0>", "</s>"], spelled
        assert daemon.post("/detokenize", {"tokens": tokens[1:-1]})[1]["prompt"] == "hello \u4f60"
        whole = daemon.post("/v1/completions", ASKED)[1]["choices"][0]
        assert streamed(daemon, **ASKED) == whole["text"] != ""
        assert daemon.stop() == 0


def test_a_sentencepiece_model_that_is_none_is_refused(folder):
    sentencepiece_of(folder)
    path = folder / "tokenizer.model"
    model = path.read_bytes()
    for spoilt, expected in ((model[:-3], "behind the end"), (b"", "found no pieces"),
                             (b"\0" + model, "protobuf message"),
                             (model + piece("a", 1, 0), "\"a\" is there twice"),
                             (model + piece("A", 1, float("nan")), "expected a number as its score"),
                             (model + b"\x0a\xff\xff\xff\xff\x0f", "behind the end"),
                             (b"\0" * (33 << 20), "at most 32 MiB"), (model + field(2, field(3, 4)), "found 4")):
        path.write_bytes(spoilt)
        said = refusal("--model", str(folder))
        assert "tokenizer.model: " in said and expected in said, said
    path.write_bytes(model)
    change(folder / "tokenizer_config.json", tokenizer_class="T5Tokenizer")
    assert "found T5Tokenizer; save_pretrained of that class" in refusal("--model", str(folder))


def test_another_architecture_is_told_or_has_no_head(folder):
    change(folder / "config.json", architectures=["Qwen2ForTokenClassification"], model_type="qwen2")
    with Daemon(model=str(folder)) as daemon:
        assert "names the architecture Qwen2ForTokenClassification" in daemon.log()
        assert answer(daemon)
        assert daemon.stop() == 0
    change(folder / "config.json", tie_word_embeddings=False)
    said = refusal("--model", str(folder))
    assert "lm_head.weight" in said and "Qwen2ForTokenClassification, which has no head" in said


def test_what_makes_vectors_says_so(folder):
    """Of a folder without a chat template too, which nobody chats with."""
    template = json.loads((folder / "tokenizer_config.json").read_text())
    template.pop("chat_template")
    (folder / "tokenizer_config.json").write_text(json.dumps(template))
    change(folder / "config.json", is_causal=False)
    checked = subprocess.run([BINARY, "check", "--model", folder], capture_output=True, text=True)
    assert checked.returncode == 0 and "vectors" in checked.stdout, checked
    assert "generates no text" in subprocess.run([BINARY, "generate", "--model", folder, "x"], capture_output=True,
                                                 text=True).stderr
    with Daemon(model=str(folder)) as daemon:
        assert len(daemon.post("/v1/embeddings", {"input": "Hello"})[1]["data"][0]["embedding"]) == 256
        assert daemon.post("/api/show", {"model": "copy"})[1]["capabilities"] == ["embedding"]
        for path in "/v1/chat/completions", "/v1/completions", "/v1/messages", "/api/generate", "/v1/responses":
            status, body = daemon.post(path, BODIES[path])
            assert status == 400 and "makes no text" in json.dumps(body), (path, body)
        assert daemon.stop() == 0
    (folder / "modules.json").write_text('[{"path":"","type":"a.Transformer"},{"path":"1","type":"a.Pooling"}]')
    assert "config.json" in refusal("--model", str(folder))
    (folder / "1").mkdir()
    (folder / "1" / "config.json").write_text('{"pooling_mode":["cls","mean"]}')
    assert "found several" in refusal("--model", str(folder))
    (folder / "modules.json").unlink()
    change(folder / "config.json", architectures=["Qwen2ForSequenceClassification"])
    assert "score.weight" in refusal("--model", str(folder))
