#!/bin/sh
# Runs every test: format, lints, unit tests, tests of the program on libvirt's test driver and on real
# guests, the quick start, and the package in a clean root. Installs what is missing. With CI=true nothing may be skipped.
set -eu
cd "$(dirname "$0")/.."

sh tests/prepare.sh
# A minimal toolchain comes without these two.
for tool in rustfmt clippy; do
    cargo "${tool#rust}" --version >/dev/null 2>&1 || rustup component add "$tool"
done
say() { printf '\n== %s\n' "$*"; }

say 'format and lints'
cargo fmt --all -- --check
cargo clippy --quiet --all-targets -- --deny warnings
RUSTDOCFLAGS='--deny warnings' cargo doc --quiet --no-deps

say 'the test guest'
sh tests/guest/build.sh target/guest

say 'the tests'
# Most of a test's time is waiting for a guest, so that a core can carry several.
cargo test -- --test-threads "$(($(nproc) * 2))"

say 'the quick start'
sh examples/quickstart.sh

say 'the package'
sh tests/package/check.sh
