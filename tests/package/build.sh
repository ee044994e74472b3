#!/bin/sh
# Builds the Debian package: sh tests/package/build.sh [PROFILE]. Its path is the last line that is printed. PROFILE is
# that of cargo, release without it; the tests take dev, which is built already.
set -eu
cd "$(dirname "$0")/../.."
profile=${1:-release}

tools=${CARGO_TARGET_DIR:-target}/tools
PATH=$PATH:$tools/bin
command -v cargo-deb >/dev/null || cargo install --quiet --debug --locked --root "$tools" cargo-deb@^3

# What Cargo.toml names below target/package: manual pages, units and examples with the places that a package has, and
# settings that set nothing yet.
pages=target/package
rm -rf "$pages"
mkdir -p "$pages/man"
cargo run --quiet --example manual -- "$pages/man"
for file in vmlife-host.service vmlife-wake.service; do
    sed 's|/usr/local/sbin/|/usr/sbin/|g; /^#     /d' "examples/systemd/$file" >"$pages/$file"
done
for file in examples/cron/vmlife examples/*.sh; do
    mkdir -p "$pages/$(dirname "$file")"
    sed 's|/usr/local/sbin/vmlife$|/usr/bin/vmlife|; s|/usr/local/sbin/vmlife-host|/usr/sbin/vmlife-host|g' \
        "$file" >"$pages/$file"
done
cp examples/systemd/vmlife-host "$pages"
sed 's/^[^#]/# &/' examples/config.yaml >"$pages/config.yaml"
echo 'Programs here are run before and after something is done to a VM: vmlife(1), HOOKS.' >"$pages/hooks"

case $profile in
release) cargo build --quiet --release ;;
*) cargo build --quiet ;;
esac
cargo deb --quiet --no-build --profile "$profile" --output "$pages/"
ls "$PWD/$pages"/*.deb
