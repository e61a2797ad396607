#!/usr/bin/env python3
"""Makes the fuzzers' seeds from the files under tests/data, and tiny models. Usage: seeds.py DIRECTORY"""
import json
import random
import re
import shutil
import struct
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
NAMES = re.findall(r'"([^"]+)"', (HERE / "records.cc").read_text().split("kNames[] =")[1].split(";")[0])
LARGEST = 16000  # bytes of a seed

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
EMPTY = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"  # SHA-256 of {}
OTHER = "f9d86028c6e0d64e225186f96acb69338b2c59764df79162107f5c4bb34d1310"
JOURNAL = {"schema_version": "1.0", "state": "applied", "entries": [
    {"kind": "replace", "file": "config.json", "before_sha256": OTHER, "after_sha256": EMPTY,
     "backup": "config.json.gptq-doctor.bak"},
    {"kind": "create", "file": "new.json", "before_sha256": "", "after_sha256": EMPTY, "backup": ""},
    {"kind": "rename", "file": "model.safetensors", "to": "gptq_model.safetensors", "size": 7, "head_sha256": EMPTY}]}
PATTERNS = [r"+:.*\.mlp\..*", r"-:^model\.layers\.(0|1[0-9])\.", r"(?:a|b)+?c{2,3}$", r"(?!lm_head)[a-z_]+\d*\b",
            "(a*)*b|c.?d", "a|b*c+"]
METADATA = "Metadata-Version: 2.1\nName: gptqmodel\nVersion: {}\nSummary: x\n\nName: y\n"


def put(root, target, name, content):
    if 0 < len(content) <= LARGEST:
        folder = root / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name.replace("/", "_")).write_bytes(content)


