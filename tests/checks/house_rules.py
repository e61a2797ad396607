#!/usr/bin/env python3
"""Sizes and wording that the project holds itself to: files of at most 600 lines, no open ends in code, no paths of one machine.
Exits 1 and names what breaks it."""
import re
import subprocess
import sys

HARD_STOP = 600
OPEN_ENDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
PRIVATE = re.compile(r"(?<![\w.])/(work|home|root|Users)/[a-z]")
SKIPPED_TESTS = re.compile(r"GTEST_SKIP|DISABLED_|EXPECT_TRUE\(true\)|ASSERT_TRUE\(true\)")


def tracked(*patterns):
    return subprocess.run(["git", "ls-files", "--", *patterns], capture_output=True, text=True, check=True).stdout.split()


def main():
    problems = []
    for path in tracked("src", "include", "tests/*.cc", "tests/*.h", "bench", "dev", ".ci"):
        if not path.endswith((".cc", ".h", "dev", "run")):
            continue
        lines = open(path, encoding="utf-8").read().splitlines()
        if len(lines) > HARD_STOP:
            problems.append(f"{path}: {len(lines)} lines, at most {HARD_STOP}")
        for number, line in enumerate(lines, 1):
            for what, pattern in (("open end", OPEN_ENDS), ("path of one machine", PRIVATE), ("test that cannot fail", SKIPPED_TESTS)):
                if pattern.search(line):
                    problems.append(f"{path}:{number}: {what}: {line.strip()}")
    print("\n".join(problems) or "house rules: clean")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
