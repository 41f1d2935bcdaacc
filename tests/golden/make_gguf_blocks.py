#!/usr/bin/env python3
"""Makes gguf_blocks.json: a block of each of GGUF's quantised types, and what the gguf package makes of it.
Needs: pip install gguf numpy (0.19 made the file that is here)."""

import json
import pathlib

import gguf
import numpy as np

HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}

random = np.random.default_rng(1)
made = {}
for name, halves in HALVES.items():
    kind = gguf.GGMLQuantizationType[name]
    block = random.integers(0, 256, gguf.GGML_QUANT_SIZES[kind][1], dtype=np.uint8)
    for at in halves:
        block[at:at + 2] = np.frombuffer(np.float16(random.uniform(0.001, 0.01)).tobytes(), np.uint8)
    weights = gguf.quants.dequantize(block[None, :], kind)[0]
    made[name] = {"bytes": block.tobytes().hex(), "weights": [float(f"{w:.8g}") for w in weights]}
pathlib.Path(__file__).with_name("gguf_blocks.json").write_text(
    "{\n" + ",\n".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in made.items()) + "\n}\n")
