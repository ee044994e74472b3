#!/bin/sh
# Puts every VM of a host to sleep before the host goes down, and loses none.
#
#     sh examples/shutdown.sh [SECONDS]
#
# Each VM gets so long (60 s) to be hibernated. One that is not done by then runs on, which vmlife makes sure
# of, and is asked to shut down, as by its power button; it gets as long again for that. None is ever switched
# off: what still runs in the end is named, and the exit status is 1, so that whoever called this can wait,
# look, or decide. When the host is back, `vmlife restore --all` wakes them up.
set -u
seconds=${1:-60}

runs() { virsh -q list --uuid | grep -qx "$1"; }

status=0
# Whatever connect is set to for vmlife, the VMs are those of virsh's libvirt.
for vm in $(virsh -q list --uuid); do
    vmlife hibernate "$vm" --no-connect --timeout "${seconds}s" && continue
    virsh -q shutdown "$vm"
    left=$seconds
    while runs "$vm" && [ "$left" -gt 0 ]; do
        sleep 1
        left=$((left - 1))
    done
    if runs "$vm"; then
        echo "$(virsh -q domname "$vm") still runs: it could be neither hibernated nor shut down in time" >&2
        status=1
    fi
done
exit $status
