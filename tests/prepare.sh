#!/bin/sh
# Installs what the tests and the quick start need and this machine lacks: libvirt's session daemon and
# client, QEMU, and what Rust needs to build against libvirt. Asks for sudo only if something is missing.
set -eu

# Daemons lie where an ordinary user's PATH does not reach.
PATH=$PATH:/usr/sbin:/sbin

# What Cargo.toml asks for; Debian 12's own Rust is older.
rust=$(rustc --version 2>/dev/null | sed -n 's/^rustc 1\.\([0-9]*\)\..*/\1/p')
if ! command -v cargo >/dev/null || [ "${rust:-0}" -lt 89 ]; then
    echo 'Rust 1.89 or newer is needed: https://rustup.rs' >&2
    exit 1
fi

missing=
need() { # need PACKAGE COMMAND...: the package is missing if the command fails
    package=$1
    shift
    "$@" >/dev/null 2>&1 || missing="$missing $package"
}
need gcc command -v cc
need libc6-dev test -e /usr/include/stdio.h
need pkg-config command -v pkg-config
need libvirt-dev pkg-config --exists libvirt
need libvirt-daemon command -v libvirtd
need libvirt-daemon-driver-qemu sh -c 'ls /usr/lib*/libvirt/connection-driver/libvirt_driver_qemu.so \
    /usr/lib/*/libvirt/connection-driver/libvirt_driver_qemu.so 2>/dev/null | grep -q .'
need libvirt-clients command -v virsh
need qemu-system-x86 command -v qemu-system-x86_64
need qemu-utils sh -c 'command -v qemu-img && command -v qemu-nbd'
need ovmf test -e /usr/share/qemu/firmware/60-edk2-x86_64.json
need swtpm command -v swtpm
need swtpm-tools command -v swtpm_setup
need libvirt0 test -e /usr/share/libvirt/schemas/domain.rng
need libxml2-utils command -v xmllint
need bsdutils command -v script
need util-linux command -v flock
need systemd command -v systemd-analyze
need libfaketime sh -c 'ls /usr/lib/*/faketime/libfaketimeMT.so.1'
need git command -v git
need jq command -v jq
need ansible-core command -v ansible-playbook
need dpkg-dev command -v dpkg-shlibdeps
need debootstrap command -v debootstrap
need zsh command -v zsh
need fish command -v fish
need elvish command -v elvish
need perl-base command -v perl
need mandoc command -v mandoc
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "Please install what Debian calls:$missing" >&2
    exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "As root, please: apt-get install$missing" >&2; exit 1; }
    as_root=sudo
    echo "Installing by sudo:$missing" >&2
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
quietly() { "$@" >"$log" 2>&1 || { cat "$log" >&2; exit 1; }; }

quietly $as_root apt-get update
# A qemu-utils from backports breaks the release's QEMU, and apt would remove it without a word. Then take
# the release's qemu-utils, too: its user keeps qemu-img.
options=--no-remove
case $missing in
*qemu-system-x86*)
    if apt-get install --simulate --no-install-recommends $missing 2>/dev/null | grep -q '^Remv qemu-utils'; then
        version=$(LC_ALL=C apt-cache policy qemu-system-x86 | sed -n 's/^ *Candidate: //p')
        echo "qemu-utils goes back to $version: the newer one does not fit to this release's QEMU" >&2
        options=--allow-downgrades
        missing="$missing qemu-system-x86=$version qemu-utils=$version"
    fi ;;
esac
quietly $as_root apt-get install -y --no-install-recommends $options $missing
