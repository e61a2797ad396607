#!/usr/bin/env python3
"""validate_json.py SCHEMA FILE...: exits 1 and names what is wrong where a file does not follow the schema."""
import json
import sys

import jsonschema


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        schema = json.load(f)
    validator_class = jsonschema.validators.validator_for(schema)
    validator_class.check_schema(schema)
    validator = validator_class(schema)
    wrong = 0
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8", errors="strict") as f:
            document = json.load(f)
        for error in validator.iter_errors(document):
            wrong += 1
            print("%s: /%s: %s" % (path, "/".join(map(str, error.absolute_path)), error.message[:300]))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
