#!/bin/sh
# Puts the VMs of a host to sleep when its UPS runs low, and wakes them when power is back.
#
#     ups.sh low|back
#
# It calls vmlife-host (see systemd/), with a smaller budget than the host's shutdown has. They share the note of
# what sleeps: when the host goes down after all, its boot wakes the VMs. VMLIFE_UPS_BUDGET is how many seconds there
# are (120). It has to run as root.
#
# NUT, upssched.conf (RUN_AS_USER root in upsmon.conf):
#     CMDSCRIPT /usr/local/sbin/ups.sh
#     AT ONBATT * START-TIMER low 120
#     AT LOWBATT * EXECUTE low
#     AT ONLINE * CANCEL-TIMER low
#     AT ONLINE * EXECUTE back
# apcupsd: /etc/apcupsd/onbattery and /etc/apcupsd/offbattery are scripts that call it:
#     /usr/local/sbin/ups.sh low
#     /usr/local/sbin/ups.sh back
set -u
settings=${VMLIFE_HOST_SETTINGS:-/etc/default/vmlife-host}
vmlife_host=${VMLIFE_HOST:-/usr/local/sbin/vmlife-host}

set -a
[ ! -r "$settings" ] || . "$settings"
case ${1-} in
low)
    VMLIFE_HOST_BUDGET=${VMLIFE_UPS_BUDGET:-120}
    VMLIFE_HOST_RESERVE=$((VMLIFE_HOST_BUDGET / 4))
    exec "$vmlife_host" sleep ;;
back)
    exec "$vmlife_host" wake ;;
*)
    echo 'usage: ups.sh low|back' >&2
    exit 2 ;;
esac
