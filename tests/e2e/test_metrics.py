"""What usage and /metrics say of an answer is so."""

import pytest

PROMPT = "The quick brown fox jumps over the lazy dog. " * 12


@pytest.mark.parametrize("max_tokens", [1, 2, 8])
def test_cached_tokens_whatever_the_length(daemon, max_tokens):
    body = {"prompt": f"{max_tokens}. {PROMPT}", "max_tokens": max_tokens, "temperature": 0,
            "ignore_eos": True}
    first, second = (daemon.post("/v1/completions", body)[1]["usage"] for _ in range(2))
    assert first["completion_tokens"] == second["completion_tokens"] == max_tokens
    assert second["prompt_tokens_details"]["cached_tokens"] >= second["prompt_tokens"] - 16


def test_a_stop_string_is_a_success_with_a_latency(daemon):
    body = {"prompt": "The", "max_tokens": 60, "temperature": 0, "ignore_eos": True}
    text = daemon.post("/v1/completions", body)[1]["choices"][0]["text"]
    stops = "qwend:request_success_total", 'finished_reason="stop"'
    aborts = "qwend:request_success_total", 'finished_reason="abort"'

    def sample(name, label=""):
        for line in daemon.ask("GET", "/metrics")[2].decode().splitlines():
            if line.startswith(name) and label in line:
                return float(line.split()[-1])

    names = [stops, aborts, ("qwend:e2e_request_latency_seconds_count",),
             ("qwend:request_params_n_count",)]
    before = [sample(*name) for name in names]
    # With so many to go the engine is not done before it is told of the stop string.
    answer = daemon.post("/v1/completions", {**body, "max_tokens": 1500, "stop": text[20:24]})[1]
    assert answer["choices"][0]["finish_reason"] == "stop"
    daemon.wait_metric("qwend:num_requests_running", 0)
    after = [sample(*name) for name in names]
    assert [b - a for a, b in zip(before, after)] == [1, 0, 1, 1]
