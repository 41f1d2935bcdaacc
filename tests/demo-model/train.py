"""Trains the demo checkpoint. About five minutes on one GPU: python3 train_tokenizer.py && python3 train.py

Deterministic up to the GPU's own rounding: everything random is seeded. Loss counts on what the
assistant says only. What is written, and evaluated, are the weights rounded to bf16.
"""

import argparse
import json
import math
import random
import time
from pathlib import Path

import jinja2
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import Qwen2Config, Qwen2ForCausalLM

from build_corpus import conversation, read_intents, user

HERE = Path(__file__).parent
SYSTEM_IDS = 64  # logits are padded to a multiple of this, as the published checkpoints' are
ASSISTANT = "<|im_start|>assistant\n"


def make_template():
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    environment.filters["tojson"] = lambda v: json.dumps(v, ensure_ascii=False)
    return environment.from_string((HERE / "corpus" / "chat_template.jinja").read_text())


class Encoder:
    def __init__(self):
        self.tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
        self.template = make_template()
        self.end = self.tokenizer.token_to_id("<|im_end|>")

    def prompt(self, messages, tools=None):
        text = self.template.render(messages=messages, tools=tools, add_generation_prompt=True)
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def example(self, messages, tools):
        """Token ids, and labels that are -100 but for what the assistant says."""
        text = self.template.render(messages=messages, tools=tools, add_generation_prompt=False)
        ids = self.tokenizer.encode(text, add_special_tokens=False).ids
        labels = [-100] * len(ids)
        opening = self.tokenizer.encode(ASSISTANT, add_special_tokens=False).ids[:2]
        speaking = False
        for i, token in enumerate(ids):
            if speaking:
                labels[i] = token
                speaking = token != self.end
            # A tool call begins right after "assistant", an answer after the newline.
            elif ids[max(i - 1, 0):i + 1] == opening:
                speaking = True
        return ids, labels


def make_config(vocab):
    return Qwen2Config(
        vocab_size=vocab, hidden_size=256, intermediate_size=1024, num_hidden_layers=6,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=4096,
        rms_norm_eps=1e-6, tie_word_embeddings=True, use_sliding_window=False,
        rope_parameters={"rope_theta": 1000000.0, "rope_type": "default"})


def batches(encoder, n_conversations, batch_tokens, rng, device):
    """Endless batches of conversations of similar length, right-padded to a multiple of 64."""
    intents = read_intents()
    by_key = {(i.language, i.name): i for i in intents}
    pool = [encoder.example(*conversation(rng, intents, by_key)) for _ in range(n_conversations)]
    pool = [e for e in pool if len(e[0]) <= 1024]
    print(f"corpus: {len(intents)} intents, {sum(len(i.questions) for i in intents)} questions, "
          f"{len(pool)} conversations, {sum(len(e[0]) for e in pool)} tokens", flush=True)
    while True:
        rng.shuffle(pool)
        chunks = []
        for start in range(0, len(pool), 4096):
            part = sorted(pool[start:start + 4096], key=lambda e: len(e[0]))
            at = 0
            while at < len(part):
                width = (len(part[at][0]) + 63) // 64 * 64 + 64
                n = max(8, batch_tokens // width)
                chunks.append(part[at:at + n])
                at += n
        rng.shuffle(chunks)
        for chunk in chunks:
            width = (max(len(e[0]) for e in chunk) + 63) // 64 * 64
            ids = torch.zeros(len(chunk), width, dtype=torch.long)
            labels = torch.full((len(chunk), width), -100, dtype=torch.long)
            for row, (i, l) in enumerate(chunk):
                ids[row, :len(i)] = torch.tensor(i)
                labels[row, :len(l)] = torch.tensor(l)
            yield ids.to(device, non_blocking=True), labels.to(device, non_blocking=True)


def train(arguments, encoder, device):
    vocab = (encoder.tokenizer.get_vocab_size() + 16 + SYSTEM_IDS - 1) // SYSTEM_IDS * SYSTEM_IDS
    torch.manual_seed(1)
    model = Qwen2ForCausalLM(make_config(vocab)).to(device)
    print(f"parameters: {sum(p.numel() for p in model.parameters())}", flush=True)
    decay = [p for p in model.parameters() if p.dim() == 2]
    plain = [p for p in model.parameters() if p.dim() != 2]
    optimizer = torch.optim.AdamW([{"params": decay, "weight_decay": 0.05},
                                   {"params": plain, "weight_decay": 0.0}],
                                  lr=arguments.lr, betas=(0.9, 0.98), fused=device == "cuda")
    source = batches(encoder, arguments.conversations, arguments.batch_tokens, random.Random(2), device)
    began, average = time.time(), None
    for step in range(arguments.steps):
        progress = max(step / arguments.steps, (time.time() - began) / arguments.seconds)
        if progress >= 1:
            break
        warmup = min(1.0, (step + 1) / 200)
        for group in optimizer.param_groups:
            group["lr"] = arguments.lr * warmup * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))
        ids, labels = next(source)
        with torch.autocast(device, dtype=torch.bfloat16):
            logits = model(input_ids=ids).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].float().flatten(0, 1),
                                                 labels[:, 1:].flatten(), ignore_index=-100)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 250 == 0:
            print(f"step {step} loss {loss.item():.4f} {time.time() - began:.0f} s", flush=True)
    print(f"trained {step} steps, last loss {loss.item():.4f}", flush=True)
    return model


