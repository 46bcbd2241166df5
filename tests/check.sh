# For tests in shell: each check is a function, and lines as cmocka's are said, which tests/run.sh counts.
passed=0
failed=0

check() {
  if said=$("$1" 2>&1); then passed=$((passed + 1)); else
    failed=$((failed + 1))
    printf '[  FAILED  ] %s\n%s\n' "$1" "$said"
  fi
}

# The last line of such a test.
finish() {
  echo "[  PASSED  ] $passed test(s)."
  [ $failed = 0 ] || { echo "[  FAILED  ] $failed test(s)" && exit 1; }
}
