#!/usr/bin/env bash
# Puts the tables of suites into docs/src/results.md: bench/results.sh FOLDER…, each the --out of a `rlad bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
{
    cat bench/results_head.md
    for folder in "$@"; do
        # A suite's title is a section here.
        sed 's/^#/##/' "$folder/results.md"
        echo
    done
} > docs/src/results.md
