#!/bin/sh
# Installs the program as cargo does, builds the Debian package, and installs, tries and removes that in a clean root:
# sh tests/package/check.sh. The last needs root and the network, and takes the release that this machine runs.
set -eu
cd "$(dirname "$0")/../.."
sh tests/prepare.sh
fail() { printf 'the package: %s\n' "$*" >&2; exit 1; }

# What is built already serves: only the profile is another one than README's.
installed=$(mktemp -d /var/tmp/vmlife-installed-XXXXXX)
trap 'rm -rf "$installed"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cargo install --quiet --locked --debug --path . --root "$installed"
"$installed/bin/vmlife" --version | grep -q '^vmlife ' || fail 'cargo install installs what does not start'
[ "$(ls "$installed/bin")" = vmlife ] || fail "cargo install installs more: $(ls "$installed/bin")"

package=$(sh tests/package/build.sh dev | tail -n 1)
for file in usr/bin/vmlife usr/sbin/vmlife-host usr/share/man/man1/vmlife.1.gz usr/share/man/man1/vmlife-hibernate.1.gz \
    usr/share/man/man5/vmlife-definition.5.gz usr/share/bash-completion/completions/vmlife \
    usr/share/zsh/vendor-completions/_vmlife usr/share/fish/vendor_completions.d/vmlife.fish \
    usr/lib/systemd/system/vmlife-host.service etc/default/vmlife-host \
    etc/vmlife/config.yaml etc/vmlife/hooks.d/README usr/share/doc/vmlife/copyright \
    usr/share/doc/vmlife/licences.md usr/share/doc/vmlife/completions/vmlife.elv \
    usr/share/doc/vmlife/completions/_vmlife.ps1; do
    dpkg-deb --fsys-tarfile "$package" | tar -t "./$file" >/dev/null || fail "it has no $file"
done
examples=./usr/share/doc/vmlife/examples
dpkg-deb --fsys-tarfile "$package" | tar -xO $examples/cron/vmlife | grep -qx VMLIFE=/usr/bin/vmlife ||
    fail 'the example for cron names another vmlife'
dpkg-deb --fsys-tarfile "$package" | tar -xO $examples/ups.sh | grep -q ':-/usr/sbin/vmlife-host}' ||
    fail 'the example for a UPS names another vmlife-host'
dpkg-deb --field "$package" Depends | grep -q 'libvirt0' || fail 'it does not ask for libvirt0'

if [ "$(id -u)" != 0 ]; then
    [ "${CI-}" != true ] || fail 'a clean root takes root'
    echo 'skipped: the package in a clean root, which takes root' >&2
    exit
fi
. /etc/os-release
root=$(mktemp -d /var/tmp/vmlife-root-XXXXXX)
trap 'rm -rf "$root" "$installed"' EXIT
debootstrap --variant=minbase "$VERSION_CODENAME" "$root" >"$root.log" 2>&1 ||
    { cat "$root.log" >&2; fail 'no clean root can be made'; }
rm -f "$root.log"
cp /etc/apt/sources.list "$root/etc/apt/" 2>/dev/null || :
cp "$package" "$root/tmp/vmlife.deb"
within() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
quietly() { "$@" >"$root/tmp/log" 2>&1 || { cat "$root/tmp/log" >&2; fail "failed: $*"; }; }

quietly within apt-get update
before=$(within find / -xdev -path /proc -prune -o -path /var -prune -o -path /tmp -prune -o -print | sort)
quietly within apt-get install --yes --no-install-recommends /tmp/vmlife.deb

within vmlife --version | grep -q '^vmlife ' || fail 'it does not start'
within vmlife -c test:///default show | grep -q '^test ' || fail 'it shows nothing'
within vmlife -c test:///default pause test | grep -q 'is paused' || fail 'it pauses nothing'
within vmlife show --config | grep -q "built in" || fail 'its settings are not those that are built in'
[ -z "$(within find /etc/systemd -name 'vmlife*')" ] || fail 'a unit is enabled'
within sh -n /usr/sbin/vmlife-host
grep -rq /usr/local "$root/usr/lib/systemd/system/vmlife-host.service" && fail 'a unit names a place of no package'
echo '# mine' >>"$root/etc/default/vmlife-host"
quietly within apt-get remove --yes vmlife
[ ! -e "$root/usr/bin/vmlife" ] || fail 'it stays when it is removed'
grep -q '^# mine' "$root/etc/default/vmlife-host" || fail 'settings go when it is removed, not purged'
quietly within apt-get purge --yes --autoremove vmlife
after=$(within find / -xdev -path /proc -prune -o -path /var -prune -o -path /tmp -prune -o -print | sort)
left=$(printf '%s\n%s\n' "$before" "$after" | sort | uniq -u | grep vmlife || :)
[ -z "$left" ] || fail "it leaves behind: $left"
echo "$(basename "$package") was installed, tried and removed in a clean root ($VERSION_CODENAME)"
