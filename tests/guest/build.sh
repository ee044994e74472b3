#!/bin/sh
# Makes the test guest: OUTDIR/vmlinuz and OUTDIR/initrd.img.
#
#     tests/guest/build.sh OUTDIR
#
# The kernel, busybox and the guest agent come from Debian's own packages. They
# are downloaded and unpacked, never installed, so this needs no root, changes
# nothing on the machine and leaves its kernel and boot loader alone.
#
# When OUTDIR is up to date this ends at once and touches no network. Runs at
# the same time on the same OUTDIR wait for each other; a run that is
# interrupted leaves no half guest behind.
set -eu

# Module files and sort order must not depend on the caller's language.
export LC_ALL=C

# Loaded in the guest, with whatever they depend on. What drives a virtio disk,
# console (the agent's channel), network card, balloon and random source, and
# the power button with the input device that it speaks through.
MODULES='virtio_pci virtio_blk virtio_console virtio_net virtio_balloon virtio_rng button evdev'
# Loaded only to look at a CD: its bus takes time to ask who is there.
PAYLOAD_MODULES='ata_piix sr_mod isofs'

# What /init runs, and enough for a person to look around through the agent.
APPLETS='sh cat cut date dd df dmesg echo find free grep head hwclock insmod ip kill ls lsmod
    mkdir mount od poweroff printf ps pwd reboot rm sed sha256sum sleep sort stty sync touch true
    umount uname uptime'

die() {
    echo "build.sh: $*" >&2
    exit 1
}

