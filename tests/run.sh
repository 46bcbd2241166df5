#!/bin/sh
# Runs all tests of a build folder and ends on one line, "N passed, N failed", counted over the single tests inside
# the programs. Exit status 1 when any failed.
build=$1
# Sanitizers and a busy machine take their time.
meson test -C "$build" --timeout-multiplier 8 --no-rebuild --print-errorlogs --num-processes "${ND_TEST_PROCESSES:-2}" 2>/dev/null
status=$?
results=$build/meson-logs/testlog.txt
count() { awk -v what="$1" '$1 == "[" && $2 == what && $5 ~ /^test/ { n += $4 } END { print n + 0 }' "$results"; }
passed=$(count PASSED)
failed=$(count FAILED)
skipped=$(count SKIPPED)
# A program that died or timed out counts as one failure even where it printed none.
[ "$status" -ne 0 ] && [ "$failed" -eq 0 ] && failed=1
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$status" -eq 0 ]
