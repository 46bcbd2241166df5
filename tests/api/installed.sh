#!/bin/sh
# The library as others find it: installed into a folder, found by pkg-config, linked by an example in C and in C++,
# showing nothing but its interface.
build=$1 source=$2
. "$source/tests/check.sh"
model=$source/recipes/demo/source.safetensors
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
root=$work/root
DESTDIR=$root meson install -C "$build" --no-rebuild --quiet >/dev/null || exit 1
pc=$(find "$root" -name noiseda.pc)
prefix=$root$(sed -n 's/^prefix=//p' "$pc")
flags=$(PKG_CONFIG_PATH=$(dirname "$pc") pkg-config --define-variable=prefix="$prefix" --cflags --libs noiseda) || exit 1
library=$(dirname "$(dirname "$pc")")
export LD_LIBRARY_PATH="$library${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
photo=$source/tests/packaging/photo.png # 16 x 12 pixels of gradients
# C11 without extensions, C++, and every warning that a careful program may have on.
# shellcheck disable=SC2086 # $flags are words
builds_in_c() {
  cc -std=c11 -pedantic -Wall -Wextra -Wconversion -Werror "$source/examples/restore.c" -o "$work/restore" $flags
}
# shellcheck disable=SC2086
builds_in_cpp() {
  printf '%s\n' '#include <noiseda/noiseda.h>' \
    'int main() { noiseda_options o = NOISEDA_OPTIONS; return o.size && noiseda_version() ? 0 : 1; }' >"$work/a.cpp"
  c++ -std=c++11 -pedantic -Wall -Wextra -Werror "$work/a.cpp" -o "$work/a" $flags && "$work/a"
}
restores() {
  "$work/restore" "$model" "$photo" "$work/out.png" && [ -s "$work/out.png" ]
}
fails_with_a_message() {
  ! "$work/restore" /nowhere/m "$photo" "$work/none.png" >"$work/message" 2>&1 &&
    grep -q /nowhere/m "$work/message" && [ ! -e "$work/none.png" ]
}
# Each symbol is declared in the header, each function of the header is there, and nothing else.
shows_its_interface_alone() {
  nm -D --defined-only "$library"/libnoiseda.so | awk '{ print $3 }' | grep -v '^__' | sort >"$work/shown"
  sed -n 's/^NOISEDA_API.*[ *]\(noiseda_[a-z_]*\)(.*/\1/p' "$source/include/noiseda/noiseda.h" | sort >"$work/declared"
  diff "$work/declared" "$work/shown"
}
brings_its_models() {
  NOISEDA_MODELS=$prefix/share/noiseda/models "$work/restore" denoise "$photo" "$work/named.png" && [ -s "$work/named.png" ] &&
    [ -s "$prefix/share/noiseda/models/denoise.md" ]
}
has_its_soname() {
  objdump -p "$library"/libnoiseda.so | grep -q 'SONAME *libnoiseda.so.1$'
}
# `make install PREFIX=...` tells Meson so before it builds, for the program looks for its models there.
goes_where_make_is_told() {
  make -n -C "$source" install BUILD="$build" PREFIX=/opt/elsewhere >"$work/planned" &&
    sed -n '/configure .*--prefix=\/opt\/elsewhere/,$p' "$work/planned" | grep -q '^ninja'
}

check builds_in_c
check restores
check brings_its_models
check fails_with_a_message
if command -v c++ >/dev/null; then check builds_in_cpp; fi
check shows_its_interface_alone
check has_its_soname
check goes_where_make_is_told
finish
