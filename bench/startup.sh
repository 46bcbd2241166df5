#!/bin/sh
# From the command to the restored file of a crop of 256 x 256, beside a script with PyTorch and the same weights
# (peer_startup.py): whole processes, files in the page cache, both results compared.
# usage: startup.sh BUILD_FOLDER   (a part of run.sh, which tells the variables)
# RUNS: of each in a round (default 5); WIDTHS: of the U-Net (default: 64 32)
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/measure.sh"
begin startup
find_pytorches
python=$(for p in $pytorches; do "$p" -c 'import PIL, safetensors, skimage, onnx' 2>/dev/null && echo "$p"; done | tail -n 1)
[ -n "$python" ] || { echo "no interpreter has torch, PIL, onnx, safetensors and scikit-image" >&2 && exit 1; }
# timed WIDTH PROGRAM COMMAND...: wall time and peak of the whole process
timed() {
  width=$1 program=$2
  shift 2
  line=$(/usr/bin/env time -f '%e %U %S %M' "$@" 2>&1 >/dev/null | tail -n 1)
  echo "$line" | awk -v w="$width" -v p="$program" '{
    printf "%s %s {\"seconds\": %s, \"cpu_seconds\": %.2f, \"peak_rss_mb\": %.0f}\n", w, p, $1, $2 + $3, $4 / 1024 }' |
    tee -a "$results" >&2
}

prepare() { # WIDTH
  folder=$build/startup-$1
  [ ! -f "$folder/photo.png" ] || return 0
  "$python" "$here/peer_restore.py" --make --height 256 --width 256 --channels "$1" "$folder"
  "$python" -c 'import sys, torch; from PIL import Image; from safetensors.torch import load_file
torch.save(load_file(sys.argv[1] + "/model.safetensors"), sys.argv[1] + "/model.pt")
Image.open(sys.argv[1] + "/photo.tif").save(sys.argv[1] + "/photo.png")' "$folder"
}

compare() { # results within 1
  "$python" -c 'import sys; import numpy as np; from PIL import Image
a, b = (np.array(Image.open(sys.argv[1] + "/" + n)).astype(int) for n in ("ours.png", "theirs.png"))
assert np.abs(a - b).max() <= 1, "the results differ by %d" % np.abs(a - b).max()' "$folder"
}

for width in $([ -n "${KEPT:-}" ] || echo "${WIDTHS:-64 32}"); do
  prepare "$width"
  for _ in $(seq $((rounds * ${RUNS:-5}))); do
    timed "$width" noiseda "$build/src/cli/noiseda" restore --model "$folder/model.safetensors" "$folder/photo.png" \
      -o "$folder/ours.png" --overwrite --quiet --threads "$threads"
    OMP_NUM_THREADS=$threads timed "$width" pytorch "$python" "$here/peer_startup.py" "$width" "$folder/model.pt" \
      "$folder/photo.png" "$folder/theirs.png"
  done
  compare
done
{
  echo '| U-Net of width | noiseda s | PyTorch s | times as fast | noiseda MiB | PyTorch MiB |'
  echo '|---|---|---|---|---|---|'
  cut -d' ' -f1 "$results" | awk '!seen[$0]++' | while read -r width; do
    ours=$(lines "$width" noiseda)
    theirs=$(lines "$width" pytorch)
    echo "$width $(echo "$ours" | number seconds | median) $(echo "$theirs" | number seconds | median)" \
      "$(echo "$ours" | number peak_rss_mb | largest) $(echo "$theirs" | number peak_rss_mb | largest)" |
      awk '{ printf "| %s | **%.2f** | %.2f | **%.1f** | %d | %d |\n", $1, $2, $3, $3 / $2, $4, $5 }'
  done
} | table startup