if [ $# -ne 1 ] || [ -z "$1" ]; then
    die "usage: build.sh OUTDIR"
fi

here=$(cd "$(dirname "$0")" && pwd)

# QEMU may run as another user: what is made here must be readable for everyone.
umask 022
mkdir -p "$1"
out=$(cd "$1" && pwd)

# ---- up to date? ------------------------------------------------------------

stamp=$(cat "$here/build.sh" "$here/init" | sha256sum | cut -d' ' -f1)

up_to_date() {
    [ -s "$out/vmlinuz" ] && [ -s "$out/initrd.img" ] && [ -r "$out/stamp" ] &&
        read -r made <"$out/stamp" && [ "$made" = "$stamp" ]
}

up_to_date && exit 0

# ---- preparations -----------------------------------------------------------

for tool in apt-get apt-cache dpkg-deb; do
    command -v "$tool" >/dev/null ||
        die "there is no $tool: the test guest is made of Debian packages and needs Debian, or a system made from it, to build"
done
[ "$(dpkg --print-architecture)" = amd64 ] || die "the test guest is for amd64, this machine is not"

# One run at a time; the lock goes with this process, however it ends. Whoever
# had to wait most likely finds the work done.
exec 9>"$out/.lock"
if command -v flock >/dev/null; then
    flock 9
    ! up_to_date || exit 0
fi

# Beside the output, so that it is on the same file system and the finished
# files come into place by a rename.
tmp=$(mktemp -d "$out.tmp.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir "$tmp/deb" "$tmp/unpacked" "$tmp/root"

# ---- packages ---------------------------------------------------------------

# The kernel package is named by the version that linux-image-cloud-amd64
# depends on. The cloud kernel is Debian's kernel without the drivers that only
# real machines need: smaller, and quicker to boot.
#
# The agent's libraries are downloaded too and not copied from this machine:
# here they may be missing, or of another version than the agent was built for.
resolve() {
    kernel=$(apt-cache depends --important linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/^.*Depends: \(linux-image-[0-9].*\)$/\1/p' | head -n 1)
    libraries=
    new=qemu-guest-agent
    while [ -n "$new" ]; do
        # shellcheck disable=SC2086 # a list of names
        needed=$(apt-cache depends --important $new 2>/dev/null |
            sed -n 's/^.*Depends: \(lib[^ :]*\).*$/\1/p' | sort -u)
        new=
        for library in $needed; do
            case " $libraries " in
            *" $library "*) ;;
            *) new="$new $library" ;;
            esac
        done
        libraries="$libraries$new"
    done
    [ -n "$kernel" ] && [ -n "$libraries" ]
}

# As root, apt would drop its rights to a user who cannot read a private folder,
# and warn about that; hence the first option. Anything that does go wrong is
# kept for the message below.
download() {
    resolve || {
        echo "the package lists do not know linux-image-cloud-amd64 or qemu-guest-agent" >"$tmp/log"
        return 1
    }
    rm -f "$tmp"/deb/*
    # shellcheck disable=SC2086 # a list of names
    (cd "$tmp/deb" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download \
        "$kernel" busybox-static qemu-guest-agent $libraries) >"$tmp/log" 2>&1
}

# Lists that are missing (a fresh container) or old (they name packages that the
# archive has since replaced) are the usual reasons for a failure.
if ! download; then
    as_root=
    if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null; then
        as_root=sudo
        echo "the package lists are missing or old; updating them by sudo" >&2
    fi
    if [ "$(id -u)" = 0 ] || [ -n "$as_root" ]; then
        $as_root apt-get -qq update >"$tmp/log" 2>&1 || {
            cat "$tmp/log" >&2
            die "apt-get update failed"
        }
        download || {
            cat "$tmp/log" >&2
            die "cannot download the packages"
        }
    else
        cat "$tmp/log" >&2
        die "cannot download the packages; the package lists may be missing or old: run 'apt-get update' as root, then try again"
    fi
fi

for deb in "$tmp"/deb/*.deb; do
    dpkg-deb -x "$deb" "$tmp/unpacked"
done

# Debian moves files from / to /usr over the years, so look for them by name.
find_one() {
    found=$(find "$tmp/unpacked" -path "*/$1" | head -n 1)
    [ -n "$found" ] || die "there is no $1 in the downloaded packages"
    echo "$found"
}

vmlinuz=$(find_one 'boot/vmlinuz-*')
modules=$(find_one "lib/modules/${vmlinuz##*/vmlinuz-}")
busybox=$(find_one bin/busybox)
agent=$(find_one '*bin/qemu-ga')
libc=$(find_one libc.so.6)
libdir=${libc%/*}
loader=$libdir/ld-linux-x86-64.so.2

# ---- root file system -------------------------------------------------------

root=$tmp/root
mkdir -p "$root/agent" "$root/bin" "$root/dev" "$root/modules" "$root/proc" \
    "$root/run" "$root/sys" "$root/tmp"
ln -s bin "$root/sbin"

cp "$here/init" "$root/init"
cp "$busybox" "$root/bin/busybox"
for applet in $APPLETS; do
    ln -s busybox "$root/bin/$applet"
done

# What the agent runs for guest-shutdown. There is nothing to stop first.
cat >"$root/bin/shutdown" <<'END'
#!/bin/sh
case " $* " in
*" -r "*) exec reboot -f ;;
*) exec poweroff -f ;;
esac
END

# The agent, its libraries and their loader share a folder, which /init can drop.
# The loader itself tells which libraries the agent needs, and finds them among
# the packages only.
cp "$agent" "$root/agent/qemu-ga"
cp -L "$loader" "$root/agent/"
"$loader" --library-path "$libdir" --list "$agent" >"$tmp/libraries" 2>&1 || {
    cat "$tmp/libraries" >&2
    die "cannot tell which libraries qemu-ga needs"
}
! grep 'not found' "$tmp/libraries" >&2 || die "a library of qemu-ga was not downloaded"
sed -n 's/^.* => \(\/.*\) (0x.*$/\1/p' "$tmp/libraries" | while read -r library; do
    [ "$library" = "$loader" ] || cp -L "$library" "$root/agent/"
done

# Takes a module's name; adds it to the guest, after the modules it depends on.
# Those are written in the module itself; the package has no modules.dep.
add_module() {
    case " $order " in
    *" $1 "*) return ;;
    esac
    # A file may be spelt with "-" where the module's name has "_".
    pattern=$(echo "$1" | sed 's/[-_]/[-_]/g')
    if grep -q "/$pattern\.ko$" "$modules/modules.builtin"; then
        return
    fi
    file=$(find "$modules/kernel" -name "$pattern.ko*")
    case $file in
    *.ko) cp "$file" "$root/modules/$1.ko" ;;
    *.ko.xz) "$busybox" xzcat "$file" >"$root/modules/$1.ko" ;;
    *) die "the kernel package has no usable module $1 ($file)" ;;
    esac
    for needed in $(tr '\0' '\n' <"$root/modules/$1.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do
        add_module "$needed"
    done
    order="$order $1"
}

order=
for module in $MODULES; do
    add_module "$module"
done
# shellcheck disable=SC2086 # a list of names
printf '%s\n' $order >"$root/modules/order"
loaded=$order
for module in $PAYLOAD_MODULES; do
    add_module "$module"
done
# shellcheck disable=SC2086 # a list of names
printf '%s\n' ${order#"$loaded"} >"$root/modules/payload"

chmod -R u=rwX,go=rX "$root"
chmod 755 "$root/init" "$root/bin/busybox" "$root/bin/shutdown" \
    "$root/agent/qemu-ga" "$root/agent/ld-linux-x86-64.so.2"

# ---- output -----------------------------------------------------------------

# The same packages give the same image: fixed times, sorted names, no inode
# numbers of this machine. busybox's own cpio spares the machine one.
find "$root" -exec touch -h -d @0 {} +
(cd "$root" && find . | sort |
    "$busybox" cpio -o -H newc -R 0:0 --ignore-devno --renumber-inodes) >"$tmp/initrd" 2>"$tmp/log" || {
    cat "$tmp/log" >&2
    die "cannot pack the initrd"
}
mv "$tmp/initrd" "$tmp/initrd.img"
cp "$vmlinuz" "$tmp/vmlinuz"
chmod 644 "$tmp/vmlinuz" "$tmp/initrd.img"

{
    echo "$stamp"
    for deb in "$tmp"/deb/*.deb; do
        dpkg-deb -f "$deb" Package Version | sed 's/^[^ ]*: //' | paste -s -d' ' -
    done
} >"$tmp/stamp"

# The stamp goes first and comes last: without it nothing counts as made.
rm -f "$out/stamp"
mv -f "$tmp/vmlinuz" "$out/vmlinuz"
mv -f "$tmp/initrd.img" "$out/initrd.img"
mv -f "$tmp/stamp" "$out/stamp"
