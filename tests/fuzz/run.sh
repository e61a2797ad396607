#!/usr/bin/env bash
# Builds the fuzzers and runs them, one a processor. Usage: run.sh MINUTES [TARGET...]
# MINUTES of processor time in all, shared by the targets; 0.5 is fine.
# Corpora grow in build/fuzz/corpus/TARGET from tests/data/fuzz/TARGET; a crash stays in build/fuzz/crashes/.
# Every run adds a line to build/fuzz/log: target, seconds, executions, corpus size.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:?usage: ./dev fuzz MINUTES [TARGET...]}
shift
all="header index json quant_config mapping settings baseline plan directory kernel"
targets=${*:-$all}
for target in $targets; do
  case " $all " in *" $target "*) ;; *) echo "fuzz: no target '$target': $all" >&2; exit 2 ;; esac
done

mkdir -p build/fuzz/crashes
cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Debug \
  -DCMAKE_CXX_FLAGS="-fsanitize=fuzzer-no-link" -DCMAKE_CXX_FLAGS_DEBUG=-O1 \
  -DGPTQ_DOCTOR_SANITIZE=address,undefined -DGPTQ_DOCTOR_BUILD_TESTS=OFF -DGPTQ_DOCTOR_BUILD_FUZZ=ON \
  $(command -v ccache >/dev/null && echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache) >build/fuzz/configure.log
cmake --build build/fuzz --parallel "$(nproc)" --target $(printf 'fuzz_%s ' $targets) >build/fuzz/compile.log || {
  grep -E 'error|FAILED' -A6 build/fuzz/compile.log >&2
  exit 1
}
python3 tests/fuzz/seeds.py build/fuzz/seeds

# run_target TARGET SECONDS
run_target() {
  local target=$1 seconds=$2 status=0 dictionary=tests/fuzz/json.dict
  local corpus=build/fuzz/corpus/$target
  mkdir -p "$corpus" "tests/data/fuzz/$target" "build/fuzz/seeds/$target"
  [ -f "tests/fuzz/$target.dict" ] && dictionary=tests/fuzz/$target.dict
  ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
    "build/fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=8192 -timeout=20 -rss_limit_mb=3000 \
    -dict="$dictionary" -artifact_prefix="build/fuzz/crashes/$target-" -print_final_stats=1 \
    "$corpus" "tests/data/fuzz/$target" "build/fuzz/seeds/$target" >"build/fuzz/$target.out" 2>&1 || status=$?
  local runs
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz/$target.out")
  echo "$target: $seconds s, ${runs:-?} runs, corpus of $(find "$corpus" -type f | wc -l) files, exit $status" |
    tee -a build/fuzz/log
  [ "$status" -eq 0 ] || { tail -n 30 "build/fuzz/$target.out" >&2; return 1; }
}
export -f run_target
count=$(wc -w <<<"$targets")
seconds=$(awk "BEGIN { s = int($minutes * 60 / $count); print s < 1 ? 1 : s }")
printf '%s\n' $targets | xargs -P "$(nproc)" -I{} bash -euo pipefail -c "run_target {} $seconds"
