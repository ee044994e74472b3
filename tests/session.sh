#!/bin/sh
# A private libvirt: an unprivileged session daemon with folders of its own.
#
#     sh tests/session.sh DIR
#
# DIR is new or empty, and its full path has at most 22 characters.  Once the
# daemon answers, `ready` is printed, and anything run as
#     DIR/in-session CMD [ARG...]
# talks to it and to no other libvirt of this machine; started by root, all of
# that runs as `nobody`.  The session lasts until end-of-file on standard input
# (a killed owner closes its pipe too), TERM, or, when standard input is a
# terminal, Ctrl-C; then all its processes and DIR are gone.
# Lines on standard input: `restart`, `kill` (-9), `start` and `pid` act on the
# daemon alone (running guests stay), answered by `ready`, `killed`, `ready`
# and its process id (`none` when it does not run).
#
# VMLIFE_TEST_QEMU_CACHE=FOLDER keeps what libvirt learns about the installed
# QEMU between sessions, as learning it takes a second or more.  FOLDER is made
# if needed and may be shared by any number of sessions of one user, also at once.
set -eu
umask 022
PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin

say() { printf 'session.sh: %s\n' "$*" >&2; }
die() { say "$@"; exit 1; }

# --- a parent for orphans ---------------------------------------------------

# For libvirt a guest ends when its dead process is collected.  QEMU being in the
# background, that falls to process 1, which takes its time in some containers
# and never does it in others.  So this process asks the kernel for such orphans,
# where Perl is there to do prctl(2) for it.  A shell collects while it waits.
case ${session_reaper-}$(uname -m) in x86_64) nr=157 ;; aarch64|riscv64) nr=167 ;; *) nr= ;; esac
if [ -n "$nr" ] && command -v perl >/dev/null; then
    export session_reaper="$nr"
    exec perl -e 'syscall $ENV{session_reaper}, 36, 1, 0, 0, 0;  # PR_SET_CHILD_SUBREAPER
        exec @ARGV' sh "$0" "$@"
fi
unset session_reaper

# --- where, and as whom -----------------------------------------------------

[ $# -eq 1 ] && [ -n "$1" ] || { echo "usage: sh tests/session.sh DIR" >&2; exit 2; }
base=$(basename -- "$1")
parent=$(cd -P -- "$(dirname -- "$1")" 2>/dev/null && pwd) || die "no folder to hold $1"
dir=${parent%/}/$base
case $base in /|.|..) die "DIR needs a name of its own: $1" ;; esac
case $dir in *[!A-Za-z0-9._/+-]*)    # it lands in scripts, settings and QEMU options
    die "only letters, digits and . _ / + - may be in the path: $dir" ;;
esac

