#!/usr/bin/env bash
# Puts the tables of suites into docs/src/results.md, each in the place of its section, or at the end where it has none:
# bench/results.sh FOLDER…, each the --out of a `rlad bench`.
set -euo pipefail
cd "$(dirname "$0")/.."
results=docs/src/results.md
section=$(mktemp)
trap 'rm -f "$section"' EXIT
for folder in "$@"; do
    # A suite's title is a section here; text is as wide as elsewhere, tables are as wide as they are.
    sed 's/^#/##/' "$folder/results.md" \
        | awk '/^\|/ || length <= 120 { print; next } { print | "fold -s -w 120"; close("fold -s -w 120") }' \
        | sed 's/ *$//' > "$section"
    title=$(head -1 "$section")
    grep -qxF "$title" "$results" || printf '\n%s\n' "$title" >> "$results"
    awk -v title="$title" -v section="$section" '
        $0 == title { while ((getline line < section) > 0) print line; within = 1; next }
        within && /^## / { within = 0; print "" }
        !within
    ' "$results" > "$results.new"
    mv "$results.new" "$results"
done
