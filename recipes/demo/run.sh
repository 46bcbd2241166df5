#!/bin/sh
# The demo: takes the photographs of two Debian packages apart into clean ones, "real" ones (through the camera model,
# unlabelled) and held-out ones; starts four models from the same source-only weights and trains them for the same
# number of steps: on synthetic noise alone, adapted to the real photos in two ways, and an oracle on the real photos'
# true pairs; then compares them on the held-out photos (study.yaml). usage: [SEED=N] run.sh PROGRAM [FOLDER]
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
  # Named by their packages: other wallpapers may lie in the same folders.
  dpkg -L lomiri-wallpapers-16.04 mate-backgrounds |
    grep -E '/backgrounds/([^/]*_by_[^/]*|mate/nature/[^/]*)[.]jpg$' | while read -r f; do
    vipsthumbnail "$f" --size 1024x1024 -o "$PWD/photos/%s.png"
  done
  i=0
  for f in photos/*.png; do # of four photos two are clean, one is real, one is held out
    case $((i % 4)) in 3) to=test_clean ;; 1) to=real_clean ;; *) to=clean ;; esac
    mv "$f" $to/
    i=$((i + 1))
  done
  "$program" degrade camera real_clean -o real --seed 11 --overwrite >/dev/null
  "$program" degrade camera test_clean -o test --seed 12 --overwrite >/dev/null
  touch prepared
}

prepare
say "training and comparing"
"$program" study "$here/study.yaml" -o "$PWD" --set training.init_from="$here/source.safetensors" --set seed="$seed"
awk -F, '$4 == "psnr" { if (!input++) printf "held-out camera photos: input %.2f dB", $7
    printf ", %s %.2f", $2, $8; psnr[$2] = $13 }
  $4 == "ssim" { ssim[$2] = $13 }
  END { print ""
    split("adapted grafted", name, " ")
    for (i = 1; i <= 2; i++)
      printf "%s closes %.0f %% of the distance (SSIM: %.0f %%)\n", name[i], 100 * psnr[name[i]], 100 * ssim[name[i]] }' summary.csv
say "done: $PWD/report.html"
