
use builtin;
use str;

set edit:completion:arg-completer[vmlife] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'vmlife'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'vmlife'= {
            cand -c 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand --connect 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand -o 'How the answer is written'
            cand --output 'How the answer is written'
            cand --timeout 'Give up after this time (such as 90s or 10m): a hibernation is cancelled'
            cand -q 'Only the answer and errors: no words, no progress'
            cand --quiet 'Only the answer and errors: no words, no progress'
            cand -v 'Say what is being done'
            cand --verbose 'Say what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand hibernate 'Write the memory of VMs to files, and stop them'
            cand restore 'Bring hibernated VMs back exactly where they were'
            cand pause 'Freeze VMs: no CPU, no I/O, the memory stays allocated'
            cand resume 'Let paused VMs go on, and wake those that sleep'
            cand show 'List VMs, or describe one'
            cand suspend 'Means two things, and so is none of ours'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'vmlife;hibernate'= {
            cand -f 'A definition file that names VMs (may be given several times)'
            cand --file 'A definition file that names VMs (may be given several times)'
            cand --id 'A running VM by its domain id, which changes at every start'
            cand --exclude 'Leave out the VMs whose name matches'
            cand --to 'The image''s file, or a folder for it, instead of the image place (that is VMLIFE_IMAGES, else /var/lib/vmlife/images, for session connections $XDG_STATE_HOME/vmlife/images)'
            cand --image-format 'In which format, instead of the daemon''s own choice (libvirt 11.2)'
            cand --parallel-channels 'Use so many threads of QEMU at once (1 to 255); for sparse images only (libvirt 11.2)'
            cand -c 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand --connect 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand -o 'How the answer is written'
            cand --output 'How the answer is written'
            cand --timeout 'Give up after this time (such as 90s or 10m): a hibernation is cancelled'
            cand --all 'All VMs that this can be done to'
            cand -n 'Only say what would be done'
            cand --dry-run 'Only say what would be done'
            cand --strict 'Refuse (exit status 5) what is already so'
            cand --managed 'Let libvirt keep the image itself: whatever starts the VM next then restores it'
            cand --running 'Let the VM run when it is restored, whatever it did before'
            cand --paused 'Let the VM stay paused when it is restored'
            cand --bypass-cache 'Go round the page cache of the daemon''s host'
            cand --checksum 'Read the image back, and note its checksum: a restore then finds whatever has changed in it'
            cand --force 'Save also against what a guard says, such as a VM that paused on an error of a disk'
            cand -q 'Only the answer and errors: no words, no progress'
            cand --quiet 'Only the answer and errors: no words, no progress'
            cand -v 'Say what is being done'
            cand --verbose 'Say what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'vmlife;restore'= {
            cand -f 'A definition file that names VMs (may be given several times)'
            cand --file 'A definition file that names VMs (may be given several times)'
            cand --id 'A running VM by its domain id, which changes at every start'
            cand --exclude 'Leave out the VMs whose name matches'
            cand --from 'An image that lies elsewhere; it tells itself whose it is'
            cand --parallel-channels 'Use so many threads of QEMU at once (1 to 255); for sparse images only (libvirt 11.2)'
            cand -c 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand --connect 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand -o 'How the answer is written'
            cand --output 'How the answer is written'
            cand --timeout 'Give up after this time (such as 90s or 10m): a hibernation is cancelled'
            cand --all 'All VMs that this can be done to'
            cand -n 'Only say what would be done'
            cand --dry-run 'Only say what would be done'
            cand --strict 'Refuse (exit status 5) what is already so'
            cand --running 'Let the VM run when it is restored, whatever it did before'
            cand --paused 'Let the VM stay paused when it is restored'
            cand --bypass-cache 'Go round the page cache of the daemon''s host'
            cand --keep 'Leave the image there, marked as used'
            cand --or-start 'Boot a VM that has no image; one that libvirt does not know is defined first'
            cand --force 'Restore also against what a guard says: an image that was used, is stale (old memory over newer disks), or damaged'
            cand --discard 'Restore nothing, but give the image up: it is removed, and what is in it is lost'
            cand --yes 'Do not ask before an image is given up'
            cand -q 'Only the answer and errors: no words, no progress'
            cand --quiet 'Only the answer and errors: no words, no progress'
            cand -v 'Say what is being done'
            cand --verbose 'Say what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'vmlife;pause'= {
            cand -f 'A definition file that names VMs (may be given several times)'
            cand --file 'A definition file that names VMs (may be given several times)'
            cand --id 'A running VM by its domain id, which changes at every start'
            cand --exclude 'Leave out the VMs whose name matches'
            cand -c 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand --connect 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand -o 'How the answer is written'
            cand --output 'How the answer is written'
            cand --timeout 'Give up after this time (such as 90s or 10m): a hibernation is cancelled'
            cand --all 'All VMs that this can be done to'
            cand -n 'Only say what would be done'
            cand --dry-run 'Only say what would be done'
            cand --strict 'Refuse (exit status 5) what is already so'
            cand -q 'Only the answer and errors: no words, no progress'
            cand --quiet 'Only the answer and errors: no words, no progress'
            cand -v 'Say what is being done'
            cand --verbose 'Say what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'vmlife;resume'= {
            cand -f 'A definition file that names VMs (may be given several times)'
            cand --file 'A definition file that names VMs (may be given several times)'
            cand --id 'A running VM by its domain id, which changes at every start'
            cand --exclude 'Leave out the VMs whose name matches'
            cand -c 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand --connect 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand -o 'How the answer is written'
            cand --output 'How the answer is written'
            cand --timeout 'Give up after this time (such as 90s or 10m): a hibernation is cancelled'
            cand --all 'All VMs that this can be done to'
            cand -n 'Only say what would be done'
            cand --dry-run 'Only say what would be done'
            cand --strict 'Refuse (exit status 5) what is already so'
            cand -q 'Only the answer and errors: no words, no progress'
            cand --quiet 'Only the answer and errors: no words, no progress'
            cand -v 'Say what is being done'
            cand --verbose 'Say what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'vmlife;show'= {
            cand -f 'A definition file that names VMs (may be given several times)'
            cand --file 'A definition file that names VMs (may be given several times)'
            cand --id 'A running VM by its domain id, which changes at every start'
            cand --exclude 'Leave out the VMs whose name matches'
            cand --columns 'A list of these columns, separated by commas'
            cand --sample 'Look twice, so far apart (100ms to 1h), and show also rates: CPU, disks, network'
            cand --diff 'Only what differs from a definition: FILE''s, else the one that names the VM'
            cand -c 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand --connect 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand -o 'How the answer is written'
            cand --output 'How the answer is written'
            cand --timeout 'Give up after this time (such as 90s or 10m): a hibernation is cancelled'
            cand --no-headers 'Leave out the line above a list'
            cand --inactive 'What the next start will find, and the state; nothing of what runs now'
            cand --migratable 'The form that can move to another host'
            cand --images 'List images, without a daemon: those in the folders that are named, else in the image place'
            cand --verify 'Read images, and compare them with their checksums; a damaged one makes the exit status 7'
            cand --security-info 'Show passwords, keys and scripts, too; needs a connection that may do anything'
            cand -q 'Only the answer and errors: no words, no progress'
            cand --quiet 'Only the answer and errors: no words, no progress'
            cand -v 'Say what is being done'
            cand --verbose 'Say what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'vmlife;suspend'= {
            cand -c 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand --connect 'The libvirt to talk to; without it libvirt''s own rules choose (LIBVIRT_DEFAULT_URI ...)'
            cand -o 'How the answer is written'
            cand --output 'How the answer is written'
            cand --timeout 'Give up after this time (such as 90s or 10m): a hibernation is cancelled'
            cand -q 'Only the answer and errors: no words, no progress'
            cand --quiet 'Only the answer and errors: no words, no progress'
            cand -v 'Say what is being done'
            cand --verbose 'Say what is being done'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'vmlife;help'= {
            cand hibernate 'Write the memory of VMs to files, and stop them'
            cand restore 'Bring hibernated VMs back exactly where they were'
            cand pause 'Freeze VMs: no CPU, no I/O, the memory stays allocated'
            cand resume 'Let paused VMs go on, and wake those that sleep'
            cand show 'List VMs, or describe one'
            cand suspend 'Means two things, and so is none of ours'
            cand help 'Print this message or the help of the given subcommand(s)'
        }
        &'vmlife;help;hibernate'= {
        }
        &'vmlife;help;restore'= {
        }
        &'vmlife;help;pause'= {
        }
        &'vmlife;help;resume'= {
        }
        &'vmlife;help;show'= {
        }
        &'vmlife;help;suspend'= {
        }
        &'vmlife;help;help'= {
        }
    ]
    $completions[$command]
}
