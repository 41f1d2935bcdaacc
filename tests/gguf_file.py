"""Writes GGUF files, and a checkpoint folder as one, with nothing but the standard library: from the format's
description, and nowhere from what reads it."""

import array
import json
import pathlib
import struct

ALIGNMENT = 32
TYPES = {"F32": (0, 1, 4), "F16": (1, 1, 2), "Q8_0": (8, 32, 34), "BF16": (30, 1, 2)}  # number, weights, bytes
NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5
LAYER = {"input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
         "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm",
         "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}
WHOLE = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(item):
    """A value with its type: of a list that of its first element."""
    if isinstance(item, bool):
        return 7, struct.pack("<?", item)
    if isinstance(item, int):
        return 4, struct.pack("<I", item)
    if isinstance(item, float):
        return 6, struct.pack("<f", item)
    if isinstance(item, str):
        return 8, string(item)
    kind = value(item[0])[0]
    return 9, struct.pack("<IQ", kind, len(item)) + b"".join(value(each)[1] for each in item)


def write(path, metadata, tensors):
    """tensors: (name, shape, type, bytes) each, the shape as everybody else has it."""
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, item in metadata.items():
        kind, data = value(item)
        head += string(key) + struct.pack("<I", kind) + data
    at = 0
    for name, shape, kind, data in tensors:
        head += string(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *reversed(shape))
        head += struct.pack("<IQ", TYPES[kind][0], at)
        at += len(data) + -len(data) % ALIGNMENT
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % ALIGNMENT))
        for *_, data in tensors:
            file.write(data + bytes(-len(data) % ALIGNMENT))


def tensor_name(name):
    """What GGUF calls a tensor of a folder."""
    module, _, ending = name.rpartition(".")
    if module in WHOLE:
        return f"{WHOLE[module]}.{ending}"
    _, _, layer, part = module.split(".", 3)
    return f"blk.{layer}.{LAYER[part]}.{ending}"


def read_folder(folder):
    """(name, shape, BF16 bytes) of each tensor of a model.safetensors."""
    data = (pathlib.Path(folder) / "model.safetensors").read_bytes()
    n_header = struct.unpack_from("<Q", data)[0]
    for name, entry in json.loads(data[8:8 + n_header]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            yield name, entry["shape"], data[8 + n_header + begin:8 + n_header + end]


def floats(data):
    """BF16 as floats."""
    wide = array.array("I", (half << 16 for half in array.array("H", data)))
    return array.array("f", wide.tobytes())


def bf16(values):
    """Floats rounded to BF16, to nearest and even."""
    bits = array.array("I", array.array("f", values).tobytes())
    return array.array("H", ((b + 0x7FFF + (b >> 16 & 1)) >> 16 for b in bits)).tobytes()


def q8_0(values):
    """Floats as blocks of 32, and what these stand for."""
    blocks, numbers = [], []
    for i in range(0, len(values), 32):
        block = values[i:i + 32]
        scale = struct.unpack("<e", struct.pack("<e", max(map(abs, block)) / 127))[0]
        codes = [max(-127, min(127, round(x / scale))) if scale else 0 for x in block]
        blocks.append(struct.pack("<e32b", scale, *codes))
        numbers.extend(code * scale for code in codes)
    return b"".join(blocks), numbers


def metadata_of(folder):
    """What a converter writes of a folder's configuration, tokenizer and chat template."""
    folder = pathlib.Path(folder)
    config, tokenizer, texts = (json.loads((folder / name).read_text())
                                for name in ("config.json", "tokenizer.json", "tokenizer_config.json"))
    n_rows = config["vocab_size"]
    tokens, types = [f"[PAD{i}]" for i in range(n_rows)], [UNUSED] * n_rows
    for token, i in tokenizer["model"]["vocab"].items():
        tokens[i], types[i] = token, NORMAL
    for token in tokenizer["added_tokens"]:
        looks_special = token["special"] or token["content"].startswith("<|")
        tokens[token["id"]], types[token["id"]] = token["content"], CONTROL if looks_special else USER_DEFINED
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["model"]["merges"]]
    ids = {token: i for i, token in enumerate(tokens)}
    return {"general.architecture": "qwen2", "general.type": "model", "general.name": "A model",
            "general.alignment": ALIGNMENT, "general.file_type": 32,
            "qwen2.block_count": config["num_hidden_layers"],
            "qwen2.context_length": config["max_position_embeddings"],
            "qwen2.embedding_length": config["hidden_size"],
            "qwen2.feed_forward_length": config["intermediate_size"],
            "qwen2.attention.head_count": config["num_attention_heads"],
            "qwen2.attention.head_count_kv": config["num_key_value_heads"],
            "qwen2.attention.layer_norm_rms_epsilon": config["rms_norm_eps"],
            "qwen2.rope.freq_base": config["rope_theta"],
            "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "qwen2", "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": types, "tokenizer.ggml.merges": merges,
            "tokenizer.ggml.eos_token_id": ids[texts["eos_token"]],
            "tokenizer.ggml.padding_token_id": ids[texts["pad_token"]],
            "tokenizer.ggml.bos_token_id": config["bos_token_id"], "tokenizer.ggml.add_bos_token": False,
            "tokenizer.chat_template": texts["chat_template"]}


def tensors_of(folder):
    """All tensors: matrices as they are, vectors as floats, as converters have them."""
    return [(tensor_name(name), shape, *(("BF16", data) if len(shape) > 1 else ("F32", floats(data).tobytes())))
            for name, shape, data in read_folder(folder)]


def convert(folder, path):
    write(path, metadata_of(folder), tensors_of(folder))


def quantise(folder, part):
    """(name, shape, type, bytes) of the tensors, where those whose names have the part are Q8_0; and makes the same
    weights of the folder's, in BF16."""
    tensors, path = [], pathlib.Path(folder) / "model.safetensors"
    data = bytearray(path.read_bytes())
    header = json.loads(data[8:8 + struct.unpack_from("<Q", data)[0]])
    begin = len(data) - max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    for name, shape, kind, content in tensors_of(folder):
        if part in name:
            kind, (content, numbers) = "Q8_0", q8_0(floats(content))
            for original, entry in header.items():
                if original != "__metadata__" and tensor_name(original) == name:
                    at, end = (begin + offset for offset in entry["data_offsets"])
                    data[at:end] = bf16(numbers)
        tensors.append((name, shape, kind, content))
    path.write_bytes(data)
    return tensors


def convert_in_parts(folder, path, n_parts):
    """NAME-00001-of-0000N.gguf and its siblings: the first has all metadata, and no tensors."""
    tensors = tensors_of(folder)
    size = -(-len(tensors) // (n_parts - 1))
    for i in range(n_parts):
        some = tensors[(i - 1) * size:i * size] if i else []
        split = {"split.no": i, "split.count": n_parts, "split.tensors.count": len(tensors)}
        write(path.with_name(f"{path.stem}-{i + 1:05}-of-{n_parts:05}.gguf"),
              {**(metadata_of(folder) if i == 0 else {}), **split}, some)
