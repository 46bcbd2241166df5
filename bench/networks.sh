#!/bin/sh
# Times every network here and in every PyTorch at hand, in turn, and writes the table of docs/performance.md.
# usage: networks.sh BUILD_FOLDER
# PYTORCHES: interpreters that have torch (default: python3 and .peer/bin/python); MODES: of PyTorch (default: eager
# channels_last compile); ONLY: part of a line's name; ROUNDS: how often (default 1; each takes the median of
# STEPS, 5); LIMIT: seconds that a program may take (300); CLOCK: wall, or cpu for the processor's time, which with
# THREADS=1 can be compared on a machine that also does something else.
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
threads=${THREADS:-$(nproc)}
results=$build/networks.txt
clock=ms_median
[ "${CLOCK:-wall}" = wall ] || clock=cpu_ms_median
: >"$results"

have_torch() { "$1" -c 'import torch' >/dev/null 2>&1; }
pytorches=
for p in ${PYTORCHES:-python3 .peer/bin/python}; do
  command -v "$p" >/dev/null && have_torch "$p" && pytorches="$pytorches $p"
done

# keep NAME PROGRAM COMMAND...: its line of JSON
keep() {
  name=$1 program=$2
  shift 2
  line=$(timeout "${LIMIT:-300}" "$@" 2>/dev/null | tail -n 1) || line=
  [ -n "$line" ] || { echo "$name: $program failed, or took more than ${LIMIT:-300} s" >&2 && return; }
  echo "$name $program $line" | tee -a "$results" >&2
}

both() { # NAME NETWORK SETTINGS PATCH BATCH SIZE
  for work in train infer; do
    size=$4 batch=$5
    [ $work = train ] || { size=$6 batch=1; }
    name=$1/$work/$size/$batch
    case $name in *"${ONLY:-}"*) ;; *) continue ;; esac
    for _ in $(seq "${ROUNDS:-1}"); do
      keep "$name" noiseda "$build/bench/network" --network "$2" --settings "$3" --work $work --size "$size" \
        --batch "$batch" --threads "$threads" --steps "${STEPS:-5}"
      for p in $pytorches; do
        for mode in ${MODES:-eager channels_last compile}; do
          keep "$name" "$p-$mode" "$p" "$here/torch_network.py" --network "$2" --settings "$3" --work $work \
            --size "$size" --batch "$batch" --mode "$mode" --threads "$threads" --steps "${STEPS:-5}"
        done
      done
    done
  done
}

both unet unet "" 64 2 128
both dncnn dncnn "" 64 2 128
both nafnet nafnet "" 128 2 128
both uformer-t uformer "width=16;modulators=1;transposed_up=1" 128 1 128
both uformer-s uformer "modulators=1;transposed_up=1" 128 1 128
both uformer-b uformer "depths=1,2,8,8,2,8,8,2,1;modulators=1;transposed_up=1" 128 2 128
both swinir-light swinir "width=60;depths=6,6,6,6;heads=6,6,6,6" 64 1 128
both swinir swinir "" 64 1 128
both restormer restormer "" 128 1 128
both sr3 sr3 "" 64 4 128

number() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p"; }
median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }
printf '| network/work/side/batch | noiseda ms | PyTorch fastest ms | ratio | noiseda MB | PyTorch MB | share |\n'
printf '|---|---|---|---|---|---|---|\n'
cut -d' ' -f1 "$results" | uniq | while read -r name; do
  ours=$(grep -F "$name noiseda " "$results")
  ms=$(printf '%s\n' "$ours" | number "$clock" | median)
  mb=$(printf '%s\n' "$ours" | number peak_rss_mb | sort -n | tail -n 1)
  best=$(for program in $(grep -F "$name " "$results" | cut -d' ' -f2 | grep -v '^noiseda$' | sort -u); do
    lines=$(grep -F "$name $program " "$results")
    echo "$(printf '%s\n' "$lines" | number "$clock" | median) $(printf '%s\n' "$lines" | number peak_rss_mb | sort -n | tail -n 1) $program"
  done | sort -n | head -n 1)
  echo "$name $ms $mb $best" | awk '{ if (NF < 6) { print "| " $1 " | " $2 " | none | | " $3 " | | |"; next }
    mode = $6; sub(".*/", "", mode)
    printf "| %s | %.0f | %.0f (%s) | %.2f | %d | %d | %.0f %% |\n", $1, $2, $4, mode, $4 / $2, $3, $5, 100 * $3 / $5 }'
done
