#!/bin/sh
# Times a training step here and in every PyTorch at hand, in every mode.
# usage: training.sh BUILD_FOLDER   (a part of run.sh, which tells the variables)
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/measure.sh"
begin training
find_pytorches

# Compiling takes a minute or more, so it is done in the first round only, and not where a step takes half a minute.
peers() { # SETTING PATCH BATCH PRECISION ROUND
  for p in $pytorches; do
    for mode in ${MODES:-eager channels_last compile}; do
      [ "$mode" != compile ] || { [ "$5" = 1 ] && [ "$2/$3" != 128/3 ]; } || continue
      keep "$1/$2/$3/$4" "$(label "$p" | tr ' ' -)-$mode" "$p" "$here/torch_step.py" --setting "$1" --patch "$2" \
        --batch "$3" --precision "$4" --mode "$mode" --threads "$threads" --steps 3 --warm-up 1
    done
  done
}

for precision in ${PRECISIONS:-fp32 bf16}; do
  for round in $(seq "$rounds"); do
    for s in ${SETTINGS:-small/64/4 release/64/3 release/128/1 release/128/3}; do
      patch=${s#*/}
      keep "$s/$precision" noiseda "$build/bench/step" --setting "${s%%/*}" --patch "${patch%/*}" --batch "${s##*/}" \
        --threads "$threads" $([ "$precision" = fp32 ] || echo --precision "$precision")
      peers "${s%%/*}" "${patch%/*}" "${s##*/}" "$precision" "$round"
    done
  done
done

# fastest WORK: "MS MB PROGRAM" of the fastest peer
fastest() {
  for program in $(programs "$1"); do
    echo "$(lines "$1" "$program" | number ms_median | median) $(lines "$1" "$program" | number peak_rss_mb | largest) $program"
  done | sort -n | head -n 1
}

row() { # WORK: a line of the table
  work=$1
  ours=$(lines "$work" noiseda) || return 0
  full=$(fastest "${work%/*}/fp32")
  peak=$("$build/bench/peak" --threads "$threads" | number "${work##*/}_gflops")
  echo "$work $(echo "$ours" | number ms_median | median) $(echo "$ours" | number peak_rss_mb | largest)" \
    "$(echo "$ours" | number gflop | median) $(echo "$ours" | number gflop_done | median) $peak" \
    "$(fastest "$work") | ${full:-0}" | awk '
    function share(gflop) { return gflop > 0 ? sprintf("%.0f %%", 100 * gflop / $2 * 1000 / $6) : "" }
    { split($1, w, "/"); peer = NF > 8 && $7 != "|"
      printf "| %s, patch %s, batch %s, %s | **%.0f** |", w[1], w[2], w[3], w[4], $2
      if (peer) printf " %.0f (%s) | **%.2f** |", $7, $9, $7 / $2; else printf " none | |"
      full = $0; sub(/.*\| /, "", full); split(full, f, " ")
      if (w[4] == "bf16" && f[1] > 0) printf " %.2f |", f[1] / $2; else printf " |"
      printf " %d |", $3
      if (peer) printf " %.0f %% |", 100 * $3 / $8; else printf " |"
      printf " %s | %s |\n", share($4), share($5) }'
}

{
  echo '| step | ms | fastest PyTorch, ms | times as fast | as its fp32 | peak MB | of its | of peak, counted | done |'
  echo '|---|---|---|---|---|---|---|---|---|'
  cut -d' ' -f1 "$results" | awk '!seen[$0]++' | while read -r work; do row "$work"; done
} | table training
{
  echo '| step | program | ms | peak MB |'
  echo '|---|---|---|---|'
  cut -d' ' -f1,2 "$results" | awk '!seen[$0]++' | while read -r work program; do
    echo "| $work | $program | $(lines "$work" "$program" | number ms_median | median) |" \
      "$(lines "$work" "$program" | number peak_rss_mb | largest) |"
  done
} | table "all of training"
