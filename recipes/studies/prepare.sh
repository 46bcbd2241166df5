#!/bin/sh
# Lays out pictures for the studies, as links: prepare.sh FROM OUT. FROM holds TASK/{real,test/input,test/target} for
# denoise, derain and deblur, and denoise/clean, derain/synthetic/{input,target}, deblur/synthetic/{input,target}. Every
# second pair of a test goes to TASK/truth, where the oracle learns; the others stay to test on, for all.
set -eu
from=$(cd "$1" && pwd)
out=$2
for task in denoise derain deblur; do
  rm -rf "${out:?}/$task"
  for side in input target; do
    mkdir -p "$out/$task/truth/$side" "$out/$task/test/$side"
    i=0
    for file in "$from/$task/test/$side"/*; do
      case $((i % 2)) in 0) to=truth ;; 1) to=test ;; esac
      ln -s "$file" "$out/$task/$to/$side/"
      i=$((i + 1))
    done
  done
  ln -s "$from/$task/real" "$out/$task/real"
done
ln -s "$from/denoise/clean" "$out/denoise/clean"
ln -s "$from/derain/synthetic" "$out/derain/synthetic"
ln -s "$from/deblur/synthetic" "$out/deblur/synthetic"
