#!/bin/sh
# What share of a training step is spent waiting for data, by recipe: the mean over the steps after the first three, and
# the longest. Photographs are those of DATA (default ../shared/data), which are read and decoded anew by each run.
# usage: waiting.sh BUILD_FOLDER   (a part of run.sh, which tells the variables; STEPS of each, default 60)
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/measure.sh"
begin waiting
data=$(cd "${DATA:-$here/../../shared/data}" 2>/dev/null && pwd) || {
  [ -n "${KEPT:-}" ] || { echo "no photographs at ${DATA:-../shared/data} (DATA=... names others)" >&2 && exit 1; }
}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# waits NAME STEPS RECIPE [KEY=VALUE ...]
waits() {
  name=$1 steps=$2 recipe=$here/../recipes/$3
  shift 3
  rm -rf "$folder/run"
  "$build/src/cli/noiseda" train "$recipe" -o "$folder/run" $(options training.steps="$steps" output.log_every=1 \
    validation.every=0 training.threads="$threads" "$@") >/dev/null 2>"$folder/log" || {
    cat "$folder/log" >&2
    return 1
  }
  awk -F, -v name="$name" 'NR > 4 { sum += $10; n++; if ($10 > most) most = $10; rate = $9 }
    END { printf "%s noiseda {\"wait_share\": %.4f, \"longest\": %.4f, \"images_per_second\": %.1f}\n", name, sum / n, most, rate }' \
    "$folder/run/log.csv" | tee -a "$results" >&2
}

pairs() { echo "mode=$2 data.input=$data/$1/synthetic/input data.target=$data/$1/synthetic/target data.real=$data/$1/real"; }
if [ -z "${KEPT:-}" ]; then
  photos="data.clean=$data/denoise/clean data.real=$data/denoise/real"
  steps=${STEPS:-60}
  waits denoise-small "$steps" denoise-small.yaml $photos
  waits denoise-small,source "$steps" denoise-small.yaml $photos mode=source
  waits denoise "$((steps / 6 + 4))" denoise.yaml $photos data.batch_size=3
  for task in derain deblur; do
    waits "studies,$task" "$steps" studies/small.yaml task=$task $(pairs $task paired)
    waits "studies,$task,source" "$steps" studies/small.yaml task=$task $(pairs $task source)
  done
fi
{
  echo '| recipe | waiting, mean | longest step | images/s |'
  echo '|---|---|---|---|'
  while read -r name _ line; do
    echo "$name $(echo "$line" | number wait_share) $(echo "$line" | number longest) $(echo "$line" | number images_per_second)"
  done <"$results" | awk '{ gsub(",", ", ", $1); printf "| %s | **%.1f %%** | %.1f %% | %.1f |\n", $1, 100 * $2, 100 * $3, $4 }'
} | table waiting
