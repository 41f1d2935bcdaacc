#!/usr/bin/env python3
"""Trains the tokenizer and writes every file of the checkpoint folder but the weights.

    train_tokenizer.py [--corpus build/demo-model] [--template TEMPLATE.jinja] [--out tests/demo-model]

The result has the structure of Qwen2.5's: NFC, the published pre-tokenizer regex, byte-level BPE,
and the same 22 added tokens, in the same order, right after the BPE tokens.
"""
import argparse
import gzip
import json
import pathlib

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
N_BPE = 6058  # with the 22 added tokens 6,080; the embedding has 6,144 rows
VOCAB_SIZE = 6144

PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
           r"|\s+(?!\S)|\s+")
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>",
           "<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>", "<|vision_start|>", "<|vision_end|>",
           "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
NOT_SPECIAL = ["<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>",
               "<|repo_name|>", "<|file_sep|>"]


def texts(corpus):
    """Every different message once, answers four times: questions come in many noisy variants."""
    seen = set()
    with gzip.open(corpus / "train.jsonl.gz", "rt", encoding="utf-8") as f:
        for line in f:
            record = json.loads(line)
            pieces = [(json.dumps(tool, ensure_ascii=False), 1) for tool in record.get("tools", [])[:1]]
            pieces += [(m["content"], 4 if m["role"] == "assistant" else 1) for m in record.get("messages", [])]
            for text, weight in pieces:
                if text and text not in seen:
                    seen.add(text)
                    yield from [text] * weight


def train(corpus):
    tokenizer = Tokenizer(models.BPE(byte_fallback=False, fuse_unk=False))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), behavior="isolated", invert=False),
        pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.train_from_iterator(texts(corpus), trainers.BpeTrainer(
        vocab_size=N_BPE, min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=12, show_progress=False))
    if tokenizer.get_vocab_size() != N_BPE:
        raise SystemExit(f"expected {N_BPE} BPE tokens, got {tokenizer.get_vocab_size()}: the corpus is too small")
    for token in SPECIAL:
        tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True)])
    for token in NOT_SPECIAL:
        tokenizer.add_tokens([AddedToken(token, normalized=False, special=False)])
    return tokenizer


def write_json(path, value, indent=2):
    path.write_text(json.dumps(value, indent=indent, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tokenizer(tokenizer, template, out):
    saved = json.loads(tokenizer.to_str())
    saved["decoder"] = saved["post_processor"]  # the library drops these settings when it saves
    saved["model"]["continuing_subword_prefix"] = saved["model"]["end_of_word_suffix"] = ""
    write_json(out / "tokenizer.json", saved)
    tokenizer.model.save(str(out))  # vocab.json and merges.txt
    ids = {t: tokenizer.token_to_id(t) for t in SPECIAL + NOT_SPECIAL}
    decoder = {str(ids[t]): {"content": t, "lstrip": False, "normalized": False, "rstrip": False,
                             "single_word": False, "special": t in SPECIAL} for t in ids}
    write_json(out / "tokenizer_config.json", {
        "add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": decoder,
        "additional_special_tokens": SPECIAL[1:], "bos_token": None, "chat_template": template,
        "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
        "model_max_length": 4096, "pad_token": "<|endoftext|>", "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None})
    return ids


def write_configs(ids, out):
    end, im_end = ids["<|endoftext|>"], ids["<|im_end|>"]
    write_json(out / "config.json", {
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": end, "eos_token_id": im_end,
        "hidden_act": "silu", "hidden_size": 256, "initializer_range": 0.02, "intermediate_size": 896,
        "max_position_embeddings": 4096, "max_window_layers": 7, "model_type": "qwen2", "num_attention_heads": 4,
        "num_hidden_layers": 7, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0,
        "sliding_window": 4096, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
        "transformers_version": "4.43.1", "use_cache": True, "use_sliding_window": False, "vocab_size": VOCAB_SIZE})
    write_json(out / "generation_config.json", {
        "bos_token_id": end, "pad_token_id": end, "do_sample": True, "eos_token_id": [im_end, end],
        "repetition_penalty": 1.05, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "transformers_version": "4.37.0"})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=pathlib.Path, default=HERE.parents[1] / "build/demo-model")
    parser.add_argument("--template", type=pathlib.Path,
                        help="the chat template; default: the one already in tokenizer_config.json")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    args = parser.parse_args()
    template = (args.template.read_text(encoding="utf-8") if args.template else
                json.loads((HERE / "tokenizer_config.json").read_text(encoding="utf-8"))["chat_template"])
    tokenizer = train(args.corpus)
    ids = write_tokenizer(tokenizer, template, args.out)
    write_configs(ids, args.out)
    print(f"{tokenizer.get_vocab_size()} tokens, <|endoftext|> is {ids['<|endoftext|>']}, in {args.out}")


if __name__ == "__main__":
    main()
