#!/bin/sh
# Fuzzes the readers of definitions and of save images: each target of tests/fuzz for so long.
#
#     sh tests/fuzz.sh [SECONDS [TARGET...]]
#
# Without SECONDS each target gets 60. It starts from tests/corpus and from what earlier runs on this
# machine have learnt, and ends with 1 if an input makes a target panic, hang or eat memory; then it says
# what to do with that input. cargo-fuzz is installed if it is missing.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:-60}
[ $# -eq 0 ] || shift
case $seconds in
'' | *[!0-9]*)
    echo 'usage: sh tests/fuzz.sh [SECONDS [TARGET...]]' >&2
    exit 2
    ;;
esac
[ $# -gt 0 ] || set -- yaml xml image

sh tests/prepare.sh
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
# Coverage and sanitizers are options for nightly; this lets a stable compiler have them, too.
export RUSTC_BOOTSTRAP=1
# What is fuzzed is what is built: the same dependencies. Cargo adds libFuzzer to this copy.
cp Cargo.lock tests/fuzz/Cargo.lock

# The address sanitizer also finds what unsafe code of a dependency does wrong. Where the toolchain lacks
# it, panics, hangs and memory eaters are still found.
sanitizer=address
fuzz() { # fuzz COMMAND TARGET [OPTION...]
    command=$1
    shift
    cargo fuzz "$command" --fuzz-dir tests/fuzz --sanitizer "$sanitizer" "$@"
}
fuzz build >/dev/null 2>&1 || { sanitizer=none && fuzz build; }

# seed TARGET: what it begins with. An image is its header, the XML, NUL, and the memory's first bytes.
seed() {
    seeds=tests/fuzz/corpus/seeds-$1
    rm -rf "$seeds"
    mkdir -p "$seeds" "tests/fuzz/corpus/$1"
    case $1 in
    yaml) cp tests/corpus/yaml/*.yaml tests/corpus/bad/*.yaml "$seeds" ;;
    xml) cp tests/corpus/xml/*.xml tests/corpus/bad/*.xml "$seeds" ;;
    image)
        for file in tests/corpus/xml/*.xml; do
            length=$(($(wc -c <"$file") + 1))
            {
                printf 'LibvirtQemudSave\002\000\000\000'
                # The length's four bytes, the lowest first.
                for shift in 0 8 16 24; do printf "\\$(printf %o $((length >> shift & 255)))"; done
                printf '\001\000\000\000'
                head -c 64 /dev/zero
                cat "$file"
                printf '\000QEVM\000\000\000\003'
            } >"$seeds/$(basename "$file")"
        done
        ;;
    esac
    for file in tests/corpus/found/"$1"-*; do
        [ ! -e "$file" ] || cp "$file" "$seeds"
    done
}

found=
for target in "$@"; do
    printf '\n== %s, %s s\n' "$target" "$seconds"
    seed "$target"
    # -timeout: one input that takes this many seconds is a finding. -max_len: beyond it nothing new.
    fuzz run "$target" "tests/fuzz/corpus/$target" "tests/fuzz/corpus/seeds-$target" -- \
        -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=16384 \
        -print_final_stats=1 -verbosity=0 || found="$found $target"
done
[ -n "$found" ] || exit 0

cat >&2 <<END

Found by:$found. The inputs are in tests/fuzz/artifacts/TARGET.  What to do with each:
    RUSTC_BOOTSTRAP=1 cargo fuzz tmin --fuzz-dir tests/fuzz --sanitizer $sanitizer TARGET INPUT
    cp MINIMISED tests/corpus/found/TARGET-what-is-odd-in-it
    cargo test definitions   # now fails; mend the cause, and it holds for ever
END
exit 1
