#!/usr/bin/env python3
"""read_safetensors.py DIRECTORY

Reads every weight file of a model directory by the safetensors format's definition alone, with nothing but the standard library,
and prints {"tensors": {name: {file, dtype, shape, sha256}}, "metadata": {file: {...}}} as JSON. Exits 1 with the reason where a
file breaks the format, where two files hold a tensor of one name, or where the index disagrees with the files.
"""
import hashlib
import json
import pathlib
import struct
import sys

BYTES = {"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4,
         "I64": 8, "U64": 8, "F64": 8}


class Broken(Exception):
    pass


def no_duplicates(pairs):
    keys = [key for key, _ in pairs]
    if len(set(keys)) != len(keys):
        raise Broken("a key stands twice")
    return dict(pairs)


def read_file(path):
    """Yields (name, dtype, shape, data); returns the metadata through the last item."""
    data = path.read_bytes()
    if len(data) < 8:
        raise Broken(f"{path.name} is shorter than a header length")
    length, = struct.unpack("<Q", data[:8])
    if length > 100_000_000 or 8 + length > len(data):
        raise Broken(f"{path.name}: header length {length}")
    header = json.loads(data[8:8 + length].decode("utf-8"), object_pairs_hook=no_duplicates)
    metadata = header.pop("__metadata__", {})
    if not all(isinstance(value, str) for value in metadata.values()):
        raise Broken(f"{path.name}: metadata that is no text")
    tensors, end = [], 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        size = BYTES[entry["dtype"]]
        for dim in entry["shape"]:
            size *= dim
        begin, stop = entry["data_offsets"]
        if begin != end or stop - begin != size:
            raise Broken(f"{path.name}: {name} lies at {begin}..{stop}, expected {end}..{end + size}")
        end = stop
        tensors.append((name, entry["dtype"], entry["shape"], data[8 + length + begin:8 + length + stop]))
    if 8 + length + end != len(data):
        raise Broken(f"{path.name}: {len(data) - 8 - length - end} bytes in no tensor")
    return tensors, metadata


def read_directory(root):
    tensors, metadata = {}, {}
    for path in sorted(root.glob("*.safetensors")):
        found, metadata[path.name] = read_file(path)
        for name, dtype, shape, data in found:
            if name in tensors:
                raise Broken(f"{name} stands in {tensors[name]['file']} and {path.name}")
            tensors[name] = {"file": path.name, "dtype": dtype, "shape": shape, "sha256": hashlib.sha256(data).hexdigest()}
    for path in root.glob("*.safetensors.index.json"):
        listed = json.loads(path.read_text())["weight_map"]
        if listed != {name: tensor["file"] for name, tensor in tensors.items()}:
            raise Broken(f"{path.name} disagrees with the files")
    return {"tensors": tensors, "metadata": metadata}


if __name__ == "__main__":
    try:
        print(json.dumps(read_directory(pathlib.Path(sys.argv[1]))))
    except (Broken, KeyError, ValueError) as error:
        sys.exit(f"read_safetensors: {error}")
