"""Prometheus' own parser over /metrics, after answers and a refusal."""

import json
import urllib.error
import urllib.request

import pytest

parser = pytest.importorskip("prometheus_client.parser", reason="the package prometheus-client is not installed")


def post(daemon, **body):
    url = f"http://127.0.0.1:{daemon.port}/v1/completions"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode())) as answer:
        return json.load(answer)


def families_of(daemon):
    with urllib.request.urlopen(f"http://127.0.0.1:{daemon.port}/metrics") as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return list(parser.text_string_to_metric_families(answer.read().decode()))


def total(families, name):
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def test_every_family_is_read(daemon):
    before = families_of(daemon)
    usage = post(daemon, prompt="Hello", max_tokens=5, ignore_eos=True)["usage"]
    with pytest.raises(urllib.error.HTTPError):
        post(daemon, prompt="Hello", temperature=-1)
    families = families_of(daemon)
    for family in families:
        assert family.documentation and family.type in ("counter", "gauge", "histogram"), family.name
    names = [family.name for family in families]
    assert len(names) == len(set(names)) > 10
    samples = [(sample.name, tuple(sorted(sample.labels.items())))
               for family in families for sample in family.samples]
    assert len(samples) == len(set(samples))
    for name, tokens in ("qwend:prompt_tokens_total", usage["prompt_tokens"]), ("qwend:generation_tokens_total", 5):
        assert total(families, name) - total(before, name) == tokens


def test_histograms_add_up(daemon):
    post(daemon, prompt="Hello", max_tokens=5)
    histograms = [family for family in families_of(daemon) if family.type == "histogram"]
    assert histograms
    for family in histograms:
        series = {}
        for sample in family.samples:
            labels = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
            series.setdefault(labels, {}).setdefault(sample.name[len(family.name):], []).append(sample)
        for kinds in series.values():
            bounds = [float(sample.labels["le"]) for sample in kinds["_bucket"]]
            counts = [sample.value for sample in kinds["_bucket"]]
            assert bounds == sorted(bounds) and bounds[-1] == float("inf") and counts == sorted(counts)
            assert counts[-1] == kinds["_count"][0].value and len(kinds["_sum"]) == 1
