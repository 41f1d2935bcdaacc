"""GGUF files, beside the folder that they were made from."""

import os
import pathlib
import shutil
import subprocess

import gguf_file
import pytest
from daemon_fixture import BINARY, MODEL, Daemon

GREEDY = {"max_tokens": 24, "temperature": 0}
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is qwend?"}]
TEXTS = ["The capital of France is", "介绍一下", "<|im_start|>user\ne\u0301 don't  \n\n1234<tool_call>"]


def run(*arguments):
    return subprocess.run([BINARY, *arguments], capture_output=True, text=True, timeout=60)


def refusal(model):
    """The message of a check that exits with 78."""
    done = run("check", "--model", str(model))
    assert done.returncode == 78, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


def answers(daemon):
    """What a daemon makes of texts: ids of prompts and chats, and greedy answers."""
    made = []
    for text in TEXTS:
        made.append(daemon.post("/tokenize", {"prompt": text})[1]["tokens"])
        made.append(daemon.post("/v1/completions", {"prompt": text, **GREEDY})[1]["choices"][0]["text"])
    made.append(daemon.post("/tokenize", {"messages": MESSAGES})[1]["tokens"])
    made.append(daemon.post("/v1/chat/completions", {"messages": MESSAGES, **GREEDY})[1]["choices"][0]["message"])
    return made


@pytest.fixture(scope="module")
def of_folder(daemon):
    return answers(daemon)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "demo-bf16.gguf"
    gguf_file.convert(MODEL, path)
    return path


def test_a_file_answers_as_the_folder_that_it_was_made_from(file, of_folder):
    with Daemon(model=str(file)) as daemon:
        assert answers(daemon) == of_folder
        assert daemon.get("/v1/models")[1]["data"][0]["id"] == "demo-bf16"
        details = daemon.post("/api/show", {"model": "demo-bf16"})[1]["details"]
        assert details["format"] == "gguf" and details["quantization_level"] == "BF16"
        assert daemon.stop() == 0


def test_a_model_in_several_files_and_a_folder_of_them(tmp_path, of_folder):
    gguf_file.convert_in_parts(MODEL, tmp_path / "demo.gguf", 3)
    for model in tmp_path / "demo-00001-of-00003.gguf", tmp_path:
        with Daemon(model=str(model)) as daemon:
            assert answers(daemon) == of_folder
            assert daemon.get("/v1/models")[1]["data"][0]["id"] == "demo"
            assert daemon.stop() == 0
    assert "give --model the first" in refusal(tmp_path / "demo-00002-of-00003.gguf")
    (tmp_path / "demo-00003-of-00003.gguf").unlink()
    assert "expected demo-00003-of-00003.gguf beside it" in refusal(tmp_path)


def test_quantised_weights_answer_as_the_numbers_that_they_stand_for(tmp_path):
    folder = pathlib.Path(shutil.copytree(MODEL, tmp_path / "copy", ignore=shutil.ignore_patterns("corpus", "*.py")))
    path = tmp_path / "demo-q8_0.gguf"
    gguf_file.write(path, gguf_file.metadata_of(folder), gguf_file.quantise(folder, "attn_k.weight"))
    with Daemon(model=str(folder)) as daemon:
        expected = answers(daemon)
        assert daemon.stop() == 0
    with Daemon(model=str(path)) as daemon:
        assert answers(daemon) == expected
        assert "(GGUF, BF16 and Q8_0, " in daemon.log() and " bits a weight)" in daemon.log()
        os.truncate(path, 0)  # of no more use
        assert answers(daemon) == expected
        assert daemon.stop() == 0


def test_check_says_what_a_file_has(file):
    said = run("check", "--model", str(file))
    assert said.returncode == 0, said.stderr
    for line in "model      demo-bf16 (7 layers, hidden 256", "86 tensors", "6080 ids, 6144 logits", "4096 tokens":
        assert line in said.stdout


def test_files_that_are_none_are_refused_in_one_message(file, tmp_path):
    for name, content, says in (
            ("empty.gguf", b"", "expected a checkpoint folder or a GGUF file, found a file of another kind"),
            ("cut.gguf", file.read_bytes()[:100_000], "truncated? Download it again"),
            ("short.gguf", file.read_bytes()[:-100_000], "truncated? Download it again")):
        path = tmp_path / name
        path.write_bytes(content)
        assert says in refusal(path)
    assert "expected one model, found 3; give --model one of its files" in refusal(tmp_path)
    metadata = gguf_file.metadata_of(MODEL)
    for change, says in (({"general.architecture": "llama"}, "expected qwen2, found llama"),
                         ({"tokenizer.ggml.pre": "gpt-2"}, "tokenizer.ggml.pre: expected qwen2"),
                         ({"qwen2.embedding_length": 512}, "tensor token_embd.weight: expected shape [6144, 512]"),
                         ({"qwen2.block_count": 9}, "qwen2.block_count is 9, the weights have 7")):
        gguf_file.write(tmp_path / "changed.gguf", {**metadata, **change}, gguf_file.tensors_of(MODEL))
        assert says in refusal(tmp_path / "changed.gguf")
