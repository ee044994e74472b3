#!/bin/sh
# Puts VMs to sleep for the time of a backup, keeps a copy of each with its memory, and wakes them again.
#
#     nightly.sh FOLDER NIGHTS NAME...
#
# While a VM sleeps, its disks and its memory belong together: that is the moment to copy both. Each night gets a folder
# of its own, FOLDER/2026-11-28, with the image of each VM and its record, and a folder NAME.disks with its disks that are
# files, each below the path that it has (NAME.disks/var/lib/libvirt/images/root.qcow2; what an overlay is based on is not
# copied). NIGHTS of them are kept. To go back to one, stop the VM (virsh destroy: what it has in its memory now goes),
# copy its disks to where they were, and call
#     vmlife restore --from FOLDER/2026-11-28/NAME.vmsave --keep --force
# (the guard does not know that these disks are those of the image: they were copied).
#
# What goes wrong is named, and the exit status is 1. A VM that cannot be hibernated runs on, and one whose disks cannot be
# copied is woken up again. One that cannot be restored sleeps on: its memory is in the image, and in nothing else, until
# the command above (without --force) wakes it. So an image that is not used up is never removed, and a night that holds
# one is kept. VMLIFE names the program.
set -u
vmlife=${VMLIFE:-vmlife}
[ $# -ge 3 ] || { echo 'usage: nightly.sh FOLDER NIGHTS NAME...' >&2; exit 2; }
folder=$1 nights=$2
shift 2
case $nights in ''|*[!0-9]*|0) echo "nightly.sh: $nights is no number of nights" >&2; exit 2 ;; esac

tab=$(printf '\t')
tonight=$folder/$(date +%F)
(umask 077 && mkdir -p "$tonight") || exit 1
status=0
for vm; do
    image=$tonight/$vm.vmsave
    case $vm in */*) echo "nightly.sh: $vm cannot be a file's name" >&2; status=1; continue ;; esac
    # Its disks are asked for while it runs: of one that libvirt has no definition of only the image is left then. virsh
    # may be set to another libvirt, and takes a name that is a number for another VM.
    set --
    number=0
    while :; do
        disk=$("$vmlife" show "$vm" --field "vmStatic.images[$number].targetDev" \
            --field "vmStatic.images[$number].imagePath" </dev/null) || { status=1; continue 2; }
        case $disk in '' | "$tab") break ;; esac
        disk=${disk#*"$tab"}
        # What is no file is for the storage to keep.
        case $disk in /*) [ -b "$disk" ] || set -- "$@" "$disk" ;; esac
        number=$((number + 1))
    done
    "$vmlife" hibernate "$vm" --to "$image" --checksum --timeout 1h -q >/dev/null || { status=1; continue; }
    for disk; do
        copy=$tonight/$vm.disks$disk
        (umask 077 && mkdir -p -- "${copy%/*}" && cp --sparse=always -- "$disk" "$copy") ||
            { echo "nightly.sh: $disk of $vm could not be copied" >&2; status=1; }
    done
    # Its image stays as that of this night.
    "$vmlife" restore --from "$image" --keep -q >/dev/null || status=1
done

# What is older than that many nights, unless a VM may sleep in it.
ls -d "$folder"/[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/ | sort -r | tail -n +"$((nights + 1))" | (
    kept=0
    while IFS= read -r old; do
        for image in "$old"*.vmsave "$old".*.vmsave; do
            [ -e "$image" ] || [ -L "$image" ] || continue
            verdict=$("$vmlife" show "$image" 'savedImages[0].verdict' </dev/null)
            [ "$verdict" != used ] || continue
            echo "nightly.sh: $old is kept: $image is ${verdict:-not known} and not used up" >&2
            kept=1
            continue 2
        done
        rm -rf -- "$old"
    done
    exit $kept
) || status=1
exit $status
