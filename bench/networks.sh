#!/bin/sh
# Times every network here and in every PyTorch at hand, in turn, and writes the table of docs/performance.md.
# usage: networks.sh BUILD_FOLDER
# (a part of run.sh, which tells the variables; here MODES is eager alone unless given, and ROUNDS 1)
# STEPS: timed (5). CLOCK: wall, or cpu for the processor's time, which with THREADS=1 can be compared on a machine that
# also does something else. ONLY: part of a line's name.
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
ROUNDS=${ROUNDS:-1}
clock=ms_median
[ "${CLOCK:-wall}" = wall ] || clock=cpu_ms_median
LIMIT=${LIMIT:-300}
. "$here/measure.sh"
begin networks
find_pytorches

both() { # NAME NETWORK SETTINGS PATCH BATCH SIZE
  for work in train infer; do
    size=$4 batch=$5
    [ $work = train ] || { size=$6 batch=1; }
    name=$1/$work/$size/$batch
    case $name in *"${ONLY:-}"*) ;; *) continue ;; esac
    for _ in $(seq "$rounds"); do
      keep "$name" noiseda "$build/bench/network" --network "$2" --settings "$3" --work $work --size "$size" \
        --batch "$batch" --threads "$threads" --steps "${STEPS:-5}"
      for p in $pytorches; do
        for mode in ${MODES:-eager}; do
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
both guided guided "" 64 4 128
both sr3 sr3 "" 64 4 128

{
printf '| network/work/side/batch | noiseda ms | PyTorch fastest ms | ratio | noiseda MB | PyTorch MB | share |\n'
printf '|---|---|---|---|---|---|---|\n'
cut -d' ' -f1 "$results" | awk '!seen[$0]++' | while read -r name; do
  ours=$(lines "$name" noiseda)
  ms=$(printf '%s\n' "$ours" | number "$clock" | median)
  mb=$(printf '%s\n' "$ours" | number peak_rss_mb | largest)
  best=$(for program in $(programs "$name"); do
    echo "$(lines "$name" "$program" | number "$clock" | median) $(lines "$name" "$program" | number peak_rss_mb | largest) $program"
  done | sort -n | head -n 1)
  echo "$name $ms $mb $best" | awk '{ if (NF < 6) { print "| " $1 " | " $2 " | none | | " $3 " | | |"; next }
    mode = $6; sub(".*/", "", mode)
    printf "| %s | %.0f | %.0f (%s) | %.2f | %d | %d | %.0f %% |\n", $1, $2, $4, mode, $4 / $2, $3, $5, 100 * $3 / $5 }'
done
} | table networks
