#!/bin/sh
# Times a training step here and in every PyTorch at hand, in turn, several times over, and writes the tables of
# docs/performance.md to standard output; every measurement is shown as it is made and kept in BUILD_FOLDER/steps.txt.
# usage: run.sh BUILD_FOLDER
# PYTORCHES: interpreters that have torch (default: python3 and, where there is one, .peer/bin/python).
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
rounds=${ROUNDS:-3}
threads=${THREADS:-$(nproc)}
results=$build/steps.txt
: >"$results"

have_torch() { "$1" -c 'import torch' >/dev/null 2>&1; }
pytorches=
for p in ${PYTORCHES:-python3 .peer/bin/python}; do
  command -v "$p" >/dev/null && have_torch "$p" && pytorches="$pytorches $p"
done
[ -n "$pytorches" ] || echo "no PyTorch at hand: only noiseda is timed (PYTORCHES=... names interpreters)" >&2

# one KIND COMMAND...: keeps the line of JSON with its kind in front
one() {
  kind=$1
  shift
  line=$("$@" 2>/dev/null | tail -n 1)
  [ -n "$line" ] || { echo "$kind failed" >&2 && return; }
  echo "$kind $line" | tee -a "$results" >&2
}

setting() { # NAME PATCH BATCH
  for _ in $(seq "$rounds"); do
    one "noiseda/$1/$2/$3" "$build/bench/step" --setting "$1" --patch "$2" --batch "$3" --threads "$threads"
    for p in $pytorches; do
      for mode in ${MODES:-eager channels_last compile}; do
        one "$p-$mode/$1/$2/$3" "$p" "$here/torch_step.py" --setting "$1" --patch "$2" --batch "$3" --mode "$mode" \
          --threads "$threads"
      done
    done
  done
}

setting small 64 4
setting release 64 3
setting release 128 1
setting release 128 3

number() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p"; }
printf '| step | program | median ms | peak MB |\n|---|---|---|---|\n'
cut -d' ' -f1 "$results" | sort -u | while read -r kind; do
  lines=$(grep -F "$kind " "$results")
  ms=$(printf '%s\n' "$lines" | number ms_median | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }')
  mb=$(printf '%s\n' "$lines" | number peak_rss_mb | sort -n | tail -n 1)
  printf '| %s | %s | %s | %s |\n' "${kind#*/}" "${kind%%/*}" "$ms" "$mb"
done | sort
