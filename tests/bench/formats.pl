# Formats, cache and channels: perl -I FOLDER formats.pl FOLDER ROUNDS MIB, within the private libvirt. The guest's kernel and
# memory disk lie in FOLDER/guest; so much of its memory is full of what cannot be compressed.
#
# Debian 12's perl-base is enough; later ones have Time::HiRes in the package perl.
use strict;
use warnings;
use Bench;

my ($folder, $rounds, $random) = @ARGV;
start($folder);
my $image = "$folder/tmp/image.vmsave";
my $memory = 2 * $random + 128;
boot('formats', $memory, "vmlife.random=$random", '');
# Each begins with nothing in the page cache.
sub settled { settle(); return seconds(@_) }

# The disk's own speed, past the page cache, on the file system of the images.
my @speeds;
for (1 .. $rounds) {
    my $took = settled("dd if=/dev/zero of=$image.dd bs=1M count=$random oflag=direct conv=fdatasync");
    push @speeds, $random / $took if $took;
}
unlink "$image.dd";
my $limit = @speeds ? median(@speeds) : 0;

my ($version) = map { /library: libvirt (\S+)/ ? $1 : () } `virsh version`;
my ($qemu) = map { /hypervisor: QEMU (\S+)/ ? $1 : () } `virsh version`;
printf "libvirt %s, QEMU %s, a guest with %d MiB of memory, %d of them random; medians of %d. ",
    $version, $qemu, $memory, $random, $rounds;
printf "The disk by itself writes %.0f MiB/s (`dd oflag=direct`).\n\n", $limit;
print "| `hibernate` | `restore` | asleep after | back after | on disk, MiB | written, MiB/s | of the disk's speed |\n";
print "|---|---|---|---|---|---|---|\n";

my $channels = '--parallel-channels 2';
my @ways = (['', ''], ['--bypass-cache', ''], ['--bypass-cache', '--bypass-cache'], ['--image-format auto', ''],
    ['--image-format sparse', ''], ["--image-format sparse $channels", $channels],
    map { ["--image-format $_", ''] } qw(lzop zstd gzip));
my %times;
# In turns, so that whatever else the machine does meets all.
for (1 .. $rounds) {
    for my $way (@ways) {
        my $took = settled("vmlife hibernate formats --to $image $way->[0]") or next;
        my $blocks = (stat $image)[12];
        my $back = settled("vmlife restore --from $image $way->[1]") or die "lost: $way->[0]\n";
        push @{ $times{"@$way"} }, [$took, $back, $blocks * 512 / 1048576];
    }
}
for my $way (@ways) {
    my @runs = @{ $times{"@$way"} // next };
    my ($took, $back, $size) = map { my $at = $_; median(map { $_->[$at] } @runs) } 0 .. 2;
    my $speed = $size / $took;
    printf "| %s | %s | %.2f s | %.2f s | %.0f | %.0f | %s |\n", map({ $_ ? "`$_`" : '-' } @$way), $took, $back,
        $size, $speed, $limit ? sprintf('%.0f %%', 100 * $speed / $limit) : '-';
}
seconds('virsh destroy formats');
