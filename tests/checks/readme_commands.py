#!/usr/bin/env python3
"""Runs every command that README.md and docs/*.md show in ```console blocks and checks that it ends as the page says.

A line `$ command` is run by bash in a scratch copy of the bundled models, with the release binary first in PATH. A comment `# exit N` at its end
states another exit code than 0. Lines of output that the page shows (not starting with `$`) must occur in what the command printed, in order; `...` stands
for any lines. Blocks marked ```sh are shown but not run (installation, other people's tools).
"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```console\n(.*?)^```", re.M | re.S)
EXIT = re.compile(r"\s+# exit (\d+)\s*$")


def commands(text):
    """(command, expected exit code, expected output lines) of a page."""
    for block in BLOCK.findall(text):
        current = None
        for line in block.splitlines():
            if line.startswith("$ "):
                if current:
                    yield current
                code = EXIT.search(line)
                current = [EXIT.sub("", line[2:]), int(code[1]) if code else 0, []]
            elif current:
                current[2].append(line)
        if current:
            yield current


def shown_in(expected, printed):
    """True where the expected lines occur in this order."""
    lines = iter(line.rstrip() for line in printed.splitlines())
    return all(any(want.rstrip() == line for line in lines) for want in expected if want.strip() not in ("...", ""))


def main():
    binary = ROOT / "build" / "release"
    failed = ran = 0
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        with tempfile.TemporaryDirectory() as scratch:
            shutil.copytree(ROOT / "tests" / "data", pathlib.Path(scratch) / "tests" / "data", symlinks=True)
            for name in ("dev",):
                os.symlink(ROOT / name, pathlib.Path(scratch) / name)
            env = dict(os.environ, PATH=f"{binary}:{os.environ['PATH']}", NO_COLOR="1", COLUMNS="120", LC_ALL="C.UTF-8")
            for command, code, output in commands(page.read_text()):
                ran += 1
                where = ROOT if command.startswith("./dev") else scratch
                run = subprocess.run(["bash", "-c", command], cwd=where, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
                if run.returncode != code or not shown_in(output, run.stdout + run.stderr):
                    failed += 1
                    print(f"{page.name}: `{command}` ended with {run.returncode}, the page says {code}" if run.returncode != code
                          else f"{page.name}: `{command}` does not print what the page shows")
                    print((run.stdout + run.stderr)[-3000:])
    print(f"{ran - failed} passed, {failed} failed")
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main())
