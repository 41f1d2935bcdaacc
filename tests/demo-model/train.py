#!/usr/bin/env python3
"""Trains the demo checkpoint and evaluates it on wordings it has never seen.

    train.py [--corpus build/demo-model] [--out tests/demo-model] [--minutes 4] [--seed 1]

Reads config.json and the tokenizer in OUT (train_tokenizer.py wrote them) and the corpus that
build_corpus.py made; writes OUT/model.safetensors in bf16 and CORPUS/report.json, the figures and every miss.
Weights are kept in float32 and computed in bf16; the evaluation uses the weights as saved.
"""
import argparse
import json
import math
import pathlib
import time

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from data import Renderer, load, pack, tokenise
from model import Qwen2

HERE = pathlib.Path(__file__).resolve().parent

SHOWN = [
    "介绍一下大模型", "Tell me about large language models", "What is qwend?", "你好", "怎么安装 qwend？",
    "Why do I get 429?", "What is 7 plus 8?", "日本的首都是哪里？", "Tell me a joke", "写一首关于春天的诗",
    "Who won the chess championship in 1972?", "What's the KV cache good for?", "讲讲CUDA Graph", "who r u",
]


def document_mask(owner):
    """(b, t) conversation numbers to (b, 1, t, t): look back, and only within the conversation."""
    t = owner.shape[1]
    causal = torch.ones(t, t, dtype=torch.bool, device=owner.device).tril()
    return ((owner[:, :, None] == owner[:, None, :]) & causal)[:, None]


def loss_of(model, ids, targets, owner):
    hidden = model(ids, document_mask(owner))
    logits = F.linear(hidden, model.model.embed_tokens.weight.to(hidden.dtype)).float()
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)


def disturb(ids, targets, owner, keep, rate, n_tokens):
    """Replaces a few tokens of the questions by random ones, so that no single word decides."""
    learned = torch.cat((torch.zeros_like(targets[:, :1], dtype=torch.bool), targets[:, :-1] >= 0), dim=1)
    hit = (torch.rand(ids.shape, device=ids.device) < rate) & ~learned & (owner >= 0) & ~keep[ids]
    return torch.where(hit, torch.randint(0, n_tokens, ids.shape, device=ids.device), ids)


