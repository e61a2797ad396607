#!/usr/bin/env bash
# usage: check-changed.sh [CHECK OPTION...] [--] FILE...
# Runs `gptq-doctor check` once over the directories of the files, for commit hooks that are given files. Directories without weights or an
# index are left out: a changed config.json need not be a model's. GPTQ_DOCTOR names the binary, gptq-doctor by default.
set -euo pipefail
options=()
directories=()
add() {
  local directory
  directory=$(dirname -- "$1")
  case $directory in -*) directory=./$directory ;; esac
  compgen -G "$directory/*.safetensors" >/dev/null || compgen -G "$directory/*.safetensors.index.json" >/dev/null || return 0
  local known
  for known in "${directories[@]+"${directories[@]}"}"; do
    [ "$known" = "$directory" ] && return 0
  done
  directories+=("$directory")
}
only_files=false
for word in "$@"; do
  if ! $only_files && [ "$word" = -- ]; then
    only_files=true
  elif ! $only_files && [ "${word#-}" != "$word" ]; then
    options+=("$word")
  else
    add "$word"
  fi
done
[ ${#directories[@]} -gt 0 ] || exit 0
exec "${GPTQ_DOCTOR:-gptq-doctor}" check "${options[@]+"${options[@]}"}" "${directories[@]}"