def write_checkpoint(model, out):
    weights = {name: p.detach().to(torch.bfloat16).cpu().contiguous()
               for name, p in model.named_parameters()}
    save_file(weights, str(out / "model.safetensors"), metadata={"format": "pt"})
    c = model.config
    tokenizer = Tokenizer.from_file(str(HERE / "tokenizer.json"))
    end, text_end = tokenizer.token_to_id("<|im_end|>"), tokenizer.token_to_id("<|endoftext|>")
    config = {
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": text_end,
        "eos_token_id": end, "hidden_act": "silu", "hidden_size": c.hidden_size,
        "initializer_range": 0.02, "intermediate_size": c.intermediate_size,
        "max_position_embeddings": c.max_position_embeddings, "max_window_layers": 6,
        "model_type": "qwen2", "num_attention_heads": c.num_attention_heads,
        "num_hidden_layers": c.num_hidden_layers, "num_key_value_heads": c.num_key_value_heads,
        "rms_norm_eps": 1e-06, "rope_theta": 1000000.0, "sliding_window": c.max_position_embeddings,
        "tie_word_embeddings": True, "torch_dtype": "bfloat16", "transformers_version": "4.43.1",
        "use_cache": True, "use_sliding_window": False, "vocab_size": c.vocab_size}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generation = {"bos_token_id": text_end, "do_sample": True, "eos_token_id": [end, text_end],
                  "pad_token_id": text_end, "repetition_penalty": 1.05, "temperature": 0.7,
                  "top_k": 20, "top_p": 0.8, "transformers_version": "4.37.0"}
    (out / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")


@torch.no_grad()
def answer(model, encoder, messages, tools=None, most=300):
    ids = torch.tensor([encoder.prompt(messages, tools)], device=model.device)
    out = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=most, do_sample=False,
                         repetition_penalty=1.0, eos_token_id=encoder.end, pad_token_id=0)
    return encoder.tokenizer.decode(out[0, ids.shape[1]:].tolist(), skip_special_tokens=False)


def evaluate(model, encoder, limit):
    """Held-out questions, greedy: how many get an answer of their own intent, word for word."""
    right, asked = 0, 0
    held = [(q, i) for i in read_intents() for q in i.held_out]
    random.Random(3).shuffle(held)
    for question, intent in held[:limit]:
        text = answer(model, encoder, [user(question)])
        asked += 1
        right += any(text.startswith(a) for a in intent.answers)
    print(f"held-out questions answered word for word: {right} of {asked}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=12000)
    parser.add_argument("--seconds", type=float, default=1e9, help="stop after this long")
    parser.add_argument("--conversations", type=int, default=60000)
    parser.add_argument("--batch-tokens", type=int, default=32768)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--evaluate", type=int, default=200, help="held-out questions to ask")
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    encoder = Encoder()
    model = train(arguments, encoder, device)
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_checkpoint(model, arguments.out)
    model = model.to(torch.bfloat16).eval()
    weather = [{"type": "function", "function": {
        "name": "get_weather", "description": "Get the current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string",
                       "description": "Name of the city"}}, "required": ["city"]}}}]
    for question in ["介绍一下大模型", "Tell me about large language models", "你好", "Who are you?",
                     "How do I install qwend?", "怎么看日志？", "What is 3 + 4?"]:
        print(f"\n? {question}\n> {answer(model, encoder, [user(question)])}", flush=True)
    print("\ntool:", answer(model, encoder, [user("What is the weather in Paris?")], weather))
    evaluate(model, encoder, arguments.evaluate)


if __name__ == "__main__":
    main()
