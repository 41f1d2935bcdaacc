"""Weights quantised at load, as settings ask for it, and what `qwend check --quality` says of them."""

import re
import subprocess

import pytest
from daemon_fixture import BINARY, MODEL, Daemon
from test_checkpoint import change, folder, quantise_down_projections, refusal  # noqa: F401, the fixture

QUESTION = {"messages": [{"role": "user", "content": "How do I put qwend behind nginx?"}], "temperature": 0,
            "max_tokens": 40}


def check(*options, code=0, model=MODEL):
    done = subprocess.run([BINARY, "check", "--model", str(model), "--listen", "127.0.0.1:0", *options],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def quality(*options, model=MODEL):
    """What is measured: the mean and the largest KL, the share of likeliest tokens, both perplexities."""
    said = check("--quality", *options, model=model)
    assert said.endswith("\nok\n")
    compared = re.search(r"\nquality +(\d+) tokens of English, Chinese and code; beside (.+)\n"
                         r"KL +mean (\S+), largest (\S+) nats a token\n"
                         r"greedy +(\S+)% the same\n"
                         r"perplexity +(\S+), theirs (\S+)\n", said)
    assert compared, said
    n, beside, *numbers = compared.groups()
    assert int(n) > 500
    return beside, *map(float, numbers)


@pytest.mark.parametrize("scheme, named", [("int8", "int8, head int8, made at load"),
                                           ("int4", "int4 in groups of 128 and int8, head int8, made at load")])
def test_a_model_is_served_as_its_settings_quantise_it(scheme, named):
    with Daemon("--quantization", scheme) as daemon:
        assert f"({named})" in daemon.log()
        status, body = daemon.post("/v1/chat/completions", QUESTION)
        assert status == 200 and "nginx" in body["choices"][0]["message"]["content"]
        assert daemon.post("/api/show", {"model": "demo-model"})[1]["details"]["quantization_level"] == named
        assert daemon.stop() == 0


def test_the_file_sets_it_too_and_the_head_may_stay(tmp_path):
    config = tmp_path / "c.conf"
    config.write_text(f'model = "{MODEL}"\nquantization = int8\nquantize-head = false\n')
    assert ": int8, made at load;" in check("--config", str(config))
    assert ": head int8, made at load;" in check("--quantize-head", "true")


def test_quality_is_measured_beside_the_files_own_weights():
    fine, coarse = quality("--quantization", "int8"), quality("--quantization", "int4", "--quantize-head", "false")
    for beside, mean, largest, same, mine, theirs in fine, coarse:
        assert beside == "the weights of the files" and 0 < mean < largest and 50 < same <= 100
        assert mine > 1 and theirs > 1
    assert fine[1] < 0.01 < coarse[1] < 0.2 and fine[3] > coarse[3] and fine[5] == coarse[5]


def test_quality_without_anything_to_compare_with():
    said = check("--quality")
    assert "; nothing to compare with\n" in said and re.search(r"\nperplexity +[\d.]+\n", said)
    assert "nothing is quantised: --quantization does" in said and "KL" not in said


def test_a_quantised_folder_is_not_quantised_again_and_measured_beside_another(folder):  # noqa: F811
    quantise_down_projections(folder)
    for command in "check", "serve":
        said = refusal("--model", str(folder), "--quantization", "int4") if command == "serve" else \
            check("--quantization", "int4", code=78, model=folder)
        assert "expected weights that are not quantised" in said and "found compressed-tensors int-quantized" in said
    alone = check("--quality", model=folder)
    assert "--against names one of the same model that is not" in alone and "nothing to compare with" in alone
    beside, mean, *_ = quality("--against", MODEL, model=folder)
    assert beside == str(MODEL) and 0 < mean < 0.01
    # The head alone is quantised here, beside the folder's own.
    assert quality("--quantize-head", "true", model=folder)[1] < 0.001


def test_what_is_measured_against_has_to_be_the_same_model(folder):  # noqa: F811
    assert "requires --quality" in check("--against", MODEL, code=64)
    assert "/nowhere: no such folder" in check("--quality", "--against", "/nowhere", code=78)
    change(folder / "tokenizer.json", normalizer={"type": "Lowercase"})
    assert "found one with another tokenizer" in check("--quality", "--against", str(folder), code=78)
    change(folder / "config.json", is_causal=False)
    assert "expected a model that generates text" in check("--quality", code=78, model=folder)
