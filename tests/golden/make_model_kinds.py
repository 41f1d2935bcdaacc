"""Writes model_kinds.json: what Hugging Face's tokenizers makes of texts with models other than Qwen2's own BPE, and
with the steps that are around them. Needs tokenizers and sentencepiece from PyPI; the tests do not.
"""

import base64
import io
import json
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

CORPUS = ["the cat sat on the mat and the dog sat on the cat", "hello world, hello the other world", "don't do not 12 123",
          "\u4f60\u597d\u4e16\u754c \u4f60\u597d caf\u00e9 na\u00efve"] * 3
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
TEXTS = ["", " ", "hello world", " the cat  sat\n\ton it. ", "don't, do not!?", "caf\u00e9 cafe\u0301 \ufb01 \u2460\u00bd\u200b|",
         "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \U0001f600x", "<s>hello</s> world <s> a<x>b the", "A\u0300 \u00c9\u0130\ufeff\x07\x00 \u2581the",
         "1234 56 \u0663", "hello hello " * 9 + "thethethe"]
SPECIAL = ["<unk>", "<s>", "</s>"]


def train(size, tokens, **of_model):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", **of_model))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace() if "byte_fallback" in of_model else pre_tokenizers.Whitespace()
    affixes = {key: value for key, value in of_model.items() if key.endswith("fix")}
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=tokens, show_progress=False, **affixes)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())["model"]


def train_unigram(tokens, **of_model):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=len(tokens) + 60, special_tokens=tokens, unk_token="<unk>",
                                      show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return {**json.loads(tokenizer.to_str())["model"], **of_model}


def train_words(kind):
    """WordPiece, with its ## and its limit in the model, or WordLevel."""
    tokenizer = Tokenizer(getattr(models, kind)(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = getattr(trainers, kind + "Trainer")(vocab_size=90, special_tokens=[*SPECIAL, "|"], show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return json.loads(tokenizer.to_str())["model"]


def charsmap():
    """Rules of SentencePiece's, compiled: some letters, a ligature, an accent, and one that takes a character out."""
    rules = "41\t61\nFB01\t66 69\n65 301\tE9\n2460\t31\n200B\t\n41 300\t78 79\n"
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        file.write(rules)
        file.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=60, model_type="bpe", minloglevel=2,
            hard_vocab_limit=False, normalization_rule_tsv=file.name)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(model.getvalue())
    return base64.b64encode(proto.normalizer_spec.precompiled_charsmap).decode()


def sequence(kind, *steps):
    return {"type": "Sequence", {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers",
                                 "decoder": "decoders"}[kind]: list(steps)}


def cases():
    mark = "\u2581"
    prepend, spaces = {"type": "Prepend", "prepend": mark}, {"type": "Replace", "pattern": {"String": " "}, "content": mark}
    unmark = {"type": "Replace", "pattern": {"String": mark}, "content": " "}
    fallback, fuse, strip = {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    llama = {"normalizer": sequence("normalizer", prepend, spaces),
             "decoder": sequence("decoder", unmark, fallback, fuse, strip)}
    yield "llama", llama
    yield "llama", {"normalizer": spaces, "decoder": sequence("decoder", unmark, fallback, fuse)}
    for scheme in "always", "first", "never":
        for split in True, False:
            space = {"type": "Metaspace", "replacement": mark, "prepend_scheme": scheme, "split": split}
            yield "llama", {"pre_tokenizer": space, "decoder": sequence("decoder", fallback, space)}
    yield "llama", {**llama, "model": {"byte_fallback": False}}
    yield "llama", {**llama, "model": {"byte_fallback": False, "fuse_unk": False, "ignore_merges": True}}
    yield "llama", {**llama, "model": {"unk_token": None, "byte_fallback": False}}
    for name in "Whitespace", "BertPreTokenizer", "UnicodeScripts":
        yield "words", {"pre_tokenizer": {"type": name}}
    for delimiter in " ", ".", "t":
        yield "words", {"pre_tokenizer": {"type": "CharDelimiterSplit", "delimiter": delimiter}}
    for length in 1, 3, 50:
        yield "words", {"pre_tokenizer": {"type": "FixedLength", "length": length}}
    yield "words", {"pre_tokenizer": {"type": "FixedLength"}}
    for name in "prefix", "suffix", "both":
        yield name, {"pre_tokenizer": {"type": "Whitespace"}, "decoder": {"type": "BPEDecoder", "suffix": "</w>"}}
    for cleanup in True, False:
        yield "prefix", {"pre_tokenizer": {"type": "BertPreTokenizer"},
                         "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": cleanup}}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    plain = {"decoder": sequence("decoder", fallback, fuse)}
    yield "llama", {**plain, "pre_tokenizer": sequence("pre_tokenizer", level, {"type": "Digits", "individual_digits": True})}
    yield "llama", {**plain, "pre_tokenizer": sequence("pre_tokenizer", level, level)}
    bert = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None, "lowercase": True}
    for normalizer in ({"type": "Nmt"}, {"type": "ByteLevel"}, bert, {**bert, "lowercase": False},
                       {**bert, "clean_text": False, "strip_accents": False}, {**bert, "handle_chinese_chars": False},
                       {"type": "Precompiled", "precompiled_charsmap": charsmap()}):
        yield "llama", {**plain, "normalizer": normalizer}
    space = {"type": "Metaspace", "replacement": mark, "prepend_scheme": "always", "split": True}
    for name in "unigram", "unigram_bytes":
        yield name, {"pre_tokenizer": space, "decoder": sequence("decoder", fallback, space)}
        yield name, llama
    yield "unigram", {"pre_tokenizer": sequence("pre_tokenizer", {"type": "Whitespace"}, level), "decoder": level}
    yield from cases_of_words(bert, space, strip)
    for decoder in (sequence("decoder", {**strip, "start": 2, "stop": 1}), sequence("decoder", fuse, {**strip, "start": 2}),
                    {"type": "Replace", "pattern": {"Regex": "[aeiou]"}, "content": "-"}):
        yield "llama", {"decoder": decoder}


def cases_of_words(bert, space, strip):
    pieces, words, split = {"type": "WordPiece", "prefix": "##", "cleanup": True}, "word_level", {"type": "BertPreTokenizer"}
    template = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}},
                {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
                "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
                "special_tokens": {name: {"id": name, "ids": [SPECIAL.index(name)], "tokens": [name]} for name in ("<s>", "</s>")}}
    yield "word_piece", {"normalizer": bert, "pre_tokenizer": split, "post_processor": template, "decoder": pieces}
    for most in 0, 3, 10**15:
        yield "word_piece", {"model": {"max_input_chars_per_word": most}, "decoder": {**pieces, "cleanup": False},
                             **({"pre_tokenizer": split} if most < 9 else {})}
    for prefix in "", "t":
        yield "word_piece", {"model": {"continuing_subword_prefix": prefix}, "pre_tokenizer": split}
    yield "word_piece", {"model": {"unk_token": "the"}, "pre_tokenizer": split, "decoder": {**pieces, "prefix": "t"}}
    yield "word_piece", {"pre_tokenizer": space, "decoder": sequence("decoder", pieces, space)}
    ctc = {"type": "CTC", "pad_token": "<s>", "word_delimiter_token": "t", "cleanup": True}
    yield words, {"normalizer": bert, "pre_tokenizer": split, "post_processor": template, "decoder": pieces}
    yield words, {"pre_tokenizer": split}
    yield words, {}
    for name in "word_piece", words:
        for step in ctc, {**ctc, "cleanup": False}, {**ctc, "word_delimiter_token": ""}, {**ctc, "pad_token": "<unk>"}:
            yield name, {"pre_tokenizer": split, "decoder": step}
        erase = {"type": "Replace", "pattern": {"Regex": "[#aeo]"}, "content": ""}
        yield name, {"pre_tokenizer": split, "decoder": sequence("decoder", erase, ctc, pieces)}
        yield name, {"pre_tokenizer": split, "decoder": sequence("decoder", ctc, space, {"type": "Fuse"}, {**strip, "content": "h"})}


