#!/usr/bin/env python3
"""A room under src/ may include itself, rooms before it, and the public headers. Exits 1 and names each line that breaks this."""
import pathlib
import re
import sys

ROOMS = ["base", "model", "gptq", "infer", "memory", "loaders", "rules", "repair", "dequant", "report", "cli"]
# Files at the root of src/ tie the rooms up to repair together.
ROOT_LIMIT = ROOMS.index("repair")
INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def main():
    src = pathlib.Path(__file__).resolve().parents[2] / "src"
    broken = 0
    for path in sorted(src.rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        parts = path.relative_to(src).parts
        if len(parts) > 1 and parts[0] not in ROOMS:
            print(f"{path}: no room is called '{parts[0]}'")
            broken += 1
            continue
        limit = ROOT_LIMIT if len(parts) == 1 else ROOMS.index(parts[0])
        for number, line in enumerate(path.read_text().splitlines(), 1):
            found = INCLUDE.match(line)
            if not found or found[1].startswith("gptq_doctor/"):
                continue
            room = found[1].split("/")[0]
            if "/" not in found[1]:
                allowed = len(parts) == 1 or limit > ROOT_LIMIT  # the root's own headers, for the rooms after it
            else:
                allowed = room in ROOMS and ROOMS.index(room) <= limit
            if not allowed:
                print(f"{path.relative_to(src.parent)}:{number}: {parts[0]} may not include {found[1]}")
                broken += 1
    print("layers: %s" % ("clean" if not broken else f"{broken} broken"))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
