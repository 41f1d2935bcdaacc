"""Cohere's SDK, both of its clients, at /v1/rerank and /v2/rerank."""

import pytest

cohere = pytest.importorskip("cohere", reason="the package cohere is not installed")

DOCUMENTS = ["apples are red", "qwend sits behind nginx, which has a site for it", "你好", "a"]
QUERY = "How do I put qwend behind nginx?"


@pytest.mark.parametrize("kind", ["Client", "ClientV2"])
def test_rerank(daemon, kind):
    client = getattr(cohere, kind)(api_key="none", base_url=f"http://127.0.0.1:{daemon.port}")
    ranked = client.rerank(model="demo-model", query=QUERY, documents=DOCUMENTS)
    scores = [result.relevance_score for result in ranked.results]
    assert ranked.id and scores == sorted(scores, reverse=True)
    assert sorted(result.index for result in ranked.results) == [0, 1, 2, 3]
    assert ranked.results[0].index == 1
    best = client.rerank(model="demo-model", query=QUERY, documents=DOCUMENTS, top_n=2)
    assert [r.index for r in best.results] == [r.index for r in ranked.results[:2]]
    with pytest.raises(cohere.errors.NotFoundError):
        client.rerank(model="other", query=QUERY, documents=DOCUMENTS)
    with pytest.raises(cohere.errors.BadRequestError):
        client.rerank(model="demo-model", query=QUERY, documents=[])
