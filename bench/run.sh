#!/bin/sh
# Measures what docs/performance.md says, part by part, and writes its tables there. Each part takes what it compares
# in turn, several times over, and keeps every line in BUILD_FOLDER/PART.txt.
# usage: run.sh BUILD_FOLDER [PART ...]   parts: training networks restoring startup processes waiting
# (default: all)
# From the environment:
#   QUICK=1       one round of each
#   ROUNDS        rounds (default 2)
#   THREADS       threads of every program (default: all processors)
#   PYTORCHES     interpreters that have torch (default: python3 and .peer/bin/python); the last one that has onnxruntime
#                 and openvino, too, runs them
#   MODES         PyTorch's modes in training (default: eager channels_last compile)
#   PRECISIONS    of training (default: fp32 bf16)
#   SETTINGS      of training, as SETTING/PATCH/BATCH
#   KEPT=1        measure nothing, write the tables of what was measured last
#   DOCUMENT      where the tables go (default: docs/performance.md)
set -eu
build=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
for part in ${*:-training networks restoring startup processes waiting}; do
  case $part in
  training | networks | restoring | startup | waiting) sh "$here/$part.sh" "$build" ;;
  processes) sh "$here/mpi.sh" "$build" ;;
  *) echo "there is no part '$part'" >&2 && exit 2 ;;
  esac || echo "$part failed: its table is as it was" >&2
done
