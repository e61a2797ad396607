#!/usr/bin/env python3
"""validate_outputs.py BINARY [MULTITOOL]: every output of `check` over all fixtures, judged by programs of others.

json by its JSON Schema, ndjson line by line by the same one, sarif by Microsoft's multitool with GitHub's rules, junit by
xmllint, gitlab by its schema, markdown by pandoc, github by the grammar of workflow commands. Exits 1 where one objects.
The multitool's exit status says nothing: its report is read.
"""
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import jsonschema

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
FORMATS = {"json": "json", "ndjson": "ndjson", "sarif": "sarif", "junit": "xml", "github": "log", "gitlab": "gitlab.json",
           "markdown": "md", "text": "txt"}
HOSTILE = ["</script><img src=x onerror=1>", "a\x1b[31m\r\n::error::pwned,x:y", "]]></failure>|`*_[x](y)", "..%2f\u202e\u2028",
           "'; echo \"$(id)\" #", "{names}", "__proto__"]


def hostile_model(directory):
    """A directory whose tensors carry names that try every sink, with a component missing in each module."""
    directory.mkdir(parents=True)
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name in HOSTILE:
        for suffix, dtype, shape, size in (("qweight", "I32", [16, 128], 8192), ("qzeros", "I32", [4, 16], 256)):
            header["model.layers.0.%s.%s" % (name, suffix)] = {
                "dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + size]}
            data += b"\x37" * size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (directory / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    (directory / "config.json").write_text('{"model_type": "llama", "architectures": ["LlamaForCausalLM"]}\n')
    (directory / "quantize_config.json").write_text(
        json.dumps({"bits": 8, "group_size": 32, "desc_act": False, "quant_method": "gptq", HOSTILE[0]: HOSTILE[1],
                    "dynamic": {"-:" + HOSTILE[2]: {}}}))


def models(scratch):
    """Directories and files of the fixtures, those beside this clone included where they are there."""
    hostile = scratch / "hostile <&> dir"
    hostile_model(hostile)
    found = [hostile, ROOT / "tests/data/sick-model"]
    for base in (ROOT / "tests/data", ROOT.parent / "shared/fixtures"):
        found += sorted(path for path in base.glob("real/*/model") if path.is_dir())
        found += sorted(base.glob("probes/*.safetensors")) + sorted(base.glob("lfs_pointers/*.safetensors"))
    return found


class Judge:
    def __init__(self):
        self.objections = 0

    def object(self, where, what):
        self.objections += 1
        if self.objections <= 50:
            print("%s: %s" % (where, what), file=sys.stderr)


def schema_validator(path):
    schema = json.loads(path.read_text())
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return schema, kind


def check_json(judge, path):
    schema, kind = schema_validator(ROOT / "docs/schema/gptq-doctor-1.schema.json")
    for error in kind(schema).iter_errors(json.loads(path.read_text())):
        judge.object("json /" + "/".join(map(str, error.absolute_path)), error.message[:300])


def check_ndjson(judge, path):
    schema, kind = schema_validator(ROOT / "docs/schema/gptq-doctor-1.schema.json")
    finding = kind({"$ref": "#/$defs/finding", "$defs": schema["$defs"]})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    types = [line["type"] for line in lines]
    if types[0] != "header" or types[-1] != "summary" or types.count("summary") != 1:
        judge.object("ndjson", "does not run from one header to one summary")
    for number, line in enumerate(lines, 1):
        if line["type"] not in ("header", "model", "finding", "error", "summary"):
            judge.object("ndjson line %d" % number, "type " + line["type"])
        if line["type"] == "finding":
            for error in finding.iter_errors({k: v for k, v in line.items() if k not in ("type", "model")}):
                judge.object("ndjson line %d" % number, error.message[:300])


def check_sarif(judge, path, multitool):
    report = path.with_suffix(".report.sarif")
    environment = dict(os.environ, DOTNET_SYSTEM_GLOBALIZATION_INVARIANT="1")
    subprocess.run([multitool, "validate", path, "--rule-kind", "Sarif;Ghas", "-o", report, "--log", "ForceOverwrite"],
                   env=environment, stdout=subprocess.DEVNULL, check=False)
    run = json.loads(report.read_text(encoding="utf-8-sig"))["runs"][0]
    for notice in run.get("invocations", [{}])[0].get("toolConfigurationNotifications", []):
        judge.object("sarif", "the validator itself: " + json.dumps(notice)[:300])
    for result in run["results"]:
        # A project without a page of its own has no informationUri.
        if result["ruleId"] == "SARIF2005" and "ToolnformationUri" in result["message"]["id"]:
            continue
        judge.object("sarif", json.dumps(result)[:400])


def check_junit(judge, path):
    done = subprocess.run(["xmllint", "--noout", "--nonet", "--schema", HERE / "validators/junit.xsd", path],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        judge.object("junit", done.stderr[:1000])


def check_github(judge, path):
    command = re.compile(r"::(error|warning|notice)( \w+=[^,:\r\n]*(,\w+=[^,:\r\n]*)*)?::[^\r\n]*\Z")
    lines = path.read_text().split("\n")
    for number, line in enumerate(lines, 1):
        if line.startswith("::") and not command.match(line):
            judge.object("github line %d" % number, line[:200])
    if not any(line.startswith("::error ") for line in lines):
        judge.object("github", "no error over sick fixtures")


def check_gitlab(judge, path):
    schema, kind = schema_validator(HERE / "validators/gitlab-code-quality.schema.json")
    document = json.loads(path.read_bytes())
    for error in kind(schema).iter_errors(document):
        judge.object("gitlab /" + "/".join(map(str, error.absolute_path)), error.message[:300])
    fingerprints = [issue["fingerprint"] for issue in document]
    if len(set(fingerprints)) != len(fingerprints):
        judge.object("gitlab", "%d fingerprints occur twice: equal ones are shown once"
                     % (len(fingerprints) - len(set(fingerprints))))


def check_markdown(judge, path, count):
    done = subprocess.run(["pandoc", "-f", "gfm", "-t", "json", path], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        judge.object("markdown", done.stderr[:500])
        return
    blocks = json.loads(done.stdout)["blocks"]
    tables = [block for block in blocks if block["t"] == "Table"]
    rows = sum(len(body[3]) for body in tables[0]["c"][4]) if tables else 0
    if len(tables) != 1 or rows != count:
        judge.object("markdown", "%d tables, %d rows for %d models" % (len(tables), rows, count))

    def walk(node):
        if isinstance(node, dict):
            if node.get("t") in ("RawInline", "RawBlock"):
                text = node["c"][1].strip()
                if not re.fullmatch(r"(</?details>|<summary>|</summary>|more findings|\s)+", text):
                    judge.object("markdown", "raw markup: " + text[:200])
            if node.get("t") in ("Link", "Image"):
                judge.object("markdown", "a link: " + json.dumps(node["c"])[:200])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(blocks)


def check_text(judge, path):
    for number, line in enumerate(path.read_text().split("\n"), 1):
        if any(ord(char) < 32 or ord(char) == 127 or "\u202a" <= char <= "\u202e" for char in line):
            judge.object("text line %d" % number, repr(line[:200]))


def main():
    binary = Path(sys.argv[1]).resolve()
    judge = Judge()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        inputs = models(scratch)
        arguments = [binary, "check", "--isolated"]
        files = {}
        for name, extension in FORMATS.items():
            files[name] = scratch / ("out." + extension)
            arguments += ["--format", name, "-o", files[name]]
        done = subprocess.run(arguments + ["--"] + inputs, capture_output=True, text=True, check=False)
        if done.returncode not in (1, 3) or done.stdout:
            judge.object("check", "exit %d, stdout %r, stderr %s" % (done.returncode, done.stdout[:100], done.stderr[:500]))
        check_json(judge, files["json"])
        check_ndjson(judge, files["ndjson"])
        check_junit(judge, files["junit"])
        check_github(judge, files["github"])
        check_gitlab(judge, files["gitlab"])
        check_markdown(judge, files["markdown"], len(json.loads(files["json"].read_text())["models"]))
        check_text(judge, files["text"])
        if len(sys.argv) > 2:
            check_sarif(judge, files["sarif"], sys.argv[2])
        print("validated %s over %d inputs: %d objections"
              % (", ".join(name for name in FORMATS if name != "sarif" or len(sys.argv) > 2), len(inputs), judge.objections))
    sys.exit(1 if judge.objections else 0)


if __name__ == "__main__":
    main()
