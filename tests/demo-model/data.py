"""From conversations to packed training rows: template, tokens, loss mask."""
import gzip
import json
import random

import jinja2
import torch
from tokenizers import Tokenizer


class Renderer:
    """The chat template and the tokenizer of a checkpoint folder."""

    def __init__(self, folder):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
        environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
        template = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"]
        self.template = environment.from_string(template)
        self.im_start = self.tokenizer.token_to_id("<|im_start|>")
        self.im_end = self.tokenizer.token_to_id("<|im_end|>")
        self.end = self.tokenizer.token_to_id("<|endoftext|>")
        self.opening = [self.im_start] + self.tokenizer.encode("assistant\n").ids

    def text(self, record, add_generation_prompt=False):
        if "text" in record:
            return record["text"] + "<|endoftext|>"
        return self.template.render(messages=record["messages"], tools=record.get("tools"),
                                    add_generation_prompt=add_generation_prompt)

    def learn(self, ids, plain):
        """True for the tokens to be predicted: what the assistant says, its end included."""
        if plain:
            return [True] * len(ids)
        mask, inside, n = [False] * len(ids), False, len(self.opening)
        for i, token in enumerate(ids):
            mask[i] = inside
            if token == self.im_end:
                inside = False
            elif ids[max(0, i - n + 1):i + 1] == self.opening:
                inside = True
        return mask


def load(path):
    opened = gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else open(path, encoding="utf-8")
    with opened as f:
        return [json.loads(line) for line in f]


def tokenise(records, renderer):
    """A list of (ids, learn) for every conversation."""
    texts = [renderer.text(r) for r in records]
    encoded = renderer.tokenizer.encode_batch(texts, add_special_tokens=False)
    return [(e.ids, renderer.learn(e.ids, "text" in r)) for e, r in zip(encoded, records)]


def pack(conversations, length, end, seed):
    """Fills rows of `length` tokens with whole conversations.

    Returns ids, targets (-100 where nothing is learned) and the number of the conversation each
    token belongs to, all (rows, length). Attention never crosses from one conversation to another.
    """
    order = sorted(conversations, key=lambda c: len(c[0]), reverse=True)
    random.Random(seed).shuffle(order)
    rows, open_rows = [], []  # first fit over the last few rows
    for ids, learn in order:
        if len(ids) > length:
            continue
        for row in open_rows:
            if sum(len(c[0]) for c in row) + len(ids) <= length:
                row.append((ids, learn))
                break
        else:
            row = [(ids, learn)]
            rows.append(row)
            open_rows = (open_rows + [row])[-24:]
    all_ids = torch.full((len(rows), length), end, dtype=torch.int16)
    targets = torch.full((len(rows), length), -100, dtype=torch.int16)
    owner = torch.full((len(rows), length), -1, dtype=torch.int16)
    for r, row in enumerate(rows):
        at = 0
        for n, (ids, learn) in enumerate(row):
            k = len(ids)
            all_ids[r, at:at + k] = torch.tensor(ids, dtype=torch.int16)
            owner[r, at:at + k] = n
            target = torch.tensor([t if m else -100 for t, m in zip(ids, learn)], dtype=torch.int16)
            targets[r, at:at + k - 1] = target[1:]
            at += k
    return all_ids, targets, owner
