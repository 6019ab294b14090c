#!/bin/sh
# Runs every fuzz target, each for so many seconds (60 where none are given), or those that are named:
#     fuzz/run.sh [SECONDS [TARGET...]]
# It needs `cargo install cargo-fuzz --locked` and a nightly compiler. Seeds are made anew; what targets find goes on in fuzz/corpus, and an
# input that fails lies in fuzz/artifacts. Sums that overflow are failures, and so is an input that takes 20 s or 2 GiB.
set -eu
cd "$(dirname "$0")"
seconds=60
if [ $# -gt 0 ]; then
    seconds=$1
    shift
fi
# The code of this repository has no unsafe block, so an address sanitizer would only slow it down.
fuzz() { cargo +nightly fuzz "$@"; }
fuzz build --sanitizer none
fuzz run --sanitizer none seeds
failed=""
for target in ${*:-$(fuzz list | grep -vx seeds)}; do
    mkdir -p "corpus/$target"
    echo "== $target"
    fuzz run --sanitizer none "$target" -- \
        -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 2>&1 |
        tee "corpus/$target.log" |
        grep -E "panicked|ERROR|SUMMARY|Test unit written|DONE|stat::(number_of_executed_units|average_exec_per_sec|peak_rss_mb)" || true
    grep -q "Test unit written" "corpus/$target.log" && failed="$failed $target"
done
if [ -n "$failed" ]; then
    echo "failures:$failed"
    exit 1
fi
