"""Writes sentencepiece.json: small models of SentencePiece's, and what transformers makes of texts with them in a folder
beside a tokenizer_config.json. Needs transformers 5, sentencepiece and protobuf from PyPI; the tests do not.

The folder's config.json has no model_type: for that of Qwen2 AutoTokenizer takes Qwen2's own class, whatever is named.
"""

import io
import json
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import AutoTokenizer

CORPUS = ["the cat sat on the mat and the dog sat on the cat", "hello world, hello the other world", "don't do not 12 123",
          "\u4f60\u597d\u4e16\u754c \u4f60\u597d caf\u00e9 na\u00efve", "a  b   c"] * 20
TEXTS = ["", " ", "hello world", " the cat  sat\n\ton it. ", "don't, do not!?", "caf\u00e9 cafe\u0301 \ufb01 \u2460\u00bd\u200b|A",
         "\u4f60\u597d\uff0c\u4e16\u754c\u3002 \U0001f600x", "<s>hello</s> world <s> a<x>b the", "\u2581the \u2581\u2581 cat",
         "<|im_start|>the==cat<|im_end|> ===x", "1234 <0x41>56 \u0663\x00", "<a> <b>the</b> <unk> <pad>", "hello hello " * 9 + "thethethe"]
RULES = "41\t61\nFB01\t66 69\n65 301\tE9\n2460\t31\n200B\t\n3000\t20\n9\t20\n"
USER = ["<|im_start|>", "==", "the"]


def train(**settings):
    """A model as JSON, with the fields that count; of a file without any other."""
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as rules:
        rules.write(RULES)
        rules.flush()
        if settings.pop("has_rules", False):
            settings["normalization_rule_tsv"] = rules.name
        else:
            settings["normalization_rule_name"] = "identity"
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=out, minloglevel=2,
                                                 hard_vocab_limit=False, num_threads=1, **settings)
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(out.getvalue())
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    return {"pieces": [[piece.piece, piece.score, piece.type] for piece in proto.pieces],
            "trainer": {"3": trainer.model_type, "35": int(trainer.byte_fallback), "40": trainer.unk_id, "41": trainer.bos_id,
                        "42": trainer.eos_id, "45": trainer.unk_piece, "46": trainer.bos_piece, "47": trainer.eos_piece},
            "normalizer": {"3": int(normalizer.add_dummy_prefix), "4": int(normalizer.remove_extra_whitespaces),
                           "5": int(normalizer.escape_whitespaces)},
            "charsmap": normalizer.precompiled_charsmap.hex()}


def models():
    bpe, unigram = {"model_type": "bpe"}, {"model_type": "unigram"}
    llama = {**bpe, "vocab_size": 340, "byte_fallback": True, "remove_extra_whitespaces": False}
    yield "llama", train(**llama, control_symbols=["<pad>"], split_digits=True)
    yield "user", train(**llama, user_defined_symbols=USER, allow_whitespace_only_pieces=True)
    yield "rules", train(**bpe, vocab_size=90, has_rules=True, eos_piece="<end>", unk_piece="<none>")
    yield "bare", train(**bpe, vocab_size=90, add_dummy_prefix=False, user_defined_symbols=USER, bos_id=-1)
    yield "unescaped", {**(plain := train(**bpe, vocab_size=90)), "normalizer": {**plain["normalizer"], "5": 0}}
    yield "unigram", train(**unigram, vocab_size=70, has_rules=True, user_defined_symbols=USER)
    yield "unigram_bytes", train(**unigram, vocab_size=330, byte_fallback=True, remove_extra_whitespaces=False)


def added(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "single_word": False, "normalized": True,
            "special": False, **flags}


def cases():
    llama, own = {"tokenizer_class": "LlamaTokenizer"}, {"tokenizer_class": "PreTrainedTokenizerFast"}
    around = {"add_bos_token": True, "add_eos_token": True}
    for name in "llama", "user", "rules", "bare", "unescaped", "unigram", "unigram_bytes":
        yield name, None, {}
        # Where spaces are taken out at the beginning, what is first for tokenizers is not so for SentencePiece.
        has_first = name in ("llama", "user", "bare", "unigram_bytes")
        yield name, {**own, **around, **({"legacy": None} if has_first else {})}, {}
    for name in "llama", "user", "rules", "bare":
        for legacy in True, False:
            yield name, {**llama, "legacy": legacy}, {}
    yield "llama", {**llama, **around, "add_prefix_space": False, "bos_token": "<a>"}, {}
    yield "user", {**llama, "tokenizer_class": "LlamaTokenizerFast", "eos_token": None, "add_eos_token": True}, {}
    last = {"content": "<b>", "lstrip": True, "rstrip": True, "normalized": False, "single_word": False}
    decoder = {"1": added("<s>", special=True), "3": added("<x>", special=True), "9000": added("<b>"),
               "8000": added("</b>", special=True)}
    for kind in llama, own:
        for name in "llama", "user", "rules":
            yield name, {**kind, "added_tokens_decoder": decoder, "pad_token": "<b>"}, {}
        yield "llama", {**kind, "extra_special_tokens": ["<x>", "the"]}, {}
        yield "user", {**kind, "additional_special_tokens": [], "image_token": "<a>", "sep_token": {"__type": "AddedToken", **last}}, {}
        yield "user", kind, {"added_tokens.json": {"<a>": 340, "<x>": 341}, "special_tokens_map.json": {"bos_token": "<x>", "pad_token": last}}
    yield "unigram", {**own, "added_tokens_decoder": decoder}, {}
    yield "llama", {**own, "split_special_tokens": True}, {}


def write_model(model, path):
    proto = sentencepiece_model_pb2.ModelProto()
    for text, score, kind in model["pieces"]:
        proto.pieces.add(piece=text, score=score, type=kind)
    for fields, message in (model["trainer"], proto.trainer_spec), (model["normalizer"], proto.normalizer_spec):
        for number, value in fields.items():
            setattr(message, message.DESCRIPTOR.fields_by_number[int(number)].name, value)
    proto.normalizer_spec.precompiled_charsmap = bytes.fromhex(model["charsmap"])
    path.write_bytes(proto.SerializeToString())


def golden():
    known, out = dict(models()), []
    for name, config, files in cases():
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            write_model(known[name], folder / "tokenizer.model")
            (folder / "config.json").write_text(json.dumps({"architectures": ["Qwen2ForCausalLM"]}))
            for file, value in {**files, **({"tokenizer_config.json": config} if config is not None else {})}.items():
                (folder / file).write_text(json.dumps(value))
            tokenizer = AutoTokenizer.from_pretrained(folder)
            ids = [tokenizer.encode(text) for text in TEXTS]
            out.append({"model": name, "config": config, "files": files, "size": len(tokenizer), "ids": ids,
                        "decoded": [tokenizer.decode(row) for row in ids],
                        "skipped": [tokenizer.decode(row, skip_special_tokens=True) for row in ids]})
    return {"texts": TEXTS, "models": known, "cases": out}


if __name__ == "__main__":
    path = Path(__file__).parent / "sentencepiece.json"
    path.write_text(json.dumps(golden(), ensure_ascii=False, separators=(",", ":")) + "\n")
