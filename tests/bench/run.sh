#!/bin/sh
# The benchmark: vmlife beside virsh, on a private libvirt, in one run.
#
#     sh tests/bench/run.sh [--many | --formats] [PAIRS]
#
# Prints Markdown tables. Each row runs PAIRS (11) times, vmlife and its rival in turns, so that whatever else
# the machine does meets both. --many adds 10,000 VMs, which take a while to define; --formats
# prints the table of image formats alone, of 5 rounds. VMLIFE_PROGRAM names a program that is built already.
set -eu
cd "$(dirname "$0")/../.."
sizes='1 100 1000'
if [ "${1-}" = --many ]; then
    sizes="$sizes 10000"
    shift
elif [ "${1-}" = --formats ]; then
    sizes=
    shift
fi
pairs=${1:-11}

program=${VMLIFE_PROGRAM-}
if [ -z "$program" ]; then
    sh tests/prepare.sh
    cargo build --quiet --release
    program=${CARGO_TARGET_DIR:-target}/release/vmlife
fi

# The private libvirt lives as long as we hold the pipe to its supervisor.
folder=$(mktemp -d /tmp/vlb-XXXXXX)
work=$(mktemp -d)
mkfifo "$work/orders"
export VMLIFE_TEST_QEMU_CACHE="$work/qemu"
sh tests/session.sh "$folder" <"$work/orders" >"$work/answers" &
supervisor=$!
exec 3>"$work/orders"
clean_up() {
    exec 3>&-
    wait "$supervisor" || :
    [ ! -d "$folder/small" ] || umount "$folder/small"
    rm -rf "$work" "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
until grep -q ready "$work/answers"; do
    kill -0 "$supervisor" 2>/dev/null || { echo 'the private libvirt did not start' >&2; exit 1; }
    sleep 0.1
done

# A disk that is nearly full takes root.
if [ "$(id -u)" = 0 ]; then
    mkdir "$folder/small"
    mount -t tmpfs -o size=64k,mode=1777 small "$folder/small"
fi

# Its user may not be able to look into the project. All is measured from within, where no wrapper is in the
# way.
cp "$program" "$folder/vmlife"
cp tests/bench/measure.pl tests/bench/formats.pl "$folder"
sh tests/guest/build.sh target/guest
mkdir "$folder/guest"
cp target/guest/vmlinuz target/guest/initrd.img "$folder/guest"
chmod a+rx "$folder/vmlife" "$folder"/*.pl
chmod a+r "$folder"/guest/*
if [ -n "$sizes" ]; then
    "$folder/in-session" perl "$folder/measure.pl" "$folder" "$pairs" $sizes
    echo
fi
"$folder/in-session" perl "$folder/formats.pl" "$folder" "${1:-5}" 512
