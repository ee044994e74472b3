#!/bin/sh
# The fault campaign: whatever can go wrong while real guests are hibernated and restored.
#
#     sh tests/faults.sh [--runs N] [--seed S] [--only RUN] [--against virsh]
#
# Without options 500 runs of seed 1: each a kind of fault in a phase of a save or a restore, judged by virsh
# and by the guest. It prints the runs that went wrong, a table of what became of the guests, and `lost: N`;
# it ends with 1 if a guest was lost, vmlife said what was not so, or a partial file is not told of.
# `--only RUN` does one run of a seed again. `--against virsh` lets `virsh save` and `virsh restore` suffer the
# same, in 120 runs at most, and puts them beside it. Each run is a line in target/tmp/faults/.
#
#     on        the guest ran on, or was brought back by the command that suffered the fault
#     image     it lay in an image, and that restored it
#     gone      its process was killed, and the tool said so
#     LOST      it is not what it was
#     untrue    the tool said what was not so, or its exit status does not fit
#     partial   half an image was left, and nothing tells of it
#
# As root, since a disk is filled and made read-only; elsewhere some of that is left out.
set -eu
cd "$(dirname "$0")/.."

while [ $# -gt 0 ]; do
    case $1:${2-} in
    --runs:[1-9]*) export VMLIFE_FAULTS_RUNS="$2" ;;
    --seed:[0-9]*) export VMLIFE_FAULTS_SEED="$2" ;;
    --only:[1-9]*) export VMLIFE_FAULTS_ONLY="$2" ;;
    --against:virsh) export VMLIFE_FAULTS_AGAINST="$2" ;;
    *)
        echo 'usage: sh tests/faults.sh [--runs N] [--seed S] [--only RUN] [--against virsh]' >&2
        exit 2
        ;;
    esac
    shift 2
done

sh tests/prepare.sh
sh tests/guest/build.sh target/guest
export RUST_BACKTRACE=0
cargo test --quiet --test it -- --exact faults::campaign --ignored --nocapture
