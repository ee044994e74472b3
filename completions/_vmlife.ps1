
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'vmlife' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'vmlife'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'vmlife' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--connect', '--connect', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--hosts', '--hosts', [CompletionResultType]::ParameterName, 'A file in YAML that lists hosts: name, uri, labels')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up after this time (such as 90s or 10m): a hibernation is cancelled')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('hibernate', 'hibernate', [CompletionResultType]::ParameterValue, 'Write the memory of VMs to files, and stop them')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring hibernated VMs back exactly where they were')
            [CompletionResult]::new('pause', 'pause', [CompletionResultType]::ParameterValue, 'Freeze VMs: no CPU, no I/O, the memory stays allocated')
            [CompletionResult]::new('resume', 'resume', [CompletionResultType]::ParameterValue, 'Let paused VMs go on, and wake those that sleep')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'List VMs, or describe one')
            [CompletionResult]::new('suspend', 'suspend', [CompletionResultType]::ParameterValue, 'Means two things, and so is none of ours')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'vmlife;hibernate' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'A running VM by its domain id, which changes at every start')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Leave out the VMs whose name matches')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--selector', '--selector', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only VMs whose group''s name (vmGroupName) matches; alone it means all of them')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'How many VMs are worked on at once; without it as many as processors and disk can do')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'How many VMs are worked on at once; without it as many as processors and disk can do')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'The image''s file, or a folder for it, instead of the image place (that is VMLIFE_IMAGES, else /var/lib/vmlife/images, for session connections $XDG_STATE_HOME/vmlife/images)')
            [CompletionResult]::new('--trim', '--trim', [CompletionResultType]::ParameterName, 'Shrink the guest''s memory first by its balloon, to SIZE (such as 512M) or, without it, to what the guest uses and a margin; a restore gives all back')
            [CompletionResult]::new('--image-format', '--image-format', [CompletionResultType]::ParameterName, 'In which format, instead of the daemon''s own choice (libvirt 11.2)')
            [CompletionResult]::new('--parallel-channels', '--parallel-channels', [CompletionResultType]::ParameterName, 'Use so many threads of QEMU at once (1 to 255); for sparse images only (libvirt 11.2)')
            [CompletionResult]::new('--within', '--within', [CompletionResultType]::ParameterName, 'So much time (such as 5m) for all of them: the important ones first, and none that would not be done in it')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--connect', '--connect', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--hosts', '--hosts', [CompletionResultType]::ParameterName, 'A file in YAML that lists hosts: name, uri, labels')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up after this time (such as 90s or 10m): a hibernation is cancelled')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All VMs that this can be done to')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Refuse (exit status 5) what is already so')
            [CompletionResult]::new('--together', '--together', [CompletionResultType]::ParameterName, 'All of them as one, so that none finds another one missing: if one fails, none is changed')
            [CompletionResult]::new('--managed', '--managed', [CompletionResultType]::ParameterName, 'Let libvirt keep the image itself: whatever starts the VM next then restores it')
            [CompletionResult]::new('--running', '--running', [CompletionResultType]::ParameterName, 'Let the VM run when it is restored, whatever it did before')
            [CompletionResult]::new('--paused', '--paused', [CompletionResultType]::ParameterName, 'Let the VM stay paused when it is restored')
            [CompletionResult]::new('--bypass-cache', '--bypass-cache', [CompletionResultType]::ParameterName, 'Go round the page cache of the daemon''s host')
            [CompletionResult]::new('--checksum', '--checksum', [CompletionResultType]::ParameterName, 'Read the image back, and note its checksum: a restore then finds whatever has changed in it')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Save also against what a guard says, such as a VM that paused on an error of a disk')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'vmlife;restore' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'A running VM by its domain id, which changes at every start')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Leave out the VMs whose name matches')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--selector', '--selector', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only VMs whose group''s name (vmGroupName) matches; alone it means all of them')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'How many VMs are worked on at once; without it as many as processors and disk can do')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'How many VMs are worked on at once; without it as many as processors and disk can do')
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'An image that lies elsewhere; it tells itself whose it is')
            [CompletionResult]::new('--parallel-channels', '--parallel-channels', [CompletionResultType]::ParameterName, 'Use so many threads of QEMU at once (1 to 255); for sparse images only (libvirt 11.2)')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--connect', '--connect', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--hosts', '--hosts', [CompletionResultType]::ParameterName, 'A file in YAML that lists hosts: name, uri, labels')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up after this time (such as 90s or 10m): a hibernation is cancelled')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All VMs that this can be done to')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Refuse (exit status 5) what is already so')
            [CompletionResult]::new('--together', '--together', [CompletionResultType]::ParameterName, 'All of them as one, so that none finds another one missing: if one fails, none is changed')
            [CompletionResult]::new('--running', '--running', [CompletionResultType]::ParameterName, 'Let the VM run when it is restored, whatever it did before')
            [CompletionResult]::new('--paused', '--paused', [CompletionResultType]::ParameterName, 'Let the VM stay paused when it is restored')
            [CompletionResult]::new('--bypass-cache', '--bypass-cache', [CompletionResultType]::ParameterName, 'Go round the page cache of the daemon''s host')
            [CompletionResult]::new('--keep', '--keep', [CompletionResultType]::ParameterName, 'Leave the image there, marked as used')
            [CompletionResult]::new('--or-start', '--or-start', [CompletionResultType]::ParameterName, 'Boot a VM that has no image; one that libvirt does not know is defined first')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Restore also against what a guard says: an image that was used, is stale (old memory over newer disks), or damaged')
            [CompletionResult]::new('--discard', '--discard', [CompletionResultType]::ParameterName, 'Restore nothing, but give the image up: it is removed, and what is in it is lost')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'Do not ask before an image is given up')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'vmlife;pause' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'A running VM by its domain id, which changes at every start')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Leave out the VMs whose name matches')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--selector', '--selector', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only VMs whose group''s name (vmGroupName) matches; alone it means all of them')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'How many VMs are worked on at once; without it as many as processors and disk can do')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'How many VMs are worked on at once; without it as many as processors and disk can do')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--connect', '--connect', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--hosts', '--hosts', [CompletionResultType]::ParameterName, 'A file in YAML that lists hosts: name, uri, labels')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up after this time (such as 90s or 10m): a hibernation is cancelled')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All VMs that this can be done to')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Refuse (exit status 5) what is already so')
            [CompletionResult]::new('--together', '--together', [CompletionResultType]::ParameterName, 'All of them as one, so that none finds another one missing: if one fails, none is changed')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'vmlife;resume' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'A running VM by its domain id, which changes at every start')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Leave out the VMs whose name matches')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--selector', '--selector', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only VMs whose group''s name (vmGroupName) matches; alone it means all of them')
            [CompletionResult]::new('-j', '-j', [CompletionResultType]::ParameterName, 'How many VMs are worked on at once; without it as many as processors and disk can do')
            [CompletionResult]::new('--jobs', '--jobs', [CompletionResultType]::ParameterName, 'How many VMs are worked on at once; without it as many as processors and disk can do')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--connect', '--connect', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--hosts', '--hosts', [CompletionResultType]::ParameterName, 'A file in YAML that lists hosts: name, uri, labels')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up after this time (such as 90s or 10m): a hibernation is cancelled')
            [CompletionResult]::new('--all', '--all', [CompletionResultType]::ParameterName, 'All VMs that this can be done to')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--strict', '--strict', [CompletionResultType]::ParameterName, 'Refuse (exit status 5) what is already so')
            [CompletionResult]::new('--together', '--together', [CompletionResultType]::ParameterName, 'All of them as one, so that none finds another one missing: if one fails, none is changed')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'vmlife;show' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--file', '--file', [CompletionResultType]::ParameterName, 'A definition file that names VMs (may be given several times)')
            [CompletionResult]::new('--id', '--id', [CompletionResultType]::ParameterName, 'A running VM by its domain id, which changes at every start')
            [CompletionResult]::new('--exclude', '--exclude', [CompletionResultType]::ParameterName, 'Leave out the VMs whose name matches')
            [CompletionResult]::new('-l', '-l', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--selector', '--selector', [CompletionResultType]::ParameterName, 'Only VMs with this label (several: with all of them); alone it means all that have it')
            [CompletionResult]::new('--group', '--group', [CompletionResultType]::ParameterName, 'Only VMs whose group''s name (vmGroupName) matches; alone it means all of them')
            [CompletionResult]::new('--columns', '--columns', [CompletionResultType]::ParameterName, 'A list of these columns, separated by commas')
            [CompletionResult]::new('--sample', '--sample', [CompletionResultType]::ParameterName, 'Look twice, so far apart (100ms to 1h), and show also rates: CPU, disks, network')
            [CompletionResult]::new('--diff', '--diff', [CompletionResultType]::ParameterName, 'Only what differs from a definition: FILE''s, else the one that names the VM')
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--connect', '--connect', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--hosts', '--hosts', [CompletionResultType]::ParameterName, 'A file in YAML that lists hosts: name, uri, labels')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up after this time (such as 90s or 10m): a hibernation is cancelled')
            [CompletionResult]::new('--no-headers', '--no-headers', [CompletionResultType]::ParameterName, 'Leave out the line above a list')
            [CompletionResult]::new('--inactive', '--inactive', [CompletionResultType]::ParameterName, 'What the next start will find, and the state; nothing of what runs now')
            [CompletionResult]::new('--migratable', '--migratable', [CompletionResultType]::ParameterName, 'The form that can move to another host')
            [CompletionResult]::new('--images', '--images', [CompletionResultType]::ParameterName, 'List images, without a daemon: those in the folders that are named, else in the image place')
            [CompletionResult]::new('--verify', '--verify', [CompletionResultType]::ParameterName, 'Read images, and compare them with their checksums; a damaged one makes the exit status 7')
            [CompletionResult]::new('--watch', '--watch', [CompletionResultType]::ParameterName, 'Show the list, and then what changes in it, as libvirt tells it, until Ctrl-C or --timeout')
            [CompletionResult]::new('--security-info', '--security-info', [CompletionResultType]::ParameterName, 'Show passwords, keys and scripts, too; needs a connection that may do anything')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'vmlife;suspend' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--connect', '--connect', [CompletionResultType]::ParameterName, 'The libvirt to talk to (several: on several hosts); without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)')
            [CompletionResult]::new('--hosts', '--hosts', [CompletionResultType]::ParameterName, 'A file in YAML that lists hosts: name, uri, labels')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--output', '--output', [CompletionResultType]::ParameterName, 'How the answer is written')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Give up after this time (such as 90s or 10m): a hibernation is cancelled')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Only the answer and errors: no words, no progress')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say what is being done')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'vmlife;help' {
            [CompletionResult]::new('hibernate', 'hibernate', [CompletionResultType]::ParameterValue, 'Write the memory of VMs to files, and stop them')
            [CompletionResult]::new('restore', 'restore', [CompletionResultType]::ParameterValue, 'Bring hibernated VMs back exactly where they were')
            [CompletionResult]::new('pause', 'pause', [CompletionResultType]::ParameterValue, 'Freeze VMs: no CPU, no I/O, the memory stays allocated')
            [CompletionResult]::new('resume', 'resume', [CompletionResultType]::ParameterValue, 'Let paused VMs go on, and wake those that sleep')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'List VMs, or describe one')
            [CompletionResult]::new('suspend', 'suspend', [CompletionResultType]::ParameterValue, 'Means two things, and so is none of ours')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'vmlife;help;hibernate' {
            break
        }
        'vmlife;help;restore' {
            break
        }
        'vmlife;help;pause' {
            break
        }
        'vmlife;help;resume' {
            break
        }
        'vmlife;help;show' {
            break
        }
        'vmlife;help;suspend' {
            break
        }
        'vmlife;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
