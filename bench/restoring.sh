#!/bin/sh
# Times the restoring of a photo of 12 megapixels by a U-Net of width 64 here and in ONNX Runtime, OpenVINO and PyTorch,
# with the same weights (peer_restore.py).
# usage: restoring.sh BUILD_FOLDER   (a part of run.sh, which tells the variables)
# RUNTIMES: peers (default: openvino ort torch); TILES: tried for each, HEIGHTxWIDTH, 0 being the picture's (default:
# 1112x4000 0); HEIGHT, WIDTH: of the photo.
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
. "$here/measure.sh"
begin restoring
find_pytorches
python=$(for p in $pytorches; do
  "$p" -c 'import onnx, onnxruntime, openvino, safetensors, skimage' 2>/dev/null && echo "$p"
done | tail -n 1)
[ -n "$python" ] || { echo "no interpreter has torch, onnx, onnxruntime, openvino, safetensors and scikit-image" >&2 && exit 1; }
folder=$build/restoring
[ -f "$folder/photo.tif" ] || "$python" "$here/peer_restore.py" --make --height "${HEIGHT:-3000}" --width "${WIDTH:-4000}" "$folder"

# The whole process, from its start to the file.
ours() { # PRECISION
  /usr/bin/env time -f '{"seconds": %e, "whole_seconds": %e, "user": %U, "peak_rss_kb": %M}' "$build/src/cli/noiseda" \
    restore --model "$folder/model.safetensors" "$folder/photo.tif" -o "$folder/ours-$1.tif" --overwrite --quiet \
    --threads "$threads" --precision "$1" 2>&1
}
keep_ours() {
  line=$(ours "$1" | grep -v 'bf16 is\|no bf16' | tail -n 1)
  case $(ours_words "$1") in *"fp32 is used"*) return ;; esac
  mb=$(echo "$line" | number peak_rss_kb | awk '{ printf "%.0f", $1 / 1024 }')
  echo "$1 noiseda $(echo "$line" | sed 's/}$//'), \"peak_rss_mb\": $mb}" | tee -a "$results" >&2
}
# What it says about a precision that it does not have.
ours_words() {
  "$build/src/cli/noiseda" restore --model "$folder/model.safetensors" "$folder/photo.tif" -o "$folder/none.tif" \
    --dry-run --precision "$1" 2>&1 >/dev/null || true
}

# peer PRECISION RUNTIME TILE: within 1 of ours, or it does not count
peer() {
  [ "$1/$2" != bf16/ort ] || return 0 # it has no bf16 on x86
  keep "$1" "$2-$3" "$python" "$here/peer_restore.py" --runtime "$2" --tile "$3" --threads "$threads" --cold \
    --precision "$([ "$1" = fp32 ] && echo f32 || echo bf16)" --compare "$folder/ours-fp32.tif" "$folder"
}

for _ in $(seq "$rounds"); do
  for precision in ${PRECISIONS:-fp32 bf16}; do
    keep_ours "$precision"
    for runtime in ${RUNTIMES:-openvino ort torch}; do
      for tile in ${TILES:-1112x4000 0}; do
        peer "$precision" "$runtime" "$tile"
      done
    done
  done
done

{
  echo '| precision | program | tiles | seconds | whole process | peak MiB | times noiseda |'
  echo '|---|---|---|---|---|---|---|'
  cut -d' ' -f1,2 "$results" | awk '!seen[$0]++' | sort -s -r -k1,1 | while read -r precision program; do
    ours=$(lines "$precision" noiseda | number seconds | median)
    [ -n "$ours" ] || ours=$(lines fp32 noiseda | number seconds | median)
    l=$(lines "$precision" "$program")
    echo "$precision ${program%%-*} ${program#*-} $(echo "$l" | number seconds | median)" \
      "$(echo "$l" | number whole_seconds | median) $(echo "$l" | number peak_rss_mb | largest) $ours" | awk '
      { if ($2 == "noiseda") printf "| %s | noiseda | | **%.1f** | %.1f | %d | |\n", $1, $4, $5, $6
        else printf "| %s | %s | %s | %.1f | %.1f | %d | **%.2f** |\n", $1, $2, $3, $4, $5, $6, $4 / $7 }'
  done
} | table restoring
