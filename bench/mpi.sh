#!/bin/sh
# Training by two processes of one thread against one process of two threads: the same batch, the same machine, in
# turn. Its table: images per second (medians over steps and rounds) and their ratio; then what all-reduces cost between
# two processes, over shared memory and over TCP on the loopback.
# usage: mpi.sh BUILD_FOLDER [RECIPE] [KEY=VALUE ...]   (a part of run.sh, which tells the variables; ROUNDS is 3 here)
set -eu
build=$1
recipe=${2:-$(dirname "$0")/../recipes/denoise-small.yaml}
program=$build/src/cli/noiseda
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 2 ]; then # the photographs are those of DATA (default ../shared/data)
  data=${DATA:-$here/../../shared/data}
  set -- "data.clean=$data/denoise/clean" "data.real=$data/denoise/real"
else
  shift 2
fi
ROUNDS=${ROUNDS:-${QUICK:-3}}
. "$here/measure.sh"
steps=${STEPS:-12}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# As root in a container mpirun wants to be told that this is meant.
[ "$(id -u)" != 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1

sets=$(options training.steps="$steps" output.log_every=1 validation.every=0 "$@")

# run NAME THREADS COMMAND...: appends the images per second of each step but the first two, which warm up
run() {
  name=$1 each=$2
  shift 2
  rm -rf "$folder/run"
  "$@" train "$recipe" -o "$folder/run" $sets --set training.threads="$each" >/dev/null
  awk -F, 'NR > 3 { print $9 }' "$folder/run/log.csv" >>"$folder/$name"
}
for _ in $(seq "$rounds"); do
  run one 2 "$program"
  run two 1 mpirun -np 2 "$program"
done
one=$(median <"$folder/one")
two=$(median <"$folder/two")
{
  echo '| what | figure |'
  echo '|---|---|'
  awk -v a="$one" -v b="$two" 'BEGIN {
    printf "| one process of two threads, images/s | %.2f |\n", a
    printf "| two processes of one thread, images/s | %.2f |\n| ratio | **%.2f** |\n", b, b / a }'
  for weights in ${WEIGHTS:-71.2 5.3}; do
    for btl in vader,self tcp,self; do
      line=$(mpirun --mca btl "$btl" --mca btl_tcp_if_include lo -np 2 "$build/bench/allreduce" --weights "$weights" 2>/dev/null)
      echo "| $weights M weights summed over ${btl%,self}, ms | $(echo "$line" | number gradient_ms) |"
      echo "| three numbers over ${btl%,self}, ms | $(echo "$line" | number numbers_ms) |"
    done
  done
} | table processes
