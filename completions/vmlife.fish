# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_vmlife_global_optspecs
    string join \n c/connect= hosts= o/output= progress= q/quiet v/verbose timeout= h/help V/version
end

function __fish_vmlife_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_vmlife_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_vmlife_using_subcommand
    set -l cmd (__fish_vmlife_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c vmlife -n "__fish_vmlife_needs_command" -s c -l connect -d 'The libvirt to talk to (several: on several hosts); without it libvirt\'s own rules choose (LIBVIRT_DEFAULT_URI ...)' -r
complete -c vmlife -n "__fish_vmlife_needs_command" -l hosts -d 'A file in YAML that lists hosts: name, uri, labels' -r -F
complete -c vmlife -n "__fish_vmlife_needs_command" -s o -l output -d 'How the answer is written' -r -f -a "table\t'For people'
wide\t'The same with more columns; of show: a list always'
json\t'For programs'
jsonl\t'For programs, a line of JSON for each VM as soon as it is there'
yaml\t'For programs and people; of show: definitions that load again'
xml\t'libvirt\'s own XML (show only)'
name\t'The names, a line each; of show --images: the files'"
complete -c vmlife -n "__fish_vmlife_needs_command" -l progress -d 'How progress is told on standard error' -r -f -a "auto\t'Bars on a terminal, a line now and then elsewhere'
plain\t'A line now and then'
json\t'For programs: a line of JSON for each event, and for all other words'
none\t'Not at all'"
complete -c vmlife -n "__fish_vmlife_needs_command" -l timeout -d 'Give up after this time (such as 90s or 10m): a hibernation is cancelled' -r
complete -c vmlife -n "__fish_vmlife_needs_command" -s q -l quiet -d 'Only the answer and errors: no words, no progress'
complete -c vmlife -n "__fish_vmlife_needs_command" -s v -l verbose -d 'Say what is being done'
complete -c vmlife -n "__fish_vmlife_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmlife -n "__fish_vmlife_needs_command" -s V -l version -d 'Print version'
complete -c vmlife -n "__fish_vmlife_needs_command" -f -a "hibernate" -d 'Write the memory of VMs to files, and stop them'
complete -c vmlife -n "__fish_vmlife_needs_command" -f -a "restore" -d 'Bring hibernated VMs back exactly where they were'
complete -c vmlife -n "__fish_vmlife_needs_command" -f -a "pause" -d 'Freeze VMs: no CPU, no I/O, the memory stays allocated'
complete -c vmlife -n "__fish_vmlife_needs_command" -f -a "resume" -d 'Let paused VMs go on, and wake those that sleep'
complete -c vmlife -n "__fish_vmlife_needs_command" -f -a "show" -d 'List VMs, or describe one'
complete -c vmlife -n "__fish_vmlife_needs_command" -f -a "suspend" -d 'Means two things, and so is none of ours'
complete -c vmlife -n "__fish_vmlife_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s f -l file -d 'A definition file that names VMs (may be given several times)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l id -d 'A running VM by its domain id, which changes at every start' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l exclude -d 'Leave out the VMs whose name matches' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s l -l selector -d 'Only VMs with this label (several: with all of them); alone it means all that have it' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l group -d 'Only VMs whose group\'s name (vmGroupName) matches; alone it means all of them' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s j -l jobs -d 'How many VMs are worked on at once; without it as many as processors and disk can do' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l to -d 'The image\'s file, or a folder for it, instead of the image place (that is VMLIFE_IMAGES, else /var/lib/vmlife/images, for session connections $XDG_STATE_HOME/vmlife/images)' -r -F
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l trim -d 'Shrink the guest\'s memory first by its balloon, to SIZE (such as 512M) or, without it, to what the guest uses and a margin; a restore gives all back' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l image-format -d 'In which format, instead of the daemon\'s own choice (libvirt 11.2)' -r -f -a "auto\t'The fastest that this libvirt, its QEMU and the file system support'
raw\t'As it is'
sparse\t'Each page at its place, zero pages as holes; past the page cache'
gzip\t'Compressed by gzip'
bzip2\t'Compressed by bzip2'
xz\t'Compressed by xz'
lzop\t'Compressed by lzop'
zstd\t'Compressed by zstd'"
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l parallel-channels -d 'Use so many threads of QEMU at once (1 to 255); for sparse images only (libvirt 11.2)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l within -d 'So much time (such as 5m) for all of them: the important ones first, and none that would not be done in it' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s c -l connect -d 'The libvirt to talk to (several: on several hosts); without it libvirt\'s own rules choose (LIBVIRT_DEFAULT_URI ...)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l hosts -d 'A file in YAML that lists hosts: name, uri, labels' -r -F
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s o -l output -d 'How the answer is written' -r -f -a "table\t'For people'
wide\t'The same with more columns; of show: a list always'
json\t'For programs'
jsonl\t'For programs, a line of JSON for each VM as soon as it is there'
yaml\t'For programs and people; of show: definitions that load again'
xml\t'libvirt\'s own XML (show only)'
name\t'The names, a line each; of show --images: the files'"
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l progress -d 'How progress is told on standard error' -r -f -a "auto\t'Bars on a terminal, a line now and then elsewhere'
plain\t'A line now and then'
json\t'For programs: a line of JSON for each event, and for all other words'
none\t'Not at all'"
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l timeout -d 'Give up after this time (such as 90s or 10m): a hibernation is cancelled' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l all -d 'All VMs that this can be done to'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s n -l dry-run -d 'Only say what would be done'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l strict -d 'Refuse (exit status 5) what is already so'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l together -d 'All of them as one, so that none finds another one missing: if one fails, none is changed'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l managed -d 'Let libvirt keep the image itself: whatever starts the VM next then restores it'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l running -d 'Let the VM run when it is restored, whatever it did before'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l paused -d 'Let the VM stay paused when it is restored'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l bypass-cache -d 'Go round the page cache of the daemon\'s host'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l checksum -d 'Read the image back, and note its checksum: a restore then finds whatever has changed in it'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -l force -d 'Save also against what a guard says, such as a VM that paused on an error of a disk'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s q -l quiet -d 'Only the answer and errors: no words, no progress'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s v -l verbose -d 'Say what is being done'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmlife -n "__fish_vmlife_using_subcommand hibernate" -s V -l version -d 'Print version'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s f -l file -d 'A definition file that names VMs (may be given several times)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l id -d 'A running VM by its domain id, which changes at every start' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l exclude -d 'Leave out the VMs whose name matches' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s l -l selector -d 'Only VMs with this label (several: with all of them); alone it means all that have it' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l group -d 'Only VMs whose group\'s name (vmGroupName) matches; alone it means all of them' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s j -l jobs -d 'How many VMs are worked on at once; without it as many as processors and disk can do' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l from -d 'An image that lies elsewhere; it tells itself whose it is' -r -F
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l parallel-channels -d 'Use so many threads of QEMU at once (1 to 255); for sparse images only (libvirt 11.2)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s c -l connect -d 'The libvirt to talk to (several: on several hosts); without it libvirt\'s own rules choose (LIBVIRT_DEFAULT_URI ...)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l hosts -d 'A file in YAML that lists hosts: name, uri, labels' -r -F
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s o -l output -d 'How the answer is written' -r -f -a "table\t'For people'
wide\t'The same with more columns; of show: a list always'
json\t'For programs'
jsonl\t'For programs, a line of JSON for each VM as soon as it is there'
yaml\t'For programs and people; of show: definitions that load again'
xml\t'libvirt\'s own XML (show only)'
name\t'The names, a line each; of show --images: the files'"
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l progress -d 'How progress is told on standard error' -r -f -a "auto\t'Bars on a terminal, a line now and then elsewhere'
plain\t'A line now and then'
json\t'For programs: a line of JSON for each event, and for all other words'
none\t'Not at all'"
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l timeout -d 'Give up after this time (such as 90s or 10m): a hibernation is cancelled' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l all -d 'All VMs that this can be done to'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s n -l dry-run -d 'Only say what would be done'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l strict -d 'Refuse (exit status 5) what is already so'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l together -d 'All of them as one, so that none finds another one missing: if one fails, none is changed'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l running -d 'Let the VM run when it is restored, whatever it did before'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l paused -d 'Let the VM stay paused when it is restored'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l bypass-cache -d 'Go round the page cache of the daemon\'s host'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l keep -d 'Leave the image there, marked as used'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l or-start -d 'Boot a VM that has no image; one that libvirt does not know is defined first'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l force -d 'Restore also against what a guard says: an image that was used, is stale (old memory over newer disks), or damaged'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l discard -d 'Restore nothing, but give the image up: it is removed, and what is in it is lost'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -l yes -d 'Do not ask before an image is given up'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s q -l quiet -d 'Only the answer and errors: no words, no progress'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s v -l verbose -d 'Say what is being done'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmlife -n "__fish_vmlife_using_subcommand restore" -s V -l version -d 'Print version'
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s f -l file -d 'A definition file that names VMs (may be given several times)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -l id -d 'A running VM by its domain id, which changes at every start' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -l exclude -d 'Leave out the VMs whose name matches' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s l -l selector -d 'Only VMs with this label (several: with all of them); alone it means all that have it' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -l group -d 'Only VMs whose group\'s name (vmGroupName) matches; alone it means all of them' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s j -l jobs -d 'How many VMs are worked on at once; without it as many as processors and disk can do' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s c -l connect -d 'The libvirt to talk to (several: on several hosts); without it libvirt\'s own rules choose (LIBVIRT_DEFAULT_URI ...)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -l hosts -d 'A file in YAML that lists hosts: name, uri, labels' -r -F
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s o -l output -d 'How the answer is written' -r -f -a "table\t'For people'
wide\t'The same with more columns; of show: a list always'
json\t'For programs'
jsonl\t'For programs, a line of JSON for each VM as soon as it is there'
yaml\t'For programs and people; of show: definitions that load again'
xml\t'libvirt\'s own XML (show only)'
name\t'The names, a line each; of show --images: the files'"
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -l progress -d 'How progress is told on standard error' -r -f -a "auto\t'Bars on a terminal, a line now and then elsewhere'
plain\t'A line now and then'
json\t'For programs: a line of JSON for each event, and for all other words'
none\t'Not at all'"
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -l timeout -d 'Give up after this time (such as 90s or 10m): a hibernation is cancelled' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -l all -d 'All VMs that this can be done to'
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s n -l dry-run -d 'Only say what would be done'
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -l strict -d 'Refuse (exit status 5) what is already so'
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -l together -d 'All of them as one, so that none finds another one missing: if one fails, none is changed'
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s q -l quiet -d 'Only the answer and errors: no words, no progress'
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s v -l verbose -d 'Say what is being done'
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmlife -n "__fish_vmlife_using_subcommand pause" -s V -l version -d 'Print version'
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s f -l file -d 'A definition file that names VMs (may be given several times)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -l id -d 'A running VM by its domain id, which changes at every start' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -l exclude -d 'Leave out the VMs whose name matches' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s l -l selector -d 'Only VMs with this label (several: with all of them); alone it means all that have it' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -l group -d 'Only VMs whose group\'s name (vmGroupName) matches; alone it means all of them' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s j -l jobs -d 'How many VMs are worked on at once; without it as many as processors and disk can do' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s c -l connect -d 'The libvirt to talk to (several: on several hosts); without it libvirt\'s own rules choose (LIBVIRT_DEFAULT_URI ...)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -l hosts -d 'A file in YAML that lists hosts: name, uri, labels' -r -F
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s o -l output -d 'How the answer is written' -r -f -a "table\t'For people'
wide\t'The same with more columns; of show: a list always'
json\t'For programs'
jsonl\t'For programs, a line of JSON for each VM as soon as it is there'
yaml\t'For programs and people; of show: definitions that load again'
xml\t'libvirt\'s own XML (show only)'
name\t'The names, a line each; of show --images: the files'"
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -l progress -d 'How progress is told on standard error' -r -f -a "auto\t'Bars on a terminal, a line now and then elsewhere'
plain\t'A line now and then'
json\t'For programs: a line of JSON for each event, and for all other words'
none\t'Not at all'"
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -l timeout -d 'Give up after this time (such as 90s or 10m): a hibernation is cancelled' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -l all -d 'All VMs that this can be done to'
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s n -l dry-run -d 'Only say what would be done'
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -l strict -d 'Refuse (exit status 5) what is already so'
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -l together -d 'All of them as one, so that none finds another one missing: if one fails, none is changed'
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s q -l quiet -d 'Only the answer and errors: no words, no progress'
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s v -l verbose -d 'Say what is being done'
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmlife -n "__fish_vmlife_using_subcommand resume" -s V -l version -d 'Print version'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -s f -l file -d 'A definition file that names VMs (may be given several times)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l id -d 'A running VM by its domain id, which changes at every start' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l exclude -d 'Leave out the VMs whose name matches' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -s l -l selector -d 'Only VMs with this label (several: with all of them); alone it means all that have it' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l group -d 'Only VMs whose group\'s name (vmGroupName) matches; alone it means all of them' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l columns -d 'A list of these columns, separated by commas' -r -f -a "NAME\t'The name'
STATE\t'The status, and libvirt\'s reason for it'
ID\t'The number of the running domain'
UUID\t'The UUID'
VCPUS\t'vCPUs that are plugged in'
MEMORY\t'The memory'
IMAGE\t'The images of its memory: size, age, what is wrong with them'
CPU%\t'Use of its vCPUs in percent; needs --sample'
MEM%\t'Use of its memory in percent'
NET%\t'Use of its busiest network card in percent; needs --sample'
IP\t'The guest\'s addresses'
HOSTNAME\t'The guest\'s host name'
OS\t'The guest\'s operating system'
AGENT\t'Whether the QEMU guest agent is connected'
STARTED\t'When it was last started or restored'
STOPPED\t'When it last ended or was hibernated'
DISKS\t'How many disks, and the size of all of them'
NETWORKS\t'What its network cards are plugged into'
MAC\t'The hardware addresses of its network cards'
SNAPSHOTS\t'How many snapshots'
PRIORITY\t'How much it matters, 0 to 100'
GROUP\t'Its group'
LABELS\t'What it is chosen by'
POLICY\t'What becomes of it when the host shuts down'
TEMPLATE\t'The template that it was first made from'
MACHINE\t'The machine type'
NEXT\t'What changes at the next boot'
JOB\t'What is being done to it now'
COMMENT\t'A short remark'
DESCRIPTION\t'The first line of its description'"
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l sample -d 'Look twice, so far apart (100ms to 1h), and show also rates: CPU, disks, network' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l diff -d 'Only what differs from a definition: FILE\'s, else the one that names the VM' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -s c -l connect -d 'The libvirt to talk to (several: on several hosts); without it libvirt\'s own rules choose (LIBVIRT_DEFAULT_URI ...)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l hosts -d 'A file in YAML that lists hosts: name, uri, labels' -r -F
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -s o -l output -d 'How the answer is written' -r -f -a "table\t'For people'
wide\t'The same with more columns; of show: a list always'
json\t'For programs'
jsonl\t'For programs, a line of JSON for each VM as soon as it is there'
yaml\t'For programs and people; of show: definitions that load again'
xml\t'libvirt\'s own XML (show only)'
name\t'The names, a line each; of show --images: the files'"
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l progress -d 'How progress is told on standard error' -r -f -a "auto\t'Bars on a terminal, a line now and then elsewhere'
plain\t'A line now and then'
json\t'For programs: a line of JSON for each event, and for all other words'
none\t'Not at all'"
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l timeout -d 'Give up after this time (such as 90s or 10m): a hibernation is cancelled' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l no-headers -d 'Leave out the line above a list'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l inactive -d 'What the next start will find, and the state; nothing of what runs now'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l migratable -d 'The form that can move to another host'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l images -d 'List images, without a daemon: those in the folders that are named, else in the image place'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l verify -d 'Read images, and compare them with their checksums; a damaged one makes the exit status 7'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l watch -d 'Show the list, and then what changes in it, as libvirt tells it, until Ctrl-C or --timeout'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -l security-info -d 'Show passwords, keys and scripts, too; needs a connection that may do anything'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -s q -l quiet -d 'Only the answer and errors: no words, no progress'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -s v -l verbose -d 'Say what is being done'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmlife -n "__fish_vmlife_using_subcommand show" -s V -l version -d 'Print version'
complete -c vmlife -n "__fish_vmlife_using_subcommand suspend" -s c -l connect -d 'The libvirt to talk to (several: on several hosts); without it libvirt\'s own rules choose (LIBVIRT_DEFAULT_URI ...)' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand suspend" -l hosts -d 'A file in YAML that lists hosts: name, uri, labels' -r -F
complete -c vmlife -n "__fish_vmlife_using_subcommand suspend" -s o -l output -d 'How the answer is written' -r -f -a "table\t'For people'
wide\t'The same with more columns; of show: a list always'
json\t'For programs'
jsonl\t'For programs, a line of JSON for each VM as soon as it is there'
yaml\t'For programs and people; of show: definitions that load again'
xml\t'libvirt\'s own XML (show only)'
name\t'The names, a line each; of show --images: the files'"
complete -c vmlife -n "__fish_vmlife_using_subcommand suspend" -l progress -d 'How progress is told on standard error' -r -f -a "auto\t'Bars on a terminal, a line now and then elsewhere'
plain\t'A line now and then'
json\t'For programs: a line of JSON for each event, and for all other words'
none\t'Not at all'"
complete -c vmlife -n "__fish_vmlife_using_subcommand suspend" -l timeout -d 'Give up after this time (such as 90s or 10m): a hibernation is cancelled' -r
complete -c vmlife -n "__fish_vmlife_using_subcommand suspend" -s q -l quiet -d 'Only the answer and errors: no words, no progress'
complete -c vmlife -n "__fish_vmlife_using_subcommand suspend" -s v -l verbose -d 'Say what is being done'
complete -c vmlife -n "__fish_vmlife_using_subcommand suspend" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c vmlife -n "__fish_vmlife_using_subcommand suspend" -s V -l version -d 'Print version'
complete -c vmlife -n "__fish_vmlife_using_subcommand help; and not __fish_seen_subcommand_from hibernate restore pause resume show suspend help" -f -a "hibernate" -d 'Write the memory of VMs to files, and stop them'
complete -c vmlife -n "__fish_vmlife_using_subcommand help; and not __fish_seen_subcommand_from hibernate restore pause resume show suspend help" -f -a "restore" -d 'Bring hibernated VMs back exactly where they were'
complete -c vmlife -n "__fish_vmlife_using_subcommand help; and not __fish_seen_subcommand_from hibernate restore pause resume show suspend help" -f -a "pause" -d 'Freeze VMs: no CPU, no I/O, the memory stays allocated'
complete -c vmlife -n "__fish_vmlife_using_subcommand help; and not __fish_seen_subcommand_from hibernate restore pause resume show suspend help" -f -a "resume" -d 'Let paused VMs go on, and wake those that sleep'
complete -c vmlife -n "__fish_vmlife_using_subcommand help; and not __fish_seen_subcommand_from hibernate restore pause resume show suspend help" -f -a "show" -d 'List VMs, or describe one'
complete -c vmlife -n "__fish_vmlife_using_subcommand help; and not __fish_seen_subcommand_from hibernate restore pause resume show suspend help" -f -a "suspend" -d 'Means two things, and so is none of ours'
complete -c vmlife -n "__fish_vmlife_using_subcommand help; and not __fish_seen_subcommand_from hibernate restore pause resume show suspend help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
