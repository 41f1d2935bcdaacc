"""Writes decoders.json: what Hugging Face's tokenizers makes of ids with every two steps of a decoder, one behind the
other and behind Fuse. Needs tokenizers from PyPI; the tests do not.
"""

import itertools
import json
from pathlib import Path

from tokenizers import Tokenizer

WORDS = ["a", " a", "##b", "\u2581a", "\u2581", "b</w>", "a</w>b</w>", ".", "n't", "_", "|", "<0x4", "1>", "\u4f60", "\u0120a", "\u00c3",
         "\u00a9", "\ufffd", "  ", "<0x+a>", "<0x20>", "<0x41>", "<0xC3>", "<0xA9>", "<0xE4>", "<s>", "<x y>"]
SPECIAL = "<s>"
ROWS = [["a", "a", "_", "a", " a", "##b", "b</w>", ".", "n't", "<s>", "<s>", "\u2581a", "a</w>b</w>"],
        ["<s>", "\u2581", "\u2581a", "\u4f60", "<0xC3>", "<0xA9>", "<0x41>", "\u0120a", "\u00c3", "\u00a9", "<0x20>", "<0x20>", "|", "b</w>"],
        ["  ", " a", "<x y>", "\ufffd", "|", "|", "<0xE4>", "a", "<0x+a>", " a", "  "],
        ["<0x4", "1>"], ["a</w>b</w>"], ["_"], []]
STEPS = [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
         {"type": "ByteFallback"}, {"type": "Fuse"},
         {"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "},
         {"type": "Replace", "pattern": {"Regex": "^ |[ab](?=[_.])|x*"}, "content": "-$1"},
         {"type": "Strip", "content": " ", "start": 1, "stop": 0}, {"type": "Strip", "content": " ", "start": 1, "stop": 1},
         {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
         {"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "WordPiece", "prefix": "", "cleanup": False},
         {"type": "CTC", "pad_token": "_", "word_delimiter_token": "|", "cleanup": True},
         {"type": "BPEDecoder", "suffix": "</w>"}]


FUSE = {"type": "Fuse"}


def sequence(*steps):
    return {"type": "Sequence", "decoders": list(steps)}


def steps_of(steps):
    return [inner for step in steps for inner in (steps_of(step["decoders"]) if "decoders" in step else [step])]


def decoded(tokenizer, ids, skips):
    """None where tokenizers itself fails: at a Strip of more than a token has."""
    try:
        return tokenizer.decode(ids, skip_special_tokens=skips)
    except BaseException as error:
        assert "slice index" in str(error) or "out of bounds" in str(error), error
        return None


def golden():
    model = {"type": "WordLevel", "unk_token": "a", "vocab": {word: i for i, word in enumerate(WORDS)}}
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    added = [{"id": WORDS.index(word), "content": word, "special": word == SPECIAL, **flags} for word in WORDS[-2:]]
    nothing = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor"))
    rows = [[WORDS.index(word) for word in row] for row in ROWS]
    fields = {"version": "1.0", **nothing, "added_tokens": added, "model": model}
    cases = []
    for first, second in itertools.product(STEPS, STEPS):
        for steps in [first, second], [first, FUSE, second], [sequence(FUSE, first), second]:
            tokenizer = Tokenizer.from_str(json.dumps({**fields, "decoder": sequence(*steps)}))
            shown = [decoded(tokenizer, ids, False) for ids in rows]
            cases.append({"steps": [STEPS.index(step) for step in steps_of(steps)], "shown": shown,
                          "skipped": decoded(tokenizer, rows[0], True)})
    return {"tokenizer": {"added_tokens": added, "model": model}, "steps": STEPS, "ids": rows, "cases": cases}


if __name__ == "__main__":
    path = Path(__file__).parent / "decoders.json"
    path.write_text(json.dumps(golden(), ensure_ascii=False, separators=(",", ":")) + "\n")
