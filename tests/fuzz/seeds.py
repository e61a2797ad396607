#!/usr/bin/env python3
"""Makes the fuzzers' seeds from the files under tests/data. Usage: seeds.py DIRECTORY"""
import json
import shutil
import struct
import sys
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent / "data"
# The order of kNames in directory_fuzz.cc.
NAMES = ["model.safetensors", "config.json", "quantize_config.json", "model.safetensors.index.json",
         "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "tokenizer_config.json",
         "quant_config.json", "generation_config.json", "adapter_config.json"]
LARGEST = 8000  # bytes of a seed

BASELINE = {"baseline": [{"model": "m", "fingerprint": "0123456789abcdef", "code": "GD101", "message": "x"}]}
SETTINGS = '''[check]
fail-on = "warning"
select = ["GD1", "ALL"]
ignore = ["GD601"]
loaders = ["vllm@0.9"]
min-compression = 0.75
baseline = "b.json"
[levels]
GD101 = "note"
[[ignore]]
rule = "GD5"
path = "models/*"
module = "model.layers.0.*"
reason = "known"
expires = "2026-12-31"
'''


def put(root, target, name, content):
    if 0 < len(content) <= LARGEST:
        folder = root / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name.replace("/", "_")).write_bytes(content)


def records(model):
    """A model directory as directory_fuzz.cc reads it: of weight files only the header."""
    out = b""
    for path in sorted(model.iterdir()):
        if path.name not in NAMES:
            continue
        content, flag, data = path.read_bytes(), 0, 0
        if path.suffix == ".safetensors":
            size = struct.unpack("<Q", content[:8])[0]
            flag, data, content = 0x80, (len(content) - 8 - size + 15) // 16, content[8:8 + size]
        if len(content) < 65536 and data < 65536:
            out += struct.pack("<BHH", flag | NAMES.index(path.name), data, len(content)) + content
    return out


def tiny_model():
    """One 4-bit module of 32 x 16, small enough for mutation to reach everything."""
    shapes = {"qweight": ("I32", [4, 16], 256), "qzeros": ("I32", [1, 2], 8), "scales": ("F16", [1, 16], 32),
              "g_idx": ("I32", [32], 128)}
    header, at = {}, 0
    for suffix, (dtype, shape, size) in shapes.items():
        header[f"model.layers.0.mlp.up_proj.{suffix}"] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    config = json.dumps({"model_type": "llama", "hidden_size": 32, "num_hidden_layers": 1}).encode()
    quant = json.dumps({"bits": 4, "group_size": 32, "desc_act": False, "sym": True, "quant_method": "gptq"}).encode()
    rows = [(0x80, (at + 15) // 16, text), (1, 0, config), (2, 0, quant)]
    return text, b"".join(struct.pack("<BHH", name, data, len(body)) + body for name, data, body in rows)


def kernels(root):
    for bits in range(7):
        for rule in range(5):
            head = struct.pack("<BBBBBHHBHBBB", bits, 0, rule % 2, rule, 4, 64, 32, 2, 33, rule % 3, 1, 1)
            put(root, "kernel", f"{bits}-{rule}", head + b"".join(struct.pack("<i", k // 32) for k in range(64)))


def main(root):
    shutil.rmtree(root, ignore_errors=True)
    for path in sorted((DATA / "probes").glob("*.safetensors")):
        put(root, "header", path.name, path.read_bytes())
    for path in sorted((DATA / "configs").glob("*.json")):
        content = path.read_bytes()
        for target in ["json", "quant_config"] + (["index"] if "index" in path.name else []):
            put(root, target, path.name, content)
    for path in sorted((DATA / "real").glob("*/model")):
        put(root, "directory", path.parent.name, records(path))
        for index in path.glob("*.index.json"):
            put(root, "index", path.parent.name, index.read_bytes())
    text, tiny = tiny_model()
    put(root, "directory", "tiny", tiny)
    put(root, "header", "tiny", struct.pack("<Q", len(text)) + text + bytes(424))
    put(root, "index", "tiny", json.dumps({"metadata": {"total_size": 424}, "weight_map": {
        "a.qweight": "model-00001-of-00002.safetensors", "b": "../model.safetensors"}}).encode())
    put(root, "mapping", "mixed", (DATA / "mixed.yaml").read_bytes())
    put(root, "settings", "all", SETTINGS.encode())
    put(root, "baseline", "one", json.dumps(BASELINE).encode())
    for path in sorted((DATA / "fuzz" / "plan").glob("*")):
        put(root, "plan", path.name, path.read_bytes())
    kernels(root)


main(Path(sys.argv[1]))
