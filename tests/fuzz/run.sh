#!/usr/bin/env bash
# Builds the fuzzers and runs them, one a processor. Usage: run.sh MINUTES [TARGET...]
# MINUTES on all processors together, shared by the targets; 0.5 is fine. A target that crashes ends, the others go on;
# the exit code is then not 0. Corpora grow in build/fuzz/corpus/TARGET from tests/data/fuzz/TARGET and seeds.py; a
# crash stays in build/fuzz/crashes/. Every run adds a line to build/fuzz/log: target, seconds of processor time,
# executions, corpus size.
set -euo pipefail
cd "$(dirname "$0")/../.."
minutes=${1:?usage: ./dev fuzz MINUTES [TARGET...]}
shift
all=$(sed -n 's/^    {"\([a-z_]*\)".*/\1/p' tests/fuzz/fuzz_target.h | tr '\n' ' ')
targets=${*:-$all}
for target in $targets; do
  case " $all" in *" $target "*) ;; *) echo "fuzz: no target '$target': $all" >&2; exit 2 ;; esac
done

mkdir -p build/fuzz/crashes
cmake -S . -B build/fuzz -G Ninja -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Debug \
  -DCMAKE_CXX_FLAGS="-fsanitize=fuzzer-no-link" -DCMAKE_CXX_FLAGS_DEBUG=-O1 \
  -DGPTQ_DOCTOR_SANITIZE=address,undefined -DGPTQ_DOCTOR_BUILD_TESTS=OFF -DGPTQ_DOCTOR_BUILD_FUZZ=ON \
  $(command -v ccache >/dev/null && echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache) >build/fuzz/configure.log
cmake --build build/fuzz --parallel "$(nproc)" --target fuzzer >build/fuzz/compile.log || {
  grep -E 'error|FAILED' -A6 build/fuzz/compile.log >&2
  exit 1
}
python3 tests/fuzz/seeds.py build/fuzz/seeds

# run_target TARGET SECONDS
run_target() {
  local target=$1 seconds=$2 status=0 out=build/fuzz/$1.out used TIMEFORMAT='%U %S'
  local corpora=("build/fuzz/corpus/$target" "tests/data/fuzz/$target" "build/fuzz/seeds/$target")
  local entropic=1  # of a whole directory the bookkeeping of rare features would take most of the time
  case $target in directory | numbers) entropic=0 ;; esac
  mkdir -p "${corpora[@]}"
  ln -sf tests/fuzz/fuzzer "build/fuzz/fuzz_$target"
  used=$({ time ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
    "build/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=16384 -timeout=120 -rss_limit_mb=3000 \
    -use_value_profile=$((RANDOM % 2)) -entropic=$entropic -dict=tests/fuzz/json.dict \
    -artifact_prefix="build/fuzz/crashes/$target-" -print_final_stats=1 "${corpora[@]}" >"$out" 2>&1; } 2>&1) || status=$?
  echo "$target: $(awk '{ print $1 + $2 }' <<<"$used") processor s," \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "$out") runs," \
    "corpus of $(find "${corpora[0]}" -type f | wc -l) files, exit $status" | tee -a build/fuzz/log
  [ "$status" -eq 0 ] || { tail -n 30 "$out" >&2; return 1; }
}
export -f run_target
count=$(wc -w <<<"$targets")
seconds=$(awk "BEGIN { s = int($minutes * 60 * $(nproc) / $count); print s < 1 ? 1 : s }")
printf '%s\n' $targets | xargs -P "$(nproc)" -I{} bash -euo pipefail -c "run_target {} $seconds"
