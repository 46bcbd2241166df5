#!/bin/sh
# Lays out pictures for the studies, as links: prepare.sh FROM OUT. Each task gets a synthetic domain, and a real one in
# three parts that share no scene: real (photos without targets), truth (pairs, for the oracle alone) and test. The real
# domain is that of the test pictures, so that there is a distance to close and an oracle to measure it by:
#   denoise  Gaussian noise on clean photos; PolyU and other cameras. Half of test/ goes to truth/
#   derain   light synthetic rain; heavy rain. Half of test/ goes to truth/, whose inputs are the real photos as well
#   deblur   simulated camera shake on the clean photos; frames of REDS. Three of its scenes are the test, the inputs of
#            the others the real photos, with their targets the truth
set -eu
from=$(cd "$1" && pwd)
out=$2

halve() { # every second pair of a folder to truth/, the others to test/
  for side in input target; do
    mkdir -p "$out/$1/truth/$side" "$out/$1/test/$side"
    i=0
    for file in "$from/$1/test/$side"/*; do
      case $((i % 2)) in 0) to=truth ;; 1) to=test ;; esac
      ln -s "$file" "$out/$1/$to/$side/"
      i=$((i + 1))
    done
  done
}

by_scene() {
  for side in input target; do
    mkdir -p "$out/$1/truth/$side" "$out/$1/test/$side"
    for file in "$from/$1"/synthetic/$side/reds_* "$from/$1"/test/$side/reds_*; do
      case $file in *_test_000_* | *_test_001_* | *_train_000_*) to=test ;; *) to=truth ;; esac
      ln -s "$file" "$out/$1/$to/$side/"
    done
  done
}

rm -rf "${out:?}/denoise" "$out/derain" "$out/deblur"
halve denoise
ln -s "$from/denoise/clean" "$out/denoise/clean"
ln -s "$from/denoise/real" "$out/denoise/real"
halve derain
ln -s "$from/derain/synthetic" "$out/derain/synthetic"
ln -s truth/input "$out/derain/real"
by_scene deblur
ln -s "$from/denoise/clean" "$out/deblur/clean"
ln -s truth/input "$out/deblur/real"
