"""Vectors as transformers and sentence-transformers make them in fp32, of random checkpoints of each head kind."""

import json
import shutil
from pathlib import Path

import pytest
from daemon_fixture import MODEL, Daemon

torch = pytest.importorskip("torch", reason="the package torch is not installed")
transformers = pytest.importorskip("transformers", reason="the package transformers is not installed")
st = pytest.importorskip("sentence_transformers", reason="the package sentence-transformers is not installed")

from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM, Qwen2ForSequenceClassification  # noqa: E402
from transformers import Qwen2Model  # noqa: E402

TEXTS = ["hello world", "你好，世界。大模型是什么？", "How do I put qwend behind nginx?", "x",
         "The quick brown fox jumps over the lazy dog. " * 40]
CLOSE = 1e-3  # of a cosine


def config(**fields):
    base = json.loads((Path(MODEL) / "config.json").read_text())
    keep = {k: base[k] for k in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads",
                                 "vocab_size", "max_position_embeddings", "rms_norm_eps", "rope_theta")}
    return Qwen2Config(**{**keep, "num_hidden_layers": 3, "tie_word_embeddings": False, "initializer_range": 0.08,
                          **fields})


def save(model, folder, **fields):
    """As published: bf16 weights and the demo model's tokenizer; `fields` go into config.json."""
    for name in "tokenizer.json", "tokenizer_config.json":
        folder.mkdir(exist_ok=True)
        shutil.copy(Path(MODEL) / name, folder)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "bias" in name:
                parameter.normal_(0, 0.3)
    model.to(torch.bfloat16).save_pretrained(folder)
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    return model.float().eval()


def ids_of(folder, text, end=None):
    ids = AutoTokenizer.from_pretrained(folder)(text)["input_ids"]
    return torch.tensor([ids + ([end] if end is not None else [])])


@torch.no_grad()
def states_of(model, ids):
    base = getattr(model, "model", model)
    return base(input_ids=ids).last_hidden_state[0]


def close(found, expected):
    found, expected = torch.tensor(found), expected.detach().float()
    assert found.shape == expected.shape
    return 1 - torch.cosine_similarity(found, expected, dim=-1).min().item() < CLOSE


def embed(daemon, texts, **fields):
    status, body = daemon.post("/v1/embeddings", {"input": texts, **fields})
    assert status == 200, body
    assert [each["index"] for each in body["data"]] == list(range(len(texts)))
    return [each["embedding"] for each in body["data"]]


def test_a_chat_model_embeds_by_its_last_token(tmp_path):
    torch.manual_seed(1)
    model = save(Qwen2ForCausalLM(config()), tmp_path)
    with Daemon(model=str(tmp_path)) as daemon:
        for text, vector in zip(TEXTS, embed(daemon, TEXTS), strict=True):
            assert close(vector, states_of(model, ids_of(tmp_path, text))[-1])
            assert sum(x * x for x in vector) == pytest.approx(1, abs=1e-5)
        cut = embed(daemon, TEXTS[:1], dimensions=16)[0]
        assert close(cut, states_of(model, ids_of(tmp_path, TEXTS[0]))[-1][:16])
        assert sum(x * x for x in cut) == pytest.approx(1, abs=1e-5)
        assert daemon.stop() == 0


@pytest.mark.parametrize("fields", [{"is_causal": False}, {}], ids=["is_causal", "auto_map"])
def test_gte_attends_both_ways_and_ends_its_texts(tmp_path, fields):
    torch.manual_seed(2)
    model = save(Qwen2Model(config(is_causal=False)), tmp_path,
                 auto_map={"AutoModel": "modeling_qwen.Qwen2Model"}, architectures=["Qwen2ForCausalLM"])
    path = tmp_path / "config.json"
    written = {k: v for k, v in json.loads(path.read_text()).items() if k != "is_causal"}
    path.write_text(json.dumps({**written, **fields}))
    end = AutoTokenizer.from_pretrained(tmp_path).convert_tokens_to_ids("<|endoftext|>")
    with Daemon(model=str(tmp_path)) as daemon:
        vectors = embed(daemon, TEXTS)
        for text, vector in zip(TEXTS, vectors, strict=True):
            ids = ids_of(tmp_path, text, end)
            assert close(vector, states_of(model, ids)[-1])
            if ids.shape[1] > 3:  # a causal model's is another vector
                model.config.is_causal = True
                assert not close(vector, states_of(model, ids)[-1])
                model.config.is_causal = False
        status, body = daemon.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]})
        assert status == 400 and "/v1/embeddings" in body["error"]["message"]
        assert daemon.stop() == 0


@pytest.mark.parametrize("n_labels, problem", [(1, None), (3, None), (3, "multi_label_classification"),
                                               (2, "regression")])
def test_a_classifier_scores(tmp_path, n_labels, problem):
    torch.manual_seed(3)
    labels = {i: f"label {i}" for i in range(n_labels)}
    model = save(Qwen2ForSequenceClassification(config(num_labels=n_labels, id2label=labels, pad_token_id=0,
                                                       problem_type=problem)), tmp_path)
    with Daemon(model=str(tmp_path)) as daemon:
        body = daemon.post("/classify", {"input": TEXTS})[1]
        for text, found in zip(TEXTS, body["data"], strict=True):
            with torch.no_grad():
                logits = model(ids_of(tmp_path, text)).logits[0]
            if problem != "regression":
                logits = logits.softmax(-1) if n_labels > 1 and not problem else logits.sigmoid()
            assert found["probs"] == pytest.approx(logits.tolist(), abs=5e-2 if problem == "regression" else 2e-2)
            assert found["num_classes"] == n_labels and found["label"] == labels[found["probs"].index(max(found["probs"]))]
        raw = daemon.post("/classify", {"input": TEXTS[0], "use_activation": False})[1]["data"][0]["probs"]
        assert raw == pytest.approx(model(ids_of(tmp_path, TEXTS[0])).logits[0].tolist(), abs=5e-2)
        status, body = daemon.post("/v1/rerank", {"query": "q: ", "documents": TEXTS})
        if n_labels == 1:
            for result in body["results"]:
                pair = torch.cat([ids_of(tmp_path, "q: "), ids_of(tmp_path, TEXTS[result["index"]])], 1)
                assert result["relevance_score"] == pytest.approx(model(pair).logits.sigmoid().item(), abs=2e-2)
        else:
            assert status == 400 and "makes no scores of pairs" in body["error"]["message"]
        assert daemon.post("/v1/embeddings", {"input": "x"})[0] == 400
        assert daemon.stop() == 0