def record(name, content, data=None):
    """`data`: bytes of a weight file behind the header `content`."""
    if isinstance(content, dict):
        content = json.dumps(content, separators=(",", ":"))
    content = content.encode() if isinstance(content, str) else content
    flag, units = (0, 0) if data is None else (0x80, 0)
    if isinstance(data, int):
        units = min((data + 15) // 16, 65535)
    elif data:
        content += b"\0" + data
    return struct.pack("<BHH", flag | NAMES.index(name), units, len(content)) + content


def records(model):
    """A model directory; of weight files the header alone, their data are a pattern."""
    out, slots = b"", iter(["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
    for path in sorted(model.iterdir()):
        content = path.read_bytes()
        if path.suffix == ".safetensors":
            size = struct.unpack("<Q", content[:8])[0]
            name = path.name if path.name in NAMES else "gptq_model-4bit-128g.safetensors"
            if "-of-" in path.name:
                name = next(slots, name)
            out += record(name, content[8:8 + size], len(content) - 8 - size)
        elif path.name in NAMES:
            out += record(path.name, content)
    return out


def module(stem, bits, groups=1, seed=0):
    """The tensors of one quantized module of 32 x 32: name, dtype, shape, bytes. Several groups are out of order."""
    dice = random.Random(seed)
    words = lambda count: bytes(dice.randrange(256) for _ in range(count * 4))
    constant = struct.pack("<I", sum((2 ** (bits - 1) - 1) << at for at in range(0, 33 - bits, bits)))
    order = [k % groups for k in range(32)]
    return [(stem + ".qweight", "I32", [bits, 32], words(bits * 32)),
            (stem + ".qzeros", "I32", [groups, bits], words(bits * groups) if bits == 3 else constant * bits * groups),
            (stem + ".scales", "F16", [groups, 32], b"\x66\x20" * 32 * groups),
            (stem + ".g_idx", "I32", [32], struct.pack("<32i", *order))]


def weights(tensors):
    """The text of a header and the data behind it."""
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, dtype, shape, content in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    return json.dumps(header, separators=(",", ":")), data


def tiny_models():
    """Small directories of every kind, by name: tensors, and settings in both places."""
    up = "model.layers.0.mlp.up_proj"
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 32, "intermediate_size": 32,
              "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 32, "torch_dtype": "float16"}
    for bits in (2, 3, 4, 8):
        quant = {"bits": bits, "group_size": 32, "desc_act": bits == 8, "sym": bits != 2, "quant_method": "gptq",
                 "checkpoint_format": "gptq_v2" if bits == 8 else "gptq"}
        text, data = weights(module(up, bits) + module("model.layers.0.mlp.down_proj", bits, seed=1))
        yield f"tiny{bits}", (record("model.safetensors", text, data) + record("config.json", config) +
                              record("quantize_config.json", quant))
    both = dict(config, quantization_config={"bits": 4, "group_size": 128, "quant_method": "gptq", "sym": True,
                                             "desc_act": True, "meta": {"quantizer": ["gptqmodel:2.2.0"]}})
    text, data = weights(module(up, 4, groups=2) + [(up + ".bias", "F16", [32], bytes(64))])
    yield "ordered", record("model.safetensors", text, data) + record("config.json", both)
    text, data = weights(module(up, 4))
    yield "disagree", (record("gptq_model-4bit-128g.safetensors", text, data) + record("config.json", both) +
                       record("quantize_config.json", {"bits": 3, "dynamic": {"+:.*up_proj": {"bits": 8}, "-:lm": {}}}))
    parts = [weights(module(up, 4)), weights(module("lm_head", 8, seed=2) + [("model.norm.weight", "F32", [32], bytes(128))])]
    index = {"metadata": {"total_size": 1}, "weight_map": {}}
    shards = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    for shard, (text, _) in zip(shards, parts):
        index["weight_map"].update({name: shard for name in json.loads(text) if name != "__metadata__"})
    yield "sharded", (b"".join(record(shard, *part) for shard, part in zip(shards, parts)) +
                      record("model.safetensors.index.json", index) + record("config.json", both))
    awq = [(up + ".qweight", "I32", [32, 4], bytes(512)), (up + ".qzeros", "I32", [1, 4], bytes(16)),
           (up + ".scales", "F16", [1, 32], bytes(64))]
    foreign = {"awq": awq, "bnb": [(up + ".weight", "U8", [512, 1], bytes(512)),
                                   (up + ".weight.absmax", "F32", [16], bytes(64)),
                                   (up + ".weight.quant_state.bitsandbytes__nf4", "U8", [4], b"{}  ")],
               "fp8": [(up + ".weight", "F8_E4M3", [32, 32], bytes(1024)), (up + ".weight_scale", "F32", [1], bytes(4))],
               "ct": [(up + ".weight_packed", "I32", [32, 4], bytes(512)), (up + ".weight_scale", "F16", [32, 1], bytes(64)),
                      (up + ".weight_shape", "I64", [2], bytes(16))],
               "lora": [(up + ".lora_A.weight", "F16", [8, 32], bytes(512))]}
    for name, tensors in foreign.items():
        yield name, record("adapter_model.safetensors" if name == "lora" else "model.safetensors",
                           *weights(tensors)) + record("config.json", both)
    yield "others", (record("pytorch_model.bin", b"PK\3\4x") + record("model.gguf", b"GGUF\3\0\0\0") +
                     record("config.json", config) + record("adapter_config.json", {"peft_type": "LORA"}) +
                     record("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:" + EMPTY +
                            "\nsize 12\n"))
    text, data = weights(module(up, 4))
    yield "recorded", (record("model.safetensors", text, data) + record(
        ".cache/huggingface/download/model.safetensors.metadata", f"{EMPTY[:40]}\n{EMPTY}\n1700000000.0\n"))


def kernels(root):
    for bits in range(7):
        for rule in range(5):
            head = struct.pack("<BBBBBHHBHBBB", bits, 0, rule % 2, rule, 4, 64, 32, 2, 33, rule % 3, 1, 1)
            put(root, "kernel", f"{bits}-{rule}", head + b"".join(struct.pack("<i", k // 32) for k in range(64)))


def headers(root):
    for path in sorted((DATA / "probes").glob("*.safetensors")):
        put(root, "header", path.name, path.read_bytes())
    for path in sorted((DATA / "real").glob("*/model/*.safetensors")):
        content = path.read_bytes()
        put(root, "header", path.parent.parent.name, content[:8 + struct.unpack("<Q", content[:8])[0]])
    for bits in (3, 4):
        text, data = weights(module("model.layers.0.mlp.up_proj", bits))
        put(root, "header", f"tiny{bits}", struct.pack("<Q", len(text)) + text.encode() + data)


def main(root):
    shutil.rmtree(root, ignore_errors=True)
    headers(root)
    kernels(root)
    for path in sorted((DATA / "configs").glob("*.json")):
        for target in ["json", "quant_config"] + (["index"] if "index" in path.name else []):
            put(root, target, path.name, path.read_bytes())
    for path in sorted((DATA / "real").glob("*/model")):
        put(root, "directory", path.parent.name, records(path))
        for index in path.glob("*.index.json"):
            put(root, "index", path.parent.name, index.read_bytes())
    for name, content in tiny_models():
        put(root, "directory", name, content)
        put(root, "numbers", name, content)
    put(root, "index", "tiny", json.dumps({"metadata": {"total_size": 424}, "weight_map": {
        "a.qweight": "model-00001-of-00002.safetensors", "b": "../model.safetensors"}}).encode())
    put(root, "mapping", "mixed", (DATA / "mixed.yaml").read_bytes())
    put(root, "settings", "all", SETTINGS.encode())
    put(root, "baseline", "one", json.dumps(BASELINE).encode())
    for count in (1, 3):
        put(root, "journal", str(count), json.dumps(dict(JOURNAL, entries=JOURNAL["entries"][:count])).encode())
    for n, pattern in enumerate(PATTERNS):
        put(root, "pattern", str(n), f"{pattern}\nmodel.layers.10.mlp.up_proj".encode())
    for version in ("2.6.0+cu124", "0.5.0.dev3", "7.3.2"):
        put(root, "environment", version, METADATA.format(version).encode())
    for path in sorted((DATA / "fuzz" / "plan").glob("*")):
        put(root, "plan", path.name, path.read_bytes())


main(Path(sys.argv[1]))