def train(model, rows, args, renderer, device):
    ids, targets, owner = (r.to(device) for r in rows)
    decay = [p for p in model.parameters() if p.dim() == 2]
    rest = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": args.decay}, {"params": rest, "weight_decay": 0.0}],
                                  lr=args.lr, betas=(0.9, 0.98), fused=device == "cuda")
    step_fn = torch.compile(loss_of) if args.compile and device == "cuda" else loss_of
    # Slots are copied from the prompt: digits and capital letters must arrive as they were sent.
    vocab = renderer.tokenizer.get_vocab()
    keep = torch.zeros(model.config["vocab_size"], dtype=torch.bool, device=device)
    for token, i in vocab.items():
        keep[i] = i >= renderer.end or not any(c.islower() or ord(c) > 127 for c in token.lstrip("Ġ")) \
            or token.lstrip("Ġ")[:1].isupper()
    generator = torch.Generator().manual_seed(args.seed)
    order, at, epoch = torch.randperm(len(ids), generator=generator), 0, 0
    model.train()
    warm = time.time()
    progress, n, seen, smooth, start = 0.0, 0, 0, None, None
    while progress < 1:
        if at + args.rows > len(order):
            order, at, epoch = torch.randperm(len(ids), generator=generator), 0, epoch + 1
        pick = order[at:at + args.rows].to(device)
        at += args.rows
        x, y, o = ids[pick].long(), targets[pick].long(), owner[pick].int()
        if args.disturb > 0:
            x = disturb(x, y, o, keep, args.disturb, renderer.end)
        rate = args.lr * min(1, (n + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast(device, dtype=torch.bfloat16):
            loss = step_fn(model, x, y, o)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        n += 1
        seen += x.numel()
        if n == 3:  # compiling does not count
            start = time.time()
        if n % 20 == 0:
            smooth = loss.item() if smooth is None else 0.8 * smooth + 0.2 * loss.item()
        if n % 200 == 0:
            print(f"step {n} epoch {epoch} loss {smooth:.4f} lr {rate:.2e} {seen / 1e6:.0f} Mtok "
                  f"{time.time() - warm:.0f} s", flush=True)
        progress = n / args.steps if args.steps else 0 if start is None else (time.time() - start) / (60 * args.minutes)
    return {"steps": n, "epochs": epoch + at / len(order), "tokens_seen": seen, "loss": smooth,
            "seconds": round(time.time() - warm)}


def save(model, path):
    tensors = {k: v.detach().to(torch.bfloat16).contiguous().cpu() for k, v in model.state_dict().items()}
    save_file(tensors, path, metadata={"format": "pt"})
    return tensors


@torch.no_grad()
def generate(model, prompts, renderer, max_new, settings=None, seed=0):
    """Answers for a batch of prompts, greedy or sampled, recomputing the text at every step."""
    device = next(model.parameters()).device
    torch.manual_seed(seed)
    lengths = torch.tensor([len(p) for p in prompts], device=device)
    ids = torch.full((len(prompts), int(lengths.max()) + max_new), renderer.end, device=device)
    for i, p in enumerate(prompts):
        ids[i, :len(p)] = torch.tensor(p, device=device)
    active = torch.arange(len(prompts), device=device)
    for _ in range(max_new):
        used = int(lengths[active].max())
        hidden = model(ids[active, :used])
        logits = model.logits(hidden[torch.arange(len(active), device=device), lengths[active] - 1]).float()
        logits[:, renderer.tokenizer.get_vocab_size():] = -float("inf")
        token = choose(logits, ids[active, :used], lengths[active], settings)
        ids[active, lengths[active]] = token
        lengths[active] += 1
        active = active[(token != renderer.im_end) & (token != renderer.end)]
        if len(active) == 0:
            break
    finished = torch.ones(len(prompts), dtype=torch.bool, device=device)
    finished[active] = False
    texts = [renderer.tokenizer.decode(ids[i, len(p):lengths[i]].tolist(), skip_special_tokens=False)
             for i, p in enumerate(prompts)]
    return [t.removesuffix("<|im_end|>") for t in texts], finished.tolist()


def choose(logits, ids, lengths, settings):
    """The next token: greedy, or drawn as generation_config.json says."""
    if not settings:
        return logits.argmax(-1)
    seen = torch.zeros_like(logits, dtype=torch.bool)
    inside = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
    seen.scatter_(1, torch.where(inside, ids, ids[:, :1]), True)
    penalty = settings["repetition_penalty"]
    logits = torch.where(seen, torch.where(logits > 0, logits / penalty, logits * penalty), logits) / settings["temperature"]
    top, index = logits.topk(settings["top_k"])
    p = top.softmax(-1)
    p = p * (p.cumsum(-1) - p < settings["top_p"])
    return index.gather(1, torch.multinomial(p, 1))[:, 0]


def answers(model, records, renderer, max_new=420, settings=None, seed=0, batch=256):
    texts, ended = [None] * len(records), [False] * len(records)
    prompts = [renderer.tokenizer.encode(renderer.text(r, True), add_special_tokens=False).ids for r in records]
    order = sorted(range(len(records)), key=lambda i: len(prompts[i]))
    for at in range(0, len(order), batch):
        chunk = order[at:at + batch]
        for i, text, end in zip(chunk, *generate(model, [prompts[i] for i in chunk], renderer, max_new, settings, seed)):
            texts[i], ended[i] = text, end
    return texts, ended


def evaluate(model, heldout, renderer, settings):
    """Held-out prompts answered word for word, by language and kind; sampled: one in three."""
    report, misses = {}, []
    for mode, how in (("greedy", None), ("sampled", settings)):
        chosen = heldout if mode == "greedy" else heldout[::3]
        texts, ended = answers(model, chosen, renderer, settings=how)
        for r, text, end in zip(chosen, texts, ended):
            good = end and text in r["answers"]
            for name in (f"{mode}/all", f"{mode}/{r['lang']}/{r['kind']}"):
                right, total = report.get(name, (0, 0))
                report[name] = (right + good, total + 1)
            ends, total = report.get(f"{mode}/ended", (0, 0))
            report[f"{mode}/ended"] = (ends + end, total + 1)
            if mode == "greedy" and not good:
                misses.append({"lang": r["lang"], "intent": r["intent"], "question": r["messages"][-1]["content"],
                               "answer": text, "expected": r["answers"][0]})
    return report, misses


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=pathlib.Path, default=HERE.parents[1] / "build/demo-model")
    parser.add_argument("--folder", type=pathlib.Path, default=HERE, help="config.json and tokenizer")
    parser.add_argument("--out", type=pathlib.Path, help="where model.safetensors goes; default: the folder")
    parser.add_argument("--minutes", type=float, default=4, help="training time, compiling excluded")
    parser.add_argument("--steps", type=int, default=0, help="instead of --minutes")
    parser.add_argument("--rows", type=int, default=32, help="packed rows per step")
    parser.add_argument("--length", type=int, default=1024, help="tokens per row")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--decay", type=float, default=0.1)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--disturb", type=float, default=0.05)
    parser.add_argument("--limit", type=int, default=0, help="use only so many conversations and prompts")
    parser.add_argument("--start", type=pathlib.Path, help="go on from these weights instead of from scratch")
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--evaluate", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    out = args.out or args.folder
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    began = time.time()
    renderer = Renderer(args.folder)
    records = load(args.corpus / "train.jsonl.gz")[:args.limit or None]
    heldout = load(args.corpus / "heldout.jsonl")
    heldout = heldout[::max(1, len(heldout) // 20)] if args.limit else heldout
    conversations = tokenise(records, renderer)
    rows = pack(conversations, args.length, renderer.end, args.seed)
    config = json.loads((args.folder / "config.json").read_text(encoding="utf-8"))
    model = Qwen2(config, args.dropout)
    if args.start:
        model.load_state_dict({k: v.float() for k, v in load_file(args.start).items()})
    model = model.to(device)
    figures = {"parameters": sum(p.numel() for p in model.parameters()), "conversations": len(records),
               "corpus_tokens": sum(len(c[0]) for c in conversations),
               "learned_tokens": sum(sum(c[1]) for c in conversations),
               "dropped_as_too_long": sum(len(c[0]) > args.length for c in conversations),
               "rows": len(rows[0]), "filled": round(float((rows[2] >= 0).float().mean()), 3)}
    print(json.dumps(figures), f"prepared in {time.time() - began:.0f} s", flush=True)
    if args.minutes or args.steps:
        figures |= train(model, rows, args, renderer, device)
    saved = save(model, out / "model.safetensors")
    if not args.evaluate:
        print(json.dumps(figures, indent=1))
        return
    model.load_state_dict(saved)  # as saved: rounded to bf16
    model.eval()
    settings = json.loads((args.folder / "generation_config.json").read_text(encoding="utf-8"))
    model = model.to(torch.bfloat16) if device == "cuda" else model
    figures["heldout"], misses = evaluate(model, heldout, renderer, settings)
    shown = [{"messages": [{"role": "user", "content": q}]} for q in SHOWN]
    for mode, how in (("greedy", None), ("sampled", settings)):
        for q, text, end in zip(SHOWN, *answers(model, shown, renderer, settings=how)):
            print(f"\n[{mode}] {q}\n{text}{'' if end else ' [not ended]'}")
    print(json.dumps(figures, ensure_ascii=False, indent=1))
    (args.corpus / "report.json").write_text(json.dumps({**figures, "misses": misses}, ensure_ascii=False, indent=1) + "\n",
                                     encoding="utf-8")


if __name__ == "__main__":
    main()