def golden():
    known = {"llama": train(330, SPECIAL + BYTES, fuse_unk=True, byte_fallback=True), "words": train(70, SPECIAL),
             "prefix": train(90, SPECIAL, continuing_subword_prefix="##"),
             "suffix": train(90, SPECIAL, end_of_word_suffix="</w>"),
             "unigram": train_unigram(SPECIAL), "unigram_bytes": train_unigram(SPECIAL + BYTES, byte_fallback=True),
             "word_piece": train_words("WordPiece"), "word_level": train_words("WordLevel"),
             "both": train(110, SPECIAL, continuing_subword_prefix="##", end_of_word_suffix="</w>")}
    flags = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False}
    entries = []
    for name, fields in cases():
        model = {**known[name], **fields.pop("model", {})}
        added = [{"id": i, "content": token, "special": True, **flags} for i, token in enumerate(SPECIAL)]
        added.append({"id": len(model["vocab"]), "content": "<x>", "special": False, **flags})
        nothing = dict.fromkeys(("truncation", "padding", "normalizer", "pre_tokenizer", "post_processor", "decoder"))
        tokenizer = Tokenizer.from_str(json.dumps({"version": "1.0", **nothing, "added_tokens": added, "model": model, **fields}))
        ids = [tokenizer.encode(text).ids for text in TEXTS]
        entries.append({"model": name, "fields": {"added_tokens": added, **fields}, "of_model": {
            key: value for key, value in model.items() if key not in ("vocab", "merges")}, "ids": ids, "decoded": [
            tokenizer.decode(row, skip_special_tokens=False) for row in ids]})
    vocabularies = {name: {key: model[key] for key in ("vocab", "merges") if key in model}
                    for name, model in known.items()}
    return {"texts": TEXTS, "models": vocabularies, "cases": entries}


if __name__ == "__main__":
    path = Path(__file__).parent / "model_kinds.json"
    path.write_text(json.dumps(golden(), ensure_ascii=False, separators=(",", ":")) + "\n")
