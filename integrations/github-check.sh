#!/usr/bin/env bash
# The step of action.yml: annotations on standard output, a job summary, SARIF. Inputs come through the environment (MODELS, ARGS, FAIL_ON, SARIF,
# GPTQ_DOCTOR), never through the command line, so that no input is ever taken for a command.
set -euo pipefail
binary=${GPTQ_DOCTOR:-}
if [ -z "$binary" ]; then binary=$(dirname -- "$0")/../build/release/gptq-doctor; fi
models=()
while IFS= read -r line; do [ -n "$line" ] && models+=("$line"); done <<<"${MODELS:-}"
arguments=()
while IFS= read -r line; do [ -n "$line" ] && arguments+=("$line"); done <<<"${ARGS:-}"
if [ ${#models[@]} -eq 0 ]; then
  echo "::error title=gptq-doctor::no model directories given"
  exit 2
fi
summary=$(mktemp)
trap 'rm -f "$summary" "$summary.md"' EXIT
outputs=(--format github --format markdown -o "$summary.md")
if [ -n "${SARIF:-}" ]; then outputs+=(--format sarif -o "$SARIF"); fi
code=0
"$binary" check --fail-on "${FAIL_ON:-error}" "${outputs[@]}" "${arguments[@]+"${arguments[@]}"}" -- "${models[@]}" || code=$?
if [ -n "${GITHUB_STEP_SUMMARY:-}" ] && [ -f "$summary.md" ]; then cat "$summary.md" >>"$GITHUB_STEP_SUMMARY"; fi
if [ -n "${GITHUB_OUTPUT:-}" ]; then echo "exit-code=$code" >>"$GITHUB_OUTPUT"; fi
exit $code
