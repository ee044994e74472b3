#!/bin/sh
# Metrics of a host's VMs for Prometheus, by node_exporter's textfile collector. As a cron job or a timer:
#
#     prometheus.sh /var/lib/prometheus/node-exporter/vmlife.prom
#
# The file is replaced as a whole, so that nobody reads half of it. Where libvirt cannot be reached, it tells that, and
# the exit status is vmlife's. VMLIFE names the program. It needs jq.
set -eu
vmlife=${VMLIFE:-vmlife}
file=${1:?usage: prometheus.sh FILE}
new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT

status=0
vms=$("$vmlife" show -o json -q) || status=$?
{
    echo '# HELP vmlife_up Whether libvirt told about its VMs.'
    echo '# TYPE vmlife_up gauge'
    echo "vmlife_up $([ "$status" = 0 ] && echo 1 || echo 0)"
    [ "$status" != 0 ] || printf '%s' "$vms" | jq -r '
        # In a label backslashes, quotes and line ends are escaped as Prometheus has it.
        def escaped: tostring | gsub("\\\\"; "\\\\") | gsub("\""; "\\\"") | gsub("\n"; "\\n");
        def of: "{name=\"\(.vmStatic.name | escaped)\",uuid=\"\(.vmStatic.id | escaped)\"";
        "# HELP vmlife_vm_status The state of a VM, as oVirt names it; the one that it is in has the value 1.",
        "# TYPE vmlife_vm_status gauge",
        (.vms[] | "vmlife_vm_status\(of),status=\"\(.vmDynamic.status | escaped)\"} 1"),
        "# HELP vmlife_vm_memory_bytes How much memory a VM has.",
        "# TYPE vmlife_vm_memory_bytes gauge",
        (.vms[] | select(.vmStatic.memSizeMb) | "vmlife_vm_memory_bytes\(of)} \(.vmStatic.memSizeMb * 1048576)"),
        "# HELP vmlife_vm_image_bytes The size of the image in which the memory of a hibernated VM lies.",
        "# TYPE vmlife_vm_image_bytes gauge",
        (.vms[] | . as $vm | .savedImages[]? | select(.verdict == "good" and .sizeBytes) |
            "vmlife_vm_image_bytes\($vm | of)} \(.sizeBytes)")'
} >"$new"
chmod 644 "$new"
mv -f "$new" "$file"
exit "$status"
