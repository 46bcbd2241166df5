#!/bin/sh
# The source-only weights from which the studies begin: warm.sh PROGRAM [STEPS], in the folder that prepare.sh made. From
# the demo's weights, each task on its own synthetic pairs.
set -eu
program=$1
steps=${2:-1500}
here=$(cd "$(dirname "$0")" && pwd)
warm() {
  task=$1
  shift
  "$program" train "$here/small.yaml" -o "warm/$task" --set task="$task" --set mode=source --set training.steps="$steps" \
    --set training.init_from="$here/../demo/source.safetensors" "$@"
}
warm denoise --set data.clean=denoise/clean --set data.degradation.kind=gaussian --set data.degradation.sigma_max=50
warm derain --set data.input=derain/synthetic/input --set data.target=derain/synthetic/target
warm deblur --set data.clean=deblur/clean --set data.degradation.kind=blur
