#!/bin/sh
# Fits the model of pristine photos that NIQE in noiseda compares with: photographs of the Debian 12 packages
# lomiri-wallpapers-16.04, lomiri-wallpapers-20.04, mate-backgrounds and plasma-workspace-wallpapers (licences:
# docs/metrics.md; nothing of the photos but these 1332 numbers is kept). From the top of the sources:
#
#     sh recipes/niqe/fit.sh build/src/cli/noiseda src/image/niqe_standard.txt
set -e
program=$1
out=$2
shift 2
set -- /usr/share/backgrounds/*_by_Aitzol_Berasategi.jpg /usr/share/backgrounds/*_by_Peter_Nerlich.jpg \
  /usr/share/backgrounds/*_by_freespace.jpg /usr/share/backgrounds/mate/nature/*.jpg
for name in Bridge_by_Sander_Klootwijk Dragonfly_by_Bolly Kleiber_by_Lukas_Baubkus Wine_by_Jakkub_Mede \
  seeding_by_Clements_Engelhardt; do
  set -- "$@" "/usr/share/backgrounds/$name.jpg"
done
for name in BytheWater ColdRipple ColorfulCups EveningGlow FallenLeaf Grey OneStandsOut Path; do
  set -- "$@" "/usr/share/wallpapers/$name/contents/images/2560x1600.jpg"
done
"$program" niqe "$@" --side "${SIDE:-768}" -o "$out" --overwrite
