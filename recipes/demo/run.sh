#!/bin/sh
# The demo: takes the photographs of two Debian packages apart into clean ones, "real" ones (through the camera model,
# unlabelled) and held-out ones; starts three models from the same source-only weights and trains them for the same
# number of steps: on synthetic noise alone, adapted to the real photos, and an oracle on the real photos' true pairs;
# then compares them on the held-out photos. usage: [SEED=N] run.sh PROGRAM [FOLDER]
set -eu
program=$1
out=${2:-demo}
seed=${SEED:-1}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
cd "$out"
start=$(date +%s)

say() { printf '%s\n' "[$(($(date +%s) - start)) s] $*"; }

prepare() {
  [ -f prepared ] && return
  say "preparing photographs"
  rm -rf photos clean real real_clean test test_clean
  mkdir -p photos clean real_clean test_clean
  for f in /usr/share/backgrounds/*_by_*.jpg /usr/share/backgrounds/mate/nature/*.jpg; do
    vipsthumbnail "$f" --size 1024x1024 -o "$PWD/photos/%s.png"
  done
  i=0
  for f in photos/*.png; do # of four photos two are clean, one is real, one is held out
    case $((i % 4)) in 3) to=test_clean ;; 1) to=real_clean ;; *) to=clean ;; esac
    mv "$f" $to/
    i=$((i + 1))
  done
  "$program" degrade camera real_clean -o real --seed 11 >/dev/null
  "$program" degrade camera test_clean -o test --seed 12 >/dev/null
  touch prepared
}

# train NAME KEY=VALUE...: skipped when it is done, continued when it was interrupted
train() {
  name=$1
  shift
  [ -f "$name/done" ] && return
  say "training $name"
  if [ -f "$name/manifest.json" ]; then
    "$program" train --resume "$name"
  else
    rm -rf "$name"
    set -- "$@" seed="$seed" validation.input=test validation.target=test_clean validation.every=200
    sets=
    for s in "$@"; do sets="$sets --set $s"; done
    # shellcheck disable=SC2086 # none of the values has a space
    "$program" train "$here/base.yaml" $sets -o "$name"
  fi
  touch "$name/done"
}

prepare
from=training.init_from=$here/source.safetensors
gaussian="data.clean=clean data.degradation.kind=gaussian data.degradation.sigma_max=25"
# shellcheck disable=SC2086
train source mode=source $gaussian "$from"
# shellcheck disable=SC2086
train adapted mode=paired $gaussian data.real=real "$from"
train oracle mode=source data.input=real data.target=real_clean "$from"

say "evaluating"
for name in source adapted oracle; do
  "$program" eval --model $name/model.safetensors --input test --target test_clean >$name.txt
  "$program" restore --model $name/model.safetensors test -o restored-$name --overwrite >/dev/null
done
sh "$here/report.sh" "$PWD" >report.html
say "done: $PWD/report.html"
awk 'FNR == 1 { n++ } $1 == "mean" { psnr[n] = $2; ssim[n] = $3; input = $4 }
  END { printf "held-out camera photos: input %.2f dB, source-only %.2f, adapted %.2f, oracle %.2f\n", input, psnr[1],
        psnr[2], psnr[3];
        printf "distance %.2f dB; adaptation closes %.0f %% of it (SSIM: %.0f %%)\n", psnr[3] - psnr[1],
        100 * (psnr[2] - psnr[1]) / (psnr[3] - psnr[1]), 100 * (ssim[2] - ssim[1]) / (ssim[3] - ssim[1]) }' \
  source.txt adapted.txt oracle.txt