# The kernel allows 107 bytes for the path of a unix socket.  The longest that
# libvirt makes is for a guest agent; it cuts the guest's name to 20 characters.
# XDG_CONFIG_HOME is just `c` to leave more of that to DIR.
longest=$dir/c/libvirt/qemu/channel/target/domain-999-12345678901234567890/org.qemu.guest_agent.0
[ ${#longest} -le 107 ] ||
    die "path too long by $((${#longest} - 107)) bytes for libvirt's sockets: $dir"

cache=${VMLIFE_TEST_QEMU_CACHE-}
case $cache in ''|/*) ;; *) cache=$PWD/$cache ;; esac

# Root always gets libvirt's system mode, hence another user is needed then.
user=$(id -un) as=
if [ "$(id -u)" -eq 0 ]; then
    user=nobody
    uid=$(id -u $user) gid=$(id -g $user)
    as="setpriv --reuid $uid --regid $gid --clear-groups --"
fi
daemon_program=libvirtd
command -v libvirtd >/dev/null || daemon_program=virtqemud
for program in $daemon_program virsh setsid ${as:+setpriv}; do
    command -v "$program" >/dev/null || die "not installed: $program"
done

# --- ending -----------------------------------------------------------------

# Dead is also a zombie, which its parent may be slow to collect, but only once
# its last thread has ended: before that it may still hold files and memory.
gone() {
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
    case ${stat##*) } in Z*|X*) ;; *) return 1 ;; esac
    set -- "/proc/$1/task/"*
    [ $# -le 1 ]
}

# The process ids of this session.  Every process in it has one of these exact
# settings, and nobody outside; guests inherit HOME from the daemon.
# The pid files help where the environment is not readable; as their ids could
# be out of date, only a QEMU with a path below DIR on its command line counts.
processes() {
    grep -lszxF -e "HOME=$dir/home" -e "XDG_RUNTIME_DIR=$dir/run" /proc/[0-9]*/environ |
        cut -d/ -f3
    for file in "$dir"/run/libvirt/qemu/run/*.pid; do
        id=
        { read -r id <"$file"; } 2>/dev/null || :    # no newline in there: read "fails"
        [ -z "$id" ] || ! grep -qs '^qemu' "/proc/$id/comm" ||
            ! grep -qsF "$dir/" "/proc/$id/cmdline" || echo "$id"
    done
}

# All at once and by KILL: nothing of what they could still save outlives DIR,
# a daemon gets no chance to start something new, and KILL needs no CONT.
# Again until none is found, as one could have forked while we looked.
finish() {
    status=$?
    trap '' HUP INT TERM PIPE
    trap - EXIT
    set +e
    rm -f -- "$dir/in-session"    # a command that is about to join must not now
    exec 3>&2 2>/dev/null    # some shells report each "Killed" child
    rounds=0
    while ids=$(processes); [ -n "$ids" ] && [ $rounds -lt 20 ]; do
        rounds=$((rounds + 1))
        kill -KILL $ids
        for id in $ids; do
            tries=0
            until gone "$id" || [ $((tries += 1)) -gt 100 ]; do sleep 0.01; done
        done
    done
    [ -z "${reader-}" ] || kill -KILL "$reader"
    [ -n "$ids" ] || wait
    exec 2>&3
    [ -z "$ids" ] || { say "still running:" $ids; status=1; }
    # A test may have mounted a disk in there.
    for mount in $(grep -sF " $dir/" /proc/mounts | cut -d' ' -f2); do umount -l "$mount"; done
    rm -rf -- "$dir" || { say "could not remove $dir"; status=1; }
    exit "$status"
}

# --- folders and settings ---------------------------------------------------

# Ctrl-C reaches the owner too, who then decides: its end is our end-of-file.
if [ -t 0 ]; then ends='HUP INT TERM'; else ends=TERM; trap '' HUP INT; fi
# Only noted at first: half-way through mkdir nobody knows whose DIR it is.
ended=
trap 'ended=1' $ends

# Where mkdir fails, a DIR of someone else stays as it is.
if [ -L "$dir" ] || [ -e "$dir" ]; then
    [ -d "$dir" ] && [ ! -L "$dir" ] && [ -z "$(ls -A "$dir")" ] ||
        die "exists and is not an empty folder: $dir"
    mkdir "$dir/home" || exit 1
else
    mkdir "$dir" "$dir/home" || exit 1
fi
trap finish EXIT
trap 'exit 1' PIPE    # a handler, as children would inherit an ignored PIPE
trap 'exit 143' $ends
[ -z "$ended" ] || exit 143

cd /
chmod 0700 "$dir"
capabilities=$dir/cache/libvirt/qemu/cache/capabilities
mkdir "$dir/run" "$dir/state" "$dir/data" "$dir/tmp"
mkdir -p "$dir/c/libvirt" "$capabilities"
chmod 0700 "$dir/run"
# Consoles' ports of its own: a daemon knows only those that its own guests have.
ports=$((5900 + $$ % 590 * 100))
# No virtlogd for the guests' output, no security labels.
cat >"$dir/c/libvirt/qemu.conf" <<END
stdio_handler = "file"
security_driver = "none"
remote_display_port_min = $ports
remote_display_port_max = $((ports + 99))
END
# To standard error, which is libvirtd.log: so it also has what comes earlier
# than the settings are read, and what the loader says when it cannot start.
echo 'log_outputs = "3:stderr"' >"$dir/c/libvirt/$daemon_program.conf"
: >"$dir/libvirtd.log"
for file in "$cache"/*.xml; do
    [ -z "$cache" ] || [ ! -r "$file" ] || cp "$file" "$capabilities/"
done

# A LIBVIRT_DEFAULT_URI from the user's profile may name the real daemon of this
# machine.  So only another value than the one found here counts as given.
quoted_uri=$(printf %s "${LIBVIRT_DEFAULT_URI-}" | sed "s/'/'\\\\''/g")
cat >"$dir/in-session" <<END
#!/bin/sh
# in-session CMD [ARG...]: runs CMD in this private libvirt session.  It becomes
# CMD, so that process id, signals, standard streams and exit status are CMD's.
set -eu
dir='$dir' user='$user' as='$as' outer_uri='$quoted_uri'
PATH='$PATH'
END
cat >>"$dir/in-session" <<'END'
[ $# -gt 0 ] || { echo "usage: $0 CMD [ARG...]" >&2; exit 2; }
uri=${LIBVIRT_DEFAULT_URI-}
[ -n "$uri" ] && [ "$uri" != "$outer_uri" ] || uri=qemu:///session
# AUTOSTART=0: a client must not start a second daemon when this one is down.
set -- HOME="$dir/home" USER="$user" LOGNAME="$user" PATH="$PATH" TMPDIR="$dir/tmp" \
    LANG=C.UTF-8 LC_ALL=C.UTF-8 LIBVIRT_DEFAULT_URI="$uri" LIBVIRT_AUTOSTART=0 \
    XDG_RUNTIME_DIR="$dir/run" XDG_CONFIG_HOME="$dir/c" XDG_CACHE_HOME="$dir/cache" \
    VMLIFE_JOURNAL="$dir/journal" VMLIFE_CONFIG="${VMLIFE_CONFIG-}" \
    XDG_STATE_HOME="$dir/state" XDG_DATA_HOME="$dir/data" $as "$@"
# A line of a value can look like a variable; values come from the shell itself.
for name in $(env | LC_ALL=C sed -nE \
    's/^(TERM|COLUMNS|(VMLIFE_|LIBVIRT_|RUST_BACKTRACE)[A-Za-z0-9_]*)=.*/\1/p'); do
    eval "[ -z \"\${$name+x}\" ] || set -- \"$name=\$$name\" \"\$@\""
done
[ -e "$dir/in-session" ] || { echo "in-session: the session $dir has ended" >&2; exit 1; }
exec env -i "$@"
END
chmod 0755 "$dir/in-session"
[ -z "$as" ] || chown -R "$uid:$gid" "$dir"
"$dir/in-session" test -x "$dir/in-session" || die "user $user cannot reach $dir"

# --- the daemon -------------------------------------------------------------

# Its own process group, out of reach of a Ctrl-C; no stream of ours, so that an
# owner who reads our output sees it end with us.  Asking for the capabilities
# makes sure that QEMU has been examined before `ready`.
daemon=
start() {
    # One that was just killed by another hand closes its connections before it is gone.
    deadline=$(($(date +%s) + 20))
    while [ -n "$daemon" ]; do
        if gone "$daemon"; then stop KILL; break; fi
        "$dir/in-session" timeout 5 virsh uri </dev/null >/dev/null 2>&1 &
        ! wait $! || return 0
        [ "$(date +%s)" -lt $deadline ] || die "$daemon_program hangs"
        sleep 0.05
    done
    setsid "$dir/in-session" $daemon_program </dev/null 4<&- >>"$dir/libvirtd.log" 2>&1 &
    daemon=$!
    deadline=$(($(date +%s) + 20)) why="does not answer"
    while left=$((deadline - $(date +%s))); [ $left -gt 0 ]; do
        # Not in the foreground, where it would hold up a TERM to us.
        "$dir/in-session" timeout $left virsh capabilities </dev/null >/dev/null 2>&1 &
        ! wait $! || return 0
        ! gone "$daemon" || { why=ended; break; }
        sleep 0.05
    done
    say "$daemon_program $why; the end of its log:"
    tail -n 20 "$dir/libvirtd.log" >&2
    exit 1
}

# $1 is the signal.  A daemon that does not heed TERM for 5 s is killed.
stop() {
    [ -n "$daemon" ] || return 0
    kill "-$1" "$daemon" 2>/dev/null || :
    tries=0
    until gone "$daemon"; do
        [ $((tries += 1)) -ne 250 ] || kill -KILL "$daemon" 2>/dev/null || :
        sleep 0.02
    done
    wait "$daemon" 2>/dev/null || :
    daemon=
}

# One file for each QEMU program, which libvirt checks against the program, the
# kernel and itself before it believes it; a rename lets no reader see half.
keep_capabilities() {
    mkdir -p "$cache" || return 1
    for file in "$capabilities"/*.xml; do
        name=${file##*/}
        cmp -s "$file" "$cache/$name" || {
            cp "$file" "$cache/.$name.$$" && mv -f "$cache/.$name.$$" "$cache/$name"
        } || return 1
    done
}

start
[ -z "$cache" ] || keep_capabilities || say "could not fill $cache"
echo ready

# A child does the reading and tells the command by its exit status: a shell that
# is in `wait`, unlike in `read`, collects orphans and heeds TERM at once.
exec 4<&0
while :; do
    (
        read -r line || exit 1
        case $line in start) exit 11 ;; restart) exit 12 ;; kill) exit 13 ;; pid) exit 14 ;; esac
        say "unknown command: $line"
    ) <&4 &
    reader=$!
    status=0
    wait $reader || status=$?
    case $status in
    0) ;;
    11) start; echo ready ;;
    12) stop TERM; start; echo ready ;;
    13) stop KILL; echo killed ;;
    14) if [ -n "$daemon" ] && ! gone "$daemon"; then echo "$daemon"; else echo none; fi ;;
    *) break ;;
    esac
done
