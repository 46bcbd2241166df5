#!/bin/sh
# Manual pages and completions, which the program writes of itself: whole, without a warning where there is a tool that
# gives one, and completing what they should where there is the shell.
program=$1 source=$2
. "$source/tests/check.sh"
work=$(mktemp -d) && trap 'rm -rf "$work"' EXIT
commands=$("$program" --help | sed -n 's/^  \([a-z]*\)  *[a-zA-Z].*/\1/p')
cd "$work" && mkdir photos && touch photo.jpg "a photo.png"

# Every option of --help is on the page, and each page is sound.
each_command_has_its_page() {
  for c in $commands; do
    "$program" --man "$c" >page || return 1
    "$program" "$c" --help | grep -o -- '--[a-z-]*' | sort -u >options
    while read -r option; do
      grep -q -- "$(printf %s "$option" | sed 's/-/\\\\-/g')" page || { echo "$c: no $option" && return 1; }
    done <options
    grep -q "noiseda..$c" "$work/noiseda.1" || { echo "noiseda.1 lacks $c" && return 1; }
  done
}
pages_have_no_warnings() {
  for c in '' $commands; do
    "$program" --man $c >page || return 1
    if command -v mandoc >/dev/null; then
      mandoc -Tlint -Wwarning page | grep -v 'missing date' && return 1
    fi
    if command -v groff >/dev/null; then
      [ -z "$(groff -man -ww -z page 2>&1)" ] || { groff -man -ww -z page && return 1; }
    fi
  done
  return 0
}
no_page_without_a_command() {
  ! "$program" --man nothing >said 2>&1 && grep -q "no command 'nothing'" said
}

# expect WORD... = CANDIDATE...: what bash offers for the last word, sorted.
expect() {
  words=
  while [ "$1" != := ]; do words="$words '$1'" && shift; done
  shift
  bash -uc ". ./noiseda.bash; COMP_WORDS=($words); COMP_CWORD=\$((\${#COMP_WORDS[@]} - 1)); _noiseda
    printf '%s\n' \"\${COMPREPLY[@]}\" | sort" >got
  printf '%s\n' "$@" | sort >wanted
  diff wanted got || { echo "for $words" && return 1; }
}
bash_completes() {
  "$program" --completion bash >noiseda.bash
  bash -n noiseda.bash || return 1
  expect noiseda rest := restore &&
    expect noiseda --ver := --version &&
    expect noiseda restore --mo := --model &&
    expect noiseda restore --pro := --profile --profile-trace &&
    expect noiseda restore --model m 'a ph' := 'a photo.png' &&
    expect noiseda restore --model = pho := photo.jpg photos &&
    expect noiseda eval --input pho := photo.jpg photos &&
    expect noiseda data --output pho := photos &&
    expect noiseda restore --tile 6 := '' &&
    expect noiseda restore --format '' := png jpeg tiff webp &&
    expect noiseda restore -f w := webp &&
    expect noiseda restore --precision = b := bf16 &&
    expect noiseda eval --protocol m := matlab &&
    expect noiseda recipe ex := explain &&
    expect noiseda degrade cam := camera &&
    expect noiseda degrade rain pho := photo.jpg photos &&
    expect noiseda serve --wor := '' && # hidden
    expect noiseda nothing pho := ''
}
fish_completes() {
  "$program" --completion fish >noiseda.fish
  fish -c "source ./noiseda.fish; complete -C 'noiseda res'" | grep -q '^restore' &&
    fish -c "source ./noiseda.fish; complete -C 'noiseda restore --mod'" | grep -q -- '^--model' &&
    fish -c "source ./noiseda.fish; complete -C 'noiseda degrade cam'" | grep -q '^camera' &&
    fish -c "source ./noiseda.fish; complete -C 'noiseda restore --model pho'" | grep -q '^photo.jpg' &&
    [ "$(fish -c "source ./noiseda.fish; complete -C 'noiseda restore --format '" | cut -f1 | sort | tr '\n' ' ')" = 'jpeg png tiff webp ' ] &&
    [ "$(fish -c "source ./noiseda.fish; complete -C 'noiseda restore --precision=b'" | cut -f1)" = --precision=bf16 ] &&
    fish -n ./noiseda.fish
}
# The function as zsh would call it, with _arguments in place of the one that needs an interactive shell.
zsh_completes() {
  "$program" --completion zsh >_noiseda
  zsh -f -n _noiseda && zsh -f -c '
    _arguments() { print -rl -- "$@" }
    _describe() { print -rl -- "${(@P)2}" }
    words=(noiseda "") CURRENT=2; . ./_noiseda' | grep -q '^restore:' &&
    zsh -f -c '
    _arguments() { print -rl -- "$@" }
    words=(noiseda restore "") CURRENT=3; . ./_noiseda' | grep -qx -- '(-m --model)--model=\[a model file or name (default denoise; see noiseda models)\]:M:_files' &&
    zsh -f -c '
    _arguments() { print -rl -- "$@" }
    words=(noiseda eval "") CURRENT=3; . ./_noiseda' | grep -q ':rgb|y|matlab:(rgb y matlab)$'
}
a_shell_without_completion_is_named() {
  ! "$program" --completion tcsh >said 2>&1 && grep -q 'bash, zsh or fish' said
}
version_tells_what_is_inside() {
  "$program" --version >said
  for what in '^noiseda [0-9.]*$' 'oneDNN [0-9.]*[0-9]' 'libvips [0-9.]*[0-9]' 'libyaml' 'protobuf-c' 'MPI' 'kernels'; do
    grep -q "$what" said || { echo "no $what" && return 1; }
  done
}

"$program" --man >noiseda.1
check each_command_has_its_page
check pages_have_no_warnings
check no_page_without_a_command
check version_tells_what_is_inside
check a_shell_without_completion_is_named
if command -v bash >/dev/null; then check bash_completes; fi
if command -v fish >/dev/null; then check fish_completes; fi
if command -v zsh >/dev/null; then check zsh_completes; fi
finish
