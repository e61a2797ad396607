#!/usr/bin/env bash
# Runs the fuzzers, one a processor. Usage: run.sh PROGRAM MINUTES [TARGET...]
# MINUTES on all processors together, shared by the targets; 0.5 is fine. A target that crashes ends, the others go on;
# the exit code is then not 0. Corpora grow in build/fuzz/corpus/TARGET from tests/data/fuzz/TARGET and seeds.py; a
# crash stays in build/fuzz/crashes/. Every run adds a line to build/fuzz/log: target, seconds of processor time,
# executions, corpus size.
set -euo pipefail
cd "$(dirname "$0")/../.."
program=$PWD/$1
minutes=${2:?usage: ./dev fuzz MINUTES [TARGET...]}
shift 2
all=$(sed -n 's/^    {"\([a-z_]*\)".*/\1/p' tests/fuzz/fuzz_target.h | tr '\n' ' ')
targets=${*:-$all}
for target in $targets; do
  case " $all" in *" $target "*) ;; *) echo "fuzz: no target '$target': $all" >&2; exit 2 ;; esac
done

mkdir -p build/fuzz/crashes
python3 tests/fuzz/seeds.py build/fuzz/seeds

# run_target TARGET SECONDS
run_target() {
  local target=$1 seconds=$2 status=0 out=build/fuzz/$1.out used TIMEFORMAT='%U %S'
  local corpora=("build/fuzz/corpus/$target" "tests/data/fuzz/$target" "build/fuzz/seeds/$target")
  local entropic=1  # of a whole directory the bookkeeping of rare features would take most of the time
  case $target in directory | numbers) entropic=0 ;; esac
  mkdir -p "${corpora[@]}"
  ln -sf "$program" "build/fuzz/fuzz_$target"
  used=$({ time ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
    "build/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=16384 -timeout=120 -rss_limit_mb=3000 \
    -use_value_profile=$((RANDOM % 2)) -entropic=$entropic -dict=tests/fuzz/json.dict \
    -artifact_prefix="build/fuzz/crashes/$target-" -print_final_stats=1 "${corpora[@]}" >"$out" 2>&1; } 2>&1) || status=$?
  echo "$target: $(awk '{ print $1 + $2 }' <<<"$used") processor s," \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$out") runs," \
    "corpus of $(find "${corpora[0]}" -type f | wc -l) files, exit $status" | tee -a build/fuzz/log
  [ "$status" -eq 0 ] || { tail -n 30 "$out" >&2; return 1; }
}
export program
export -f run_target
count=$(wc -w <<<"$targets")
seconds=$(awk "BEGIN { s = int($minutes * 60 * $(nproc) / $count); print s < 1 ? 1 : s }")
printf '%s\n' $targets | xargs -P "$(nproc)" -I{} bash -euo pipefail -c "run_target {} $seconds"
