# What the parts of the benchmark share: the PyTorches at hand, a line of JSON a measurement, medians, tables.
# A part is sourced after $build (the build folder) and $here (this folder) are set, and keeps its lines in
# $build/NAME.txt: WORK PROGRAM JSON.
rounds=${ROUNDS:-$([ -n "${QUICK:-}" ] && echo 1 || echo 2)}
threads=${THREADS:-$(nproc)}
limit=${LIMIT:-900} # seconds that one measurement may take
document=${DOCUMENT:-$here/../docs/performance.md}

# begin PART: its lines go to a new file. With KEPT=1 nothing is measured: the tables are those of the lines kept.
begin() {
  results=$build/$1.txt
  [ -z "${KEPT:-}" ] || { rounds=0 && return; }
  : >"$results"
}

have_torch() { "$1" -c 'import torch' >/dev/null 2>&1; }
find_pytorches() {
  pytorches=
  for p in ${PYTORCHES:-python3 .peer/bin/python}; do
    command -v "$p" >/dev/null && have_torch "$p" && pytorches="$pytorches $p"
  done
  [ -n "$pytorches" ] || echo "no PyTorch at hand: only noiseda is timed (PYTORCHES=... names interpreters)" >&2
}
# label INTERPRETER: "PyTorch 2.15"
label() { "$1" -c 'import torch; print("PyTorch", ".".join(torch.__version__.split(".")[:2]))'; }

# keep WORK PROGRAM COMMAND...: its line of JSON
keep() {
  kept="$1 $2" # not a name that a part's loop may have: functions of sh share their variables
  shift 2
  line=$(timeout "$limit" "$@" 2>/dev/null | grep '^{' | tail -n 1) || line=
  [ -n "$line" ] || { echo "$kept failed, or took more than $limit s" >&2 && return; }
  echo "$kept $line" | tee -a "$results" >&2
}

# lines WORK PROGRAM; number KEY < lines; median and largest of a column
lines() { grep -F "$1 $2 " "$results"; }
programs() { grep -F "$1 " "$results" | cut -d' ' -f2 | grep -v '^noiseda' | sort -u; }
options() { printf ' --set %s' "$@"; } # KEY=VALUE ...
number() { sed -n "s/.*\"$1\": \([0-9.]*\).*/\1/p"; }
median() { sort -n | awk '{ a[NR] = $1 } END { if (NR && NR % 2) print a[(NR + 1) / 2]; else if (NR) print (a[NR / 2] + a[NR / 2 + 1]) / 2 }'; }
largest() { sort -n | tail -n 1; }

# table NAME: standard input takes the place of what stands between the markers of NAME in the document, with the
# machine and the day. Shown, too.
table() {
  new=$(mktemp)
  { echo "<!-- $1: written by bench/run.sh -->"; echo "$(machine)"; echo; cat; echo "<!-- end of $1 -->"; } >"$new"
  cat "$new"
  grep -q "^<!-- $1: " "$document" || { echo "$document has no place for $1" >&2; rm "$new"; return 1; }
  awk -v name="$1" -v new="$new" '
    index($0, "<!-- " name ": ") == 1 { while ((getline line <new) > 0) print line; skip = 1 }
    !skip { print }
    index($0, "<!-- end of " name " -->") == 1 { skip = 0 }' "$document" >"$document.new"
  mv "$document.new" "$document"
  rm "$new"
}

# The machine in one line: processor, the instructions the kernels use, peaks measured now, versions, the day.
machine() {
  [ -n "${machine_line:-}" ] || machine_line=$(
    cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    peak=$("$build/bench/peak" --threads "$threads")
    echo "$cpu, $threads threads, $(echo "$peak" | sed 's/.*"instructions": "\([^"]*\)".*/\1/');" \
      "peak $(echo "$peak" | number fp32_gflops) GFLOP/s in fp32, $(echo "$peak" | number bf16_gflops) in bf16," \
      "$(echo "$peak" | number memory_gb) GB/s; $(date +%Y-%m-%d)")
  echo "$machine_line"
}
