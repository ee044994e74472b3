#!/bin/sh
# The benchmark: vmlife beside virsh, on a private libvirt, in one run.
#
#     sh tests/bench/run.sh [--many | --formats | --fleet | --trim] [PAIRS [OPTION]]
#
# Prints Markdown tables. Each row runs PAIRS (11) times, vmlife and its rival in turns, so that whatever else
# the machine does meets both. --many adds 10,000 VMs, which take a while to define; --formats
# prints the table of image formats alone, of 5 rounds, --fleet that of many guests, of 3, and --trim that of guests
# that are shrunk, of 5; with the OPTION --bypass-cache it writes past the page cache, which alone heeds a limit that a
# cgroup sets to the disk. VMLIFE_PROGRAM names a program that is built already.
set -eu
cd "$(dirname "$0")/../.."
sizes='1 100 1000'
alone=
case ${1-} in
--many)
    sizes="$sizes 10000"
    shift
    ;;
--formats | --fleet | --trim)
    alone=${1#--}
    shift
    ;;
esac
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
cp tests/bench/*.p[lm] "$folder"
[ ! -f /usr/lib/libvirt/libvirt-guests.sh ] || cp /usr/lib/libvirt/libvirt-guests.sh "$folder"
sh tests/guest/build.sh target/guest
mkdir "$folder/guest"
cp target/guest/vmlinuz target/guest/initrd.img "$folder/guest"
chmod a+rx "$folder/vmlife" "$folder"/*.p[lm]
chmod a+r "$folder"/guest/*
measure() { "$folder/in-session" perl -I "$folder" "$folder/$1.pl" "$folder" "$2" $3; }
[ -n "$alone" ] || { measure measure "$pairs" "$sizes"; echo; }
case $alone in
fleet) measure fleet "${1:-3}" '1 2 4 8 16' ;;
trim) measure trim "${1:-5}" "1024 ${2-}" ;;
*) measure formats "${1:-5}" 512 ;;
esac
