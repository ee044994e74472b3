#!/bin/sh
# How shell scripts use vmlife: by exit status, by names a line each, by values. VMLIFE names the program.
#
#     loops.sh NAME
set -eu
vmlife=${VMLIFE:-vmlife}
vm=$1

# Is it there, and does it run? 0 is running, 3 is not, 4 is no such VM.
if "$vmlife" show "$vm" --exit-state >/dev/null; then
    echo "$vm runs"
fi

# One value, as it is: no table, no quotes.
memory=$("$vmlife" show "$vm" vmStatic.memSizeMb)
echo "$vm has $memory MiB"

# Each VM that sleeps, a name a line. Names may hold blanks: they are not split.
"$vmlife" show -o name --filter 'STATE=Suspended' | while IFS= read -r name; do
    echo "$name sleeps"
done

# Freeze it for as long as something takes, and let it run on whatever becomes of that: also of this script.
trap '"$vmlife" resume "$vm" -q >/dev/null' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
"$vmlife" pause "$vm" -q >/dev/null
echo 'the moment for a snapshot of the storage'
trap - EXIT HUP INT TERM
"$vmlife" resume "$vm" -q >/dev/null

# Hibernate it if that can be done within a minute; the exit status tells why not.
status=0
"$vmlife" hibernate "$vm" --timeout 60s -q >/dev/null || status=$?
case $status in
0) echo "$vm sleeps" ;;
8) echo "no room for $vm" >&2 ;;
9) echo "somebody else is at $vm" >&2 ;;
124) echo "$vm was too slow, and runs on" >&2 ;;
*) echo "$vm was not hibernated: $status" >&2 ;;
esac
[ "$status" = 0 ] && "$vmlife" restore "$vm" -q >/dev/null
exit "$status"
