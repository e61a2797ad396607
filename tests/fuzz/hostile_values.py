#!/usr/bin/env python3
"""Changes single values of real models and runs commands on what comes out.

Usage: hostile_values.py BINARY ROUNDS [SEED]

A round is one changed copy of every model in tests/data/real: numbers of its configuration files, and shapes, dtypes and data of its tensors,
become the largest, smallest and oddest there are. The fuzzers change everything and so seldom reach what stands behind valid settings; this stays
close to it. BINARY should have sanitizers. A run fails by a signal, a sanitizer's message, an exit code that README.md does not know or 70, or no end
within two minutes; the changed model then stays in build/values.
"""
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = sorted(path for path in (ROOT / "tests/data/real").glob("*/model") if path.is_dir())
KEPT = ROOT / "build/values"

NUMBERS = [2**63 - 1, -2**63, 2**63, 2**64 - 1, 2**64, 2**62, 2**53, 2**32, 2**31, 2**31 - 1, 0, -1, 1, 3, 4, 8, 128, 0.5, 1e308, -1e308, 1e19]
VALUES = NUMBERS + [True, None, "4", "9223372036854775807", "-9223372036854775808", "", [], {}, [[]], {"": 0}]
DIMENSIONS = [2**63 - 1, 2**62, 2**61, 2**60, 2**58, 2**32, 2**31, 0, 1]
DTYPES = ["I32", "I64", "I16", "U8", "BOOL", "F16", "BF16", "F32", "F64", "F8_E4M3", "F4"]
COMMANDS = [["inspect"], ["inspect", "--deep"], ["why", "--loader", "all"], ["memory"], ["check"], ["verify"], ["tensors"], ["config"],
            ["config", "--check"], ["fix"], ["dequantize", "-o", "OUT"], ["convert", "--checkpoint-format", "gptq_v2", "-o", "OUT"]]
ALWAYS = ["why", "--loader", "all"]
EXITS = {0, 1, 2, 3}


def leaves(value, path=()):
    """The paths of everything inside a JSON value, without long lists' ends."""
    children = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    for key, child in children:
        yield path + (key,)
        yield from leaves(child, path + (key,))


def change_json(document, rng):
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        paths = list(leaves(document))
        if not paths:
            return
        path = rng.choice(paths)
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1]] = rng.choice(VALUES)
    settings = document.get("quantization_config", document) if isinstance(document, dict) else None
    if isinstance(settings, dict) and "bits" in settings and rng.random() < 0.3:
        settings["dynamic"] = {rng.choice(["+:.*", "-:.*down.*", ".*", "("]): {key: rng.choice(VALUES) for key in ("bits", "group_size", "sym")}}


def change_entry(entry, rng):
    shape = entry["shape"]
    way = rng.random()
    if shape and way < 0.4:  # no elements, and still dimensions beyond every product
        shape[:] = [rng.choice(DIMENSIONS) for _ in shape]
        shape[rng.randrange(len(shape))] = 0
        entry["data_offsets"][1] = entry["data_offsets"][0]
    elif shape and way < 0.7:
        shape[rng.randrange(len(shape))] = rng.choice(DIMENSIONS)
    else:
        entry["dtype"] = rng.choice(DTYPES)


def change_weights(content, rng):
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8:8 + size]), content[8 + size:]
    names = [name for name in header if name != "__metadata__"]
    tensors = {name: bytearray(data[slice(*header[name]["data_offsets"])]) for name in names}
    for name in rng.sample(names, min(len(names), rng.choice([0, 1, 2, 3]))):
        change_entry(header[name], rng)
    for name in rng.sample(names, min(len(names), rng.choice([0, 1, 3]))):
        words = tensors[name]
        for at in range(0, len(words) - 3, 4 * rng.choice([1, 7, 64])):
            words[at:at + 4] = rng.choice([b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80", b"\x01\0\0\0"])
    body = b""
    for name in sorted(names, key=lambda name: header[name]["data_offsets"][0]):
        begin, end = header[name]["data_offsets"]
        header[name]["data_offsets"] = [len(body), len(body) + end - begin]
        body += bytes(tensors[name][:end - begin])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def change(model, rng):
    for path in sorted(model.rglob("*")):
        if path.suffix == ".json":
            document = json.loads(path.read_text())
            change_json(document, rng)
            path.write_text(json.dumps(document).replace("Infinity", "1e999"))
        elif path.suffix == ".safetensors" and rng.random() < 0.6:
            path.write_bytes(change_weights(path.read_bytes(), rng))


def complaint(binary, command, model, out):
    """What is wrong with one run, or nothing."""
    shutil.rmtree(out, ignore_errors=True)
    call = [binary, command[0], str(model)] + [str(out) if word == "OUT" else word for word in command[1:]]
    try:
        run = subprocess.run(call, capture_output=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        return "does not end"
    errors = run.stderr.decode(errors="replace")
    said = [line for line in errors.splitlines() if "runtime error:" in line or "ERROR: " in line]
    if said:
        return said[0]
    return None if run.returncode in EXITS else f"exit {run.returncode}: {errors.strip()[-300:]}"


def examine(task):
    binary, source, seed = task
    rng = random.Random(seed)
    name = f"{source.parent.name}-{seed}"
    model, out = KEPT / name, KEPT / (name + "-out")
    shutil.copytree(source, model)
    change(model, rng)
    found = []
    for command in rng.sample(COMMANDS, 3) + [ALWAYS]:
        problem = complaint(binary, command, model, out)
        if problem:
            found.append(f"{' '.join(command)}: {problem}: {model}")
    shutil.rmtree(out, ignore_errors=True)
    if not found:
        shutil.rmtree(model)
    return found


def main():
    binary, rounds = os.path.abspath(sys.argv[1]), int(sys.argv[2])
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**6)
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    tasks = [(binary, model, seed * 1000 + number) for number in range(rounds) for model in MODELS]
    with multiprocessing.Pool() as pool:
        found = [line for lines in pool.imap_unordered(examine, tasks) for line in lines]
    print("\n".join(found + [f"{len(tasks)} changed models, {4 * len(tasks)} runs, seed {seed}: {len(found)} complaints"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