class Rewarding(torch.nn.Module):
    """Qwen2.5-Math's reward models, whose code is their repositories' own."""

    def __init__(self, n_out):
        super().__init__()
        self.trunk = Qwen2Model(config())
        hidden = self.trunk.config.hidden_size
        self.score = torch.nn.Sequential(torch.nn.Linear(hidden, hidden), torch.nn.ReLU(),
                                         torch.nn.Linear(hidden, n_out))

    def save(self, folder, architecture):
        from safetensors.torch import load_file, save_file
        save(self.trunk, folder, architectures=[architecture], model_type="qwen2")
        tensors = {f"model.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
        self.score.to(torch.bfloat16)
        tensors |= {f"score.{name}": value.contiguous() for name, value in self.score.state_dict().items()}
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        self.score.float()

    @torch.no_grad()
    def values(self, ids):
        return self.score(states_of(self.trunk, ids))


def test_a_reward_model_values_every_token(tmp_path):
    torch.manual_seed(4)
    model = Rewarding(1)
    model.save(tmp_path, "Qwen2ForRewardModel")
    with Daemon(model=str(tmp_path)) as daemon:
        found = daemon.post("/pooling", {"input": TEXTS})[1]["data"]
        for text, each in zip(TEXTS, found, strict=True):
            expected = model.values(ids_of(tmp_path, text))
            assert torch.allclose(torch.tensor(each["data"]), expected, atol=5e-2)
        last = daemon.post("/classify", {"input": TEXTS[1]})[1]["data"][0]["probs"]
        assert last == pytest.approx(found[1]["data"][-1], abs=2e-2)
        assert daemon.stop() == 0


def test_a_process_reward_model_judges_every_step(tmp_path):
    torch.manual_seed(5)
    model = Rewarding(2)
    model.save(tmp_path, "Qwen2ForProcessRewardModel")
    for name in "tokenizer.json", "tokenizer_config.json":  # a free id becomes the step's end
        path = tmp_path / name
        path.write_text(path.read_text().replace("<|fim_pad|>", "<extra_0>"))
    text = "First step.<extra_0>Second, which is wrong.<extra_0>Third<extra_0>"
    with Daemon(model=str(tmp_path)) as daemon:
        found = daemon.post("/pooling", {"input": text})[1]["data"][0]["data"]
        ids = ids_of(tmp_path, text)
        step = AutoTokenizer.from_pretrained(tmp_path).convert_tokens_to_ids("<extra_0>")
        expected = model.values(ids).softmax(-1)[ids[0] == step]
        assert len(found) == 3 and torch.allclose(torch.tensor(found), expected, atol=2e-2)
        assert daemon.post("/pooling", {"input": "no step"})[1]["data"][0]["data"] == []
        assert daemon.stop() == 0


@pytest.mark.parametrize("mode", ["lasttoken", "cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean"])
@pytest.mark.parametrize("include_prompt", [True, False], ids=["all", "without its prompt"])
@pytest.mark.parametrize("as_chat", [False, True], ids=["text", "chat"])
def test_a_folder_of_sentence_transformers(tmp_path, mode, include_prompt, as_chat):
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
    torch.manual_seed(6)
    save(Qwen2Model(config()), tmp_path / "base")
    trunk = Transformer(str(tmp_path / "base"))
    dense = Dense(trunk.get_embedding_dimension() if hasattr(trunk, "get_embedding_dimension")
                  else trunk.get_word_embedding_dimension(), 32)
    model = st.SentenceTransformer(
        modules=[trunk, Pooling(dense.in_features, pooling_mode=mode, include_prompt=include_prompt), dense,
                 Normalize()], prompts={"query": "Find what answers:\n", "document": "A document:\n"}, device="cpu").float()
    folder = tmp_path / "folder"
    model.save(str(folder))
    if not as_chat:  # as folders were before texts could be messages
        (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 700}))
    model = st.SentenceTransformer(str(folder), device="cpu").float()
    with Daemon(model=str(folder)) as daemon:
        assert close(embed(daemon, TEXTS), torch.tensor(model.encode(TEXTS)))
        queries = embed(daemon, TEXTS, prompt_name="query")
        assert close(queries, torch.tensor(model.encode(TEXTS, prompt_name="query")))
        ours = model.similarity(torch.tensor(queries), torch.tensor(embed(daemon, TEXTS)))
        theirs = model.similarity(model.encode(TEXTS, prompt_name="query"), model.encode(TEXTS))
        assert torch.allclose(ours, theirs, atol=2e-2)
        ranked = daemon.post("/v1/rerank", {"query": "nginx?", "documents": TEXTS})[1]["results"]
        scores = model.similarity(model.encode(["nginx?"], prompt_name="query"),
                                  model.encode(TEXTS, prompt_name="document"))[0]
        for result in ranked:
            assert result["relevance_score"] == pytest.approx(scores[result["index"]].item(), abs=2e-2)
        assert daemon.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}]})[0] == 400
        assert daemon.stop() == 0
