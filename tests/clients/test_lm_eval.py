"""lm-evaluation-harness at /v1/completions: what its local-completions makes of the scores of a prompt."""

import pytest
from daemon_fixture import MODEL

pytest.importorskip("lm_eval", reason="the package lm-eval is not installed")
pytest.importorskip("transformers", reason="the package transformers is not installed")
pytest.importorskip("tenacity", reason="the package lm-eval[api] is not installed")

from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.models.openai_completions import LocalCompletionsAPI  # noqa: E402

QUESTION = "How do I put qwend behind nginx?"


@pytest.fixture(scope="module", params=["one by one", "batches", "concurrent"])
def model(daemon, request):
    options = {"one by one": {}, "batches": {"batch_size": 4}, "concurrent": {"num_concurrent": 4}}[request.param]
    return LocalCompletionsAPI(base_url=f"http://127.0.0.1:{daemon.port}/v1/completions", model="demo-model",
                               tokenizer_backend="huggingface", tokenizer=str(MODEL), max_length=1024, max_retries=1,
                               **options)


def instances(kind, arguments):
    return [Instance(request_type=kind, doc={}, arguments=each, idx=i) for i, each in enumerate(arguments)]


def ids_of(daemon, text):
    return daemon.post("/tokenize", {"prompt": text})[1]["tokens"]


def scores_of(daemon, ids):
    """The log-probability of each token but the first, and whether it is the likeliest."""
    _, answer = daemon.post("/v1/completions", {"prompt": ids, "max_tokens": 1, "prompt_logprobs": 0})
    scores = [next(iter(score.values())) for score in answer["choices"][0]["prompt_logprobs"][1:]]
    return [score["logprob"] for score in scores], [score["rank"] == 1 for score in scores]


def test_loglikelihood(daemon, model):
    generated = daemon.post("/v1/completions", {"prompt": QUESTION, "max_tokens": 12, "temperature": 0,
                                                "repetition_penalty": 1, "ignore_eos": True})[1]["choices"][0]["text"]
    pairs = [(QUESTION, generated), (QUESTION, " I do not know."), ("大模型", "通常指大语言模型"), (QUESTION, " 🙂"),
             ("", "Hello"), (QUESTION * 30, " Yes")]
    results = model.loglikelihood(instances("loglikelihood", pairs), disable_tqdm=True)
    for (context, continuation), (logprob, is_greedy) in zip(pairs, results, strict=True):
        whole = ids_of(daemon, context + continuation)
        n_context = len(ids_of(daemon, context)) if context else 1
        if not context:
            whole = [model.prefix_token_id, *whole]
        logprobs, likeliest = scores_of(daemon, whole)
        assert logprob == pytest.approx(sum(logprobs[n_context - 1:]), abs=0.05)
        assert is_greedy == all(likeliest[n_context - 1:])
    assert results[0][1] and not results[1][1]
    assert results[0][0] > results[1][0]


def test_loglikelihood_rolling(daemon, model):
    texts = ["A prompt that is long enough to fill several blocks of the cache. " * 4, "你好，世界", "x"]
    results = model.loglikelihood_rolling(instances("loglikelihood_rolling", [(text,) for text in texts]),
                                          disable_tqdm=True)
    for text, logprob in zip(texts, results, strict=True):
        logprobs, _ = scores_of(daemon, [model.prefix_token_id, *ids_of(daemon, text)])
        assert logprob == pytest.approx(sum(logprobs), abs=0.05)


def test_generate_until(model):
    arguments = [("Hello", {"until": ["\n"], "max_gen_toks": 8})]
    text, = model.generate_until(instances("generate_until", arguments), disable_tqdm=True)
    assert isinstance(text, str) and "\n" not in text
