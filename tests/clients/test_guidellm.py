"""GuideLLM: short benchmarks by its own command, over each of the routes that it knows."""

import json
import os
import subprocess
import sys

import pytest
from daemon_fixture import MODEL

pytest.importorskip("guidellm", reason="the package guidellm is not installed")

PROMPT, OUTPUT, REQUESTS = 32, 16, 4  # tokens, and how many
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


def benchmark(daemon, folder, profile="synchronous", data="", **backend):
    """What a run's report says of its only benchmark."""
    report = folder / "report.json"
    options = "".join(f",{name}={value}" for name, value in backend.items())
    done = subprocess.run(
        [sys.executable, "-m", "guidellm", "run", "--disable-console", "--profile", f"kind={profile}",
         "--backend", f"kind=openai_http,target=http://127.0.0.1:{daemon.port}{options}",
         "--constraint", f"kind=max_requests,count={REQUESTS}",
         "--tokenizer", f"kind=hf_auto,model={os.path.abspath(MODEL)}",
         "--data", f"kind=synthetic_text,prompt_tokens={PROMPT},output_tokens={OUTPUT}{data}",
         "--output", f"kind=json,path={report}"],
        env={**os.environ, **OFFLINE}, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads(report.read_text())["benchmarks"]
    totals = result["metrics"]["request_totals"]
    assert (totals["successful"], totals["errored"]) == (REQUESTS, 0), done.stdout + done.stderr
    return result["metrics"]


@pytest.mark.parametrize("route", ["/v1/completions", "/v1/chat/completions", "/v1/responses"])
@pytest.mark.parametrize("stream", ["true", "false"])
def test_a_benchmark(daemon, tmp_path, route, stream):
    metrics = benchmark(daemon, tmp_path, request_format=route, stream=stream)
    assert metrics["output_token_count"]["successful"]["mean"] == OUTPUT
    prompt_tokens = metrics["prompt_token_count"]["successful"]["mean"]
    assert prompt_tokens == PROMPT if route == "/v1/completions" else prompt_tokens > PROMPT
    if stream == "true":
        assert 0 < metrics["time_to_first_token_ms"]["successful"]["mean"]
        assert 0 < metrics["inter_token_latency_ms"]["successful"]["mean"]


def test_many_at_once(daemon, tmp_path):
    benchmark(daemon, tmp_path, "concurrent,streams=3")


@pytest.mark.parametrize("backend", [{}, {"request_format": "/v1/responses", "server_history": "true"}])
def test_turns(daemon, tmp_path, backend):
    counts = benchmark(daemon, tmp_path, data=",turns=2", **backend)["prompt_token_count"]["successful"]
    assert counts["max"] > counts["min"] + PROMPT
