#!/bin/sh
# Watch a virtual machine go to sleep and wake up with its memory intact.
#
# Builds vmlife and a small Linux guest, starts a private libvirt of an ordinary user (yours, or nobody's
# if you are root), and takes you through the five verbs. Touches no libvirt and no VM that you have, and
# cleans up behind itself. It needs Rust; what else is missing it installs, by sudo if it must.
set -eu
project=$(cd "$(dirname "$0")/.." && pwd)
cd "$project"

say() { printf '\n%s\n' "$*"; }
fail() {
    printf 'quickstart: %s\n' "$*" >&2
    tail -n 20 console.log "${folder:-.}/libvirtd.log" 2>/dev/null >&2 || :
    exit 1
}

sh tests/prepare.sh
export CARGO_TARGET_DIR="$project/target"
say 'Building vmlife and a guest ...'
cargo build --quiet
sh tests/guest/build.sh target/guest

# The private libvirt lives as long as we hold the pipe to its supervisor.
folder=$(mktemp -d /tmp/vmlife-XXXXXX)
work=$(mktemp -d)
mkfifo "$work/orders"
export VMLIFE_TEST_QEMU_CACHE="$work/qemu"
sh tests/session.sh "$folder" <"$work/orders" >"$work/answers" &
supervisor=$!
exec 3>"$work/orders"
clean_up() {
    exec 3>&-
    wait "$supervisor" || :
    rm -rf "$work" "$folder"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
until grep -q ready "$work/answers"; do
    kill -0 "$supervisor" 2>/dev/null || fail 'the private libvirt did not start'
    sleep 0.1
done

# Its user may not be able to look into the project.
mkdir "$folder/guest"
cp target/debug/vmlife examples/quickstart.yaml "$folder"
cp target/guest/vmlinuz target/guest/initrd.img "$folder/guest"
chmod -R a+rX "$folder/guest" "$folder/vmlife" "$folder/quickstart.yaml"
cd "$folder"

# Prints a command as you would type it, then runs it in the private libvirt.
run() {
    printf '\n$ %s\n' "$*"
    case $1 in
    vmlife) shift; "$folder/in-session" "$folder/vmlife" "$@" ;;
    # virsh looks for polkit, which a private libvirt does not need, and says so.
    *) "$folder/in-session" "$@" 2>/dev/null ;;
    esac
}

ticks() { sed -nE '/^[0-9a-f]{16} [0-9]+ .*[0-9]/p' console.log 2>/dev/null | tr -d '\r'; }
last_tick() { ticks | tail -n 1; }
# Waits for a tick beyond this number.
tick_after() {
    tries=0
    until seen=$(last_tick | cut -d' ' -f2) && [ "${seen:-0}" -gt "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 600 ] || fail "the guest does not tick any more"
        sleep 0.1
    done
}
console() { printf '\nThe guest says:\n'; ticks | tail -n "$1" | sed 's/^/    /'; }

say 'A definition is enough: a VM that libvirt does not know is defined, and booted.'
run vmlife restore --or-start quickstart.yaml
tick_after 2
console 2
echo '(a random word that exists in its memory only, how often it has said it, and when)'

say 'What is there?'
run vmlife show
run vmlife show quickstart

say 'Freeze it: no CPU, no I/O, its memory stays where it is.'
run vmlife pause quickstart
frozen=$(last_tick)
sleep 2
[ "$(last_tick)" = "$frozen" ] || fail 'the guest ticked while it was paused'
echo '(two seconds later: not a tick more)'
run vmlife resume quickstart
tick_after "$(echo "$frozen" | cut -d' ' -f2)"

say 'Put it to sleep: its memory goes to a file, its process ends.'
run vmlife hibernate quickstart
asleep=$(last_tick)
console 1
run vmlife show
run virsh list --all
sleep 2
[ "$(last_tick)" = "$asleep" ] || fail 'the guest ticked while it was off'

say 'Wake it up.'
run vmlife restore quickstart
number=$(echo "$asleep" | cut -d' ' -f2)
tick_after $((number + 1))
console 4

word=${asleep%% *}
after=$(ticks | awk -v number="$number" '$2 == number + 1 { print $1 }')
[ "$after" = "$word" ] || fail "MEMORY LOST: after '$word $number' came '$(last_tick)'"
say "The same word, $word, and after $number came $((number + 1)): its memory came back."
cat <<'END'

Try next, with your own VMs:
    cargo install --path .         put vmlife where your shell finds it
    vmlife show                    the VMs of your libvirt (another one: -c qemu:///system)
    vmlife hibernate NAME -n       what would be done, without doing it
    vmlife --help
END
