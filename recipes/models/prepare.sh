#!/bin/sh
# Makes the training and validation sets of the shipped models: prepare.sh PROGRAM OUT [ROOT]. PROGRAM is noiseda, ROOT the
# folder that the packages of photos.txt are unpacked below (/ if they are installed). Needs vipsthumbnail (libvips-tools).
#
# Photographs are made smaller, which takes their own noise and JPEG's marks away. Each line of cameras.txt is then a camera
# that takes all of them twice with the same random draws, with and without the noise of its sensor: a pair differs in
# noise and in JPEG alone, so that a model learns to leave sharpness and colours as they are.
#
# train and validation are of the cameras of cameras.txt; mild and soft, for later stages, of those of cameras-mild.txt and
# cameras-soft.txt, each pair twice, and of four of the first.
set -eu
program=$(realpath "$1")
mkdir -p "$2"
out=$(realpath "$2")
root=$(realpath "${3:-/}")
here=$(cd "$(dirname "$0")" && pwd)
cd "$out"

# size FILE: half of the longer side, at most 960; pictures that are small already stay as they are
size() {
  long=$(vipsheader -f width "$1"); high=$(vipsheader -f height "$1")
  [ "$high" -gt "$long" ] && long=$high
  [ "$long" -lt 1000 ] && echo "$long" && return
  [ "$long" -gt 1920 ] && long=1920
  echo $((long / 2))
}

photos() {
  rm -rf clean held
  mkdir clean held
  i=0
  grep -v '^#' "$here/photos.txt" | cut -f1 | while read -r path; do
    case $((i % 7)) in 6) to=held ;; *) to=clean ;; esac
    vipsthumbnail "$root$path" --size "$(size "$root$path")" -o "$out/$to/$(printf %02d $i).png[strip]"
    i=$((i + 1))
  done
}

# scaled FACTOR DIR: every picture of DIR to FACTOR times its size, as a photo that is kept smaller or looked at larger
scaled() {
  [ "$1" = 1 ] && return
  for f in "$2"/*.png; do
    n=$(vipsheader -f width "$f")
    vipsthumbnail "$f" --size "$(awk "BEGIN {print int($n * $1)}")x10000" -o "$out/$2/s-%s.png"
    rm "$f"
  done
}

# enlarged FACTOR DIR: into the folder large, FACTOR times as large, the middle of at most 960 x 720
enlarged() {
  rm -rf large
  mkdir large
  for f in "$2"/*.png; do
    [ "$1" = 1 ] && ln -s "$out/$f" large/ && continue
    vips resize "$f" large.v "$1"
    w=$(vipsheader -f width large.v) h=$(vipsheader -f height large.v)
    [ "$w" -gt 960 ] && w=960
    [ "$h" -gt 720 ] && h=720
    vips smartcrop large.v "large/$(basename "$f")" "$w" "$h" --interesting centre
  done
  rm -f large.v
}

# camera FROM TO NUMBER SCALE QUALITY SETTINGS...
camera() {
  from=$1 to=$2 number=$3 scale=$4 quality=$5
  shift 5
  for noise in true false; do
    set -- "$@" "noise=$noise"
    "$program" degrade camera "$from" -o "noise-$noise" --seed "$number" --set quality=0 \
      $(printf -- '--set %s ' "$@") >/dev/null
    scaled "$scale" "noise-$noise"
  done
  "$program" degrade jpeg noise-true -o jpeg --seed "$number" \
    --set "quality_min=${quality%-*}" --set "quality_max=${quality#*-}" >/dev/null
  for f in jpeg/*; do mv "$f" "$to/input/$number-$(basename "$f")"; done
  for f in noise-false/*; do mv "$f" "$to/target/$number-$(basename "$f")"; done
  rm -rf noise-true noise-false jpeg
}

all() { # FROM TO NUMBER CAMERAS
  rm -rf "$2"
  mkdir -p "$2/input" "$2/target"
  number=${3}
  grep -v '^#' "$here/$4" | while read -r enlargement scale quality settings; do
    number=$((number + 1))
    enlarged "$enlargement" "$1"
    # shellcheck disable=SC2086 # the settings are several words
    camera large "$2" "$number" "$scale" "$quality" $settings
  done
  rm -rf large
}

# mixed SET FIRST: what is in the set (its cameras are FIRST01 on) once more under another name, and four cameras of train
mixed() {
  for kind in input target; do
    for f in "$1/$kind/$2"*; do ln "$f" "$1/$kind/again-$(basename "$f")"; done
    for n in 101 104 106 110; do ln train/$kind/$n-* "$1/$kind/"; done
  done
}

photos
all clean train 100 cameras.txt
all held validation 200 cameras.txt
all clean mild 300 cameras-mild.txt
mixed mild 3
all clean soft 500 cameras-soft.txt
mixed soft 5
