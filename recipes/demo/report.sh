#!/bin/sh
# Writes the demo's report as one self-contained HTML page to standard output. usage: report.sh DEMO_FOLDER
set -eu
cd "$1"

mean() { awk -v column="$2" '$1 == "mean" { print $column }' "$1.txt"; }

share() { awk -v s="$1" -v a="$2" -v o="$3" 'BEGIN { if (o == s) print "-"; else printf "%.0f %%", 100 * (a - s) / (o - s) }'; }

embed() { printf 'data:image/png;base64,'; base64 -w0 "$1"; }

# crop PICTURE LEFT TOP: 128 x 128 pixels, three times enlarged
crop() {
  vips crop "$1" crop.v "$2" "$3" 128 128
  vips resize crop.v crop.png 3 --kernel nearest
  embed crop.png
}

figure() { printf '<figure><img src="%s" alt="%s"><figcaption>%s</figcaption></figure>\n' "$1" "$2" "$2"; }

row() { # NAME_OF_PICTURE
  width=$(vipsheader -f width "test/$1")
  height=$(vipsheader -f height "test/$1")
  left=$((width * 2 / 5)) top=$((height * 2 / 5))
  printf '<h3>%s</h3>\n<div class="row">\n' "$1"
  for each in "camera photo:test" "source-only:restored-source" "adapted:restored-adapted" "oracle:restored-oracle" \
    "truth:test_clean"; do
    figure "$(crop "${each#*:}/$1" "$left" "$top")" "${each%%:*}"
  done
  printf '</div>\n'
}

cat <<HTML
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>noiseda: adaptation on camera photos</title>
<style>
body { font: 16px/1.5 sans-serif; max-width: 1500px; margin: 2em auto; padding: 0 1em; color: #222 }
table { border-collapse: collapse } td, th { padding: .3em 1em; border-bottom: 1px solid #ccc; text-align: right }
td:first-child, th:first-child { text-align: left }
.row { display: flex; gap: 8px } figure { margin: 0; flex: 1 } img { width: 100% } figcaption { text-align: center }
.curves { display: flex; gap: 8px } .curves > div { flex: 1 } .curves svg { width: 100%; height: auto }
</style></head><body>
<h1>Denoising as adaptation, on photographs</h1>
<p>Three models start from the same source-only weights and train for the same number of steps: <b>source-only</b> on
clean photos with Gaussian noise; <b>adapted</b> on the same pairs and, through the diffusion model, on unlabelled camera
photos; the <b>oracle</b> on the camera photos with their truth, which adaptation never sees. All are judged on held-out
photos through the same camera model. PSNR and SSIM on RGB, 8 bits.</p>
<table><tr><th>model</th><th>PSNR (dB)</th><th>SSIM</th></tr>
<tr><td>camera photo as it is</td><td>$(mean source 4)</td><td>$(mean source 5)</td></tr>
<tr><td>source-only</td><td>$(mean source 2)</td><td>$(mean source 3)</td></tr>
<tr><td>adapted</td><td>$(mean adapted 2)</td><td>$(mean adapted 3)</td></tr>
<tr><td>oracle</td><td>$(mean oracle 2)</td><td>$(mean oracle 3)</td></tr></table>
<p>Share of the distance from source-only to oracle that adaptation closes: PSNR
$(share "$(mean source 2)" "$(mean adapted 2)" "$(mean oracle 2)"), SSIM
$(share "$(mean source 3)" "$(mean adapted 3)" "$(mean oracle 3)").</p>
<h2>Held-out PSNR during training</h2>
<div class="curves">
HTML
for name in source adapted oracle; do
  printf '<div><h3>%s</h3>\n' $name
  cat $name/curve.svg
  printf '</div>\n'
done
printf '</div>\n<h2>Details</h2>\n'
for f in test/*.png; do row "$(basename "$f")"; done
printf '</body></html>\n'
rm -f crop.v crop.png
