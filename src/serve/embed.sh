#!/bin/sh
# Writes the files given after the output's name into one C file.
set -e
out=$1
shift
{
  echo '#include "serve/serve-private.h"'
  i=0
  for file; do
    echo "static const unsigned char file$i[] = {"
    od -An -v -tu1 "$file" | sed 's/  */,/g; s/^,//; s/$/,/'
    echo '};'
    i=$((i + 1))
  done
  echo 'const nd_page_file nd_page_files[] = {'
  i=0
  for file; do
    echo "  {\"/$(basename "$file")\", file$i, sizeof file$i},"
    i=$((i + 1))
  done
  echo '  {0}};'
} >"$out"
