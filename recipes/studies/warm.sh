#!/bin/sh
# The source-only weights from which the studies begin: warm.sh PROGRAM [STEPS], in the folder that prepare.sh made. From
# the demo's weights, each task on its own synthetic pairs.
set -eu
program=$1
steps=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
warm() {
  task=$1
  shift
  "$program" train "$here/small.yaml" -o "warm/$task" --set task="$task" --set mode=source --set training.steps="${steps:-1500}" \
    --set training.init_from="$here/../demo/source.safetensors" "$@"
}
warm_network() { # from nothing, for networks.yaml
  name=$1
  shift
  "$program" train "$here/small.yaml" -o "warm/$name" --set task=denoise --set mode=source --set training.steps="${steps:-2000}" \
    --set restoration.network="$name" --set data.clean=denoise/clean --set data.degradation.kind=gaussian \
    --set data.degradation.sigma_max=50 "$@"
}
warm denoise --set data.clean=denoise/clean --set data.degradation.kind=gaussian --set data.degradation.sigma_max=50
warm derain --set data.input=derain/synthetic/input --set data.target=derain/synthetic/target
warm deblur --set data.clean=deblur/clean --set data.degradation.kind=blur \
  --set data.degradation.swings_min=4.3 --set data.degradation.swings_max=4.3 # a tangle: docs/results.md, "The shape of a shake"
warm_network dncnn --set restoration.width=32 --set restoration.depth=10
warm_network nafnet --set restoration.width=16 --set "restoration.encoder_blocks=[1, 1, 2]" --set restoration.middle_blocks=2 \
  --set "restoration.decoder_blocks=[1, 1, 1]"
warm_network swinir --set restoration.width=24 --set "restoration.depths=[2, 2]" --set "restoration.heads=[3, 3]"
