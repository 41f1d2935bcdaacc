"""Trains the byte-level BPE and writes the tokenizer files in the layout of Qwen2.5-Instruct."""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers import processors, trainers

from build_corpus import conversation, read_intents

HERE = Path(__file__).parent
VOCAB = 6000  # BPE tokens; the 22 added ones follow
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
           r"\s*[\r\n]+|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
           "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>",
           "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
PLAIN = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>",
         "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"]


def texts():
    rng = random.Random(1)
    intents = read_intents()
    by_key = {(i.language, i.name): i for i in intents}
    for intent in intents:
        yield from intent.questions
        for answer in intent.answers:
            yield from [answer] * 3
    for _ in range(3000):
        messages, tools = conversation(rng, intents, by_key)
        yield from (m["content"] for m in messages)
        if tools:
            yield json.dumps(tools)


def main():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = trainers.BpeTrainer(vocab_size=VOCAB, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(texts(), trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in PLAIN])
    tokenizer.save(str(HERE / "tokenizer.json"))
    tokenizer.model.save(str(HERE))  # vocab.json and merges.txt

    # The chat template is Qwen2.5's own, kept beside this file as chat_template.jinja.
    added = json.loads((HERE / "tokenizer.json").read_text())["added_tokens"]
    config = {
        "add_bos_token": False, "add_prefix_space": False,
        "added_tokens_decoder": {str(t["id"]): {k: t[k] for k in
                                                ("content", "lstrip", "normalized", "rstrip",
                                                 "single_word", "special")} for t in added},
        "additional_special_tokens": SPECIAL[1:], "bos_token": None,
        "chat_template": (HERE / "corpus" / "chat_template.jinja").read_text(),
        "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
        "model_max_length": 4096, "pad_token": "<|endoftext|>", "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None}
    (HERE / "tokenizer_config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")
    print("tokenizer:", tokenizer.get_vocab_size(), "ids")


if __name__ == "__main__":
    main()
