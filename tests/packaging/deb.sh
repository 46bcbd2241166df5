#!/bin/sh
# The Debian packages, built by `make deb` and installed where nothing else is: used, linked to, and removed again without
# a trace. Takes minutes, root and the network, so it is asked for: ND_PACKAGE_TEST=1 makes a chroot with debootstrap
# (of ND_MIRROR, or debootstrap's own), ND_CHROOT=DIR takes a copy of that one. Status 77 skips.
source=$1
skip() { echo "skipped: $1" && echo "[  SKIPPED ] 1 test(s)." && exit 77; }
[ -n "$ND_CHROOT$ND_PACKAGE_TEST" ] || skip "ND_PACKAGE_TEST=1 or ND_CHROOT=DIR asks for it"
[ "$(id -u)" = 0 ] || skip "a chroot needs root"
. "$source/tests/check.sh"
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
root=$work/root

if [ -n "$ND_CHROOT" ]; then
  mkdir "$root" && tar -C "$ND_CHROOT" --one-file-system --exclude=./proc --exclude=./sys --exclude=./dev -c . | tar -C "$root" -x
  mkdir -p "$root/proc" "$root/sys" "$root/dev"
else
  command -v debootstrap >/dev/null || skip "debootstrap is not installed"
  debootstrap --variant=minbase bookworm "$root" $ND_MIRROR >"$work/log" 2>&1 || skip "debootstrap failed: $(tail -1 "$work/log")"
fi
cp /etc/resolv.conf "$root/etc/" 2>/dev/null
[ -e "$root/dev/null" ] || mknod -m 666 "$root/dev/null" c 1 3
make -s -C "$source" deb >"$work/log" 2>&1 || { cat "$work/log" && exit 1; }
mkdir "$root/packages" && cp "$source"/build-deb/*.deb "$root/packages" && rm -f "$root"/packages/*dbgsym*
cp "$source/recipes/demo/source.safetensors" "$source/tests/packaging/photo.png" "$root/packages"

inside() {
  chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive LC_ALL=C sh -ec "$1"
}
program_installs_and_runs() {
  inside 'apt-get update -qq && apt-get install -y -qq --no-install-recommends /packages/noiseda_*.deb /packages/noiseda-models_*.deb
    noiseda --version
    noiseda restore --model /packages/source.safetensors /packages/photo.png -o /packages/restored.png
    test -s /packages/restored.png
    noiseda restore /packages/photo.png -o /packages/default.png
    noiseda models | grep -q ^denoise
    test -s /packages/default.png
    noiseda recipe defaults | grep -q "^mode:"'
}
pages_and_completions_are_there() {
  # minbase may be told to leave pages out
  inside 'dpkg -L noiseda >/packages/list
    for c in "" $(noiseda --help | sed -n "s/^  \([a-z]*\)  *[a-zA-Z].*/-\1/p"); do
      grep -qx "/usr/share/man/man1/noiseda$c.1.gz" /packages/list; done
    for f in bash-completion/completions/noiseda.bash zsh/vendor-completions/_noiseda fish/vendor_completions.d/noiseda.fish; do
      grep -qx "/usr/share/$f" /packages/list; done'
}
library_is_linked() {
  inside 'apt-get install -y -qq --no-install-recommends /packages/libnoiseda*.deb gcc libc6-dev pkg-config
    cd /packages && cc /usr/share/doc/libnoiseda-dev/examples/restore.c -o use $(pkg-config --cflags --libs noiseda)
    ./use source.safetensors photo.png linked.png && test -s linked.png
    ./use denoise photo.png named.png'
}
program_and_library_agree() {
  inside 'cmp /packages/restored.png /packages/linked.png && cmp /packages/default.png /packages/named.png'
}
nothing_is_left() {
  inside 'apt-get purge -y -qq noiseda noiseda-models libnoiseda1 libnoiseda-dev
    ! find /usr /etc /var/lib/dpkg/info -name "*noiseda*" | grep .'
}
check program_installs_and_runs
check pages_and_completions_are_there
check library_is_linked
check program_and_library_agree
check nothing_is_left
finish
