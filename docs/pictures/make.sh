#!/bin/sh
# Makes the pictures of docs/degradations.md, from "aitzgorri" by Aitzol Berasategi (Debian package
# lomiri-wallpapers-16.04, CC BY 4.0, which is the licence of these pictures too). Needs libvips-tools.
#
#     sh docs/pictures/make.sh build/src/cli/noiseda
set -e
program=$(realpath "$1")
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
vipsthumbnail /usr/share/backgrounds/aitzgorri_by_Aitzol_Berasategi.jpg --size 320x214 -o "$work/clean.png"
vips copy "$work/clean.png" "clean.jpg[Q=85,strip]"

picture() { # NAME DEGRADATION OPTIONS...
  name=$1 kind=$2
  shift 2
  mkdir -p "$work/$name"
  "$program" degrade "$kind" "$work/clean.png" "$@" -o "$work/$name" --seed 3 >/dev/null
  vips copy "$work/$name/clean.png" "$name.jpg[Q=85,strip]"
}

picture gaussian gaussian --set sigma=25
picture camera camera --set sensor=galaxy_s6 --set iso=1600
picture camera-retouched camera --set sensor=galaxy_s6 --set iso=1600 --set denoise=0.8 --set sharpen=1.5
picture camera-softened camera --set sensor=galaxy_s6 --set iso=1600 --set soften=0.7 --set soften_colour=2
picture rain rain --set angle=12 --set density=40
picture rain-drops rain --set density=5 --set drops=8 --set drop_radius_min=5 --set drop_radius_max=14
picture blur-shake blur --set length=40
picture blur-line blur --set shape=line --set length=12 --set angle=20
picture blur-disc blur --set shape=disc --set radius=4
picture jpeg jpeg --set quality=10
picture downscale downscale --set factor=4
picture chain rain --set density=30 --then "blur length=5" --then "camera iso=800" --then "jpeg quality=70"
