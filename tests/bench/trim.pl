# What --trim is worth: perl -I FOLDER trim.pl FOLDER ROUNDS MIB [OPTION], within the private libvirt. Three guests, idle, full of
# what they use, and full of caches: so much of their memory is.
use strict;
use warnings;
use Bench;

my ($folder, $rounds, $full, $option) = @ARGV;
$option //= '';
start($folder);
my $image = "$folder/tmp/image.vmsave";
my $memory = $full + 256;

open my $disk, '>', "$folder/tmp/cache.img" or die "$folder/tmp/cache.img: $!";
truncate $disk, ($full + 2) << 20;
close $disk;
my $balloon = "<memballoon model='virtio'/>";
my $filled = "<disk type='file' device='disk'><driver name='qemu' type='raw' cache='unsafe'/>"
    . "<source file='$folder/tmp/cache.img'/><target dev='vda' bus='virtio'/></disk>";
my @guests = (['idle', '', ''], ['random', "vmlife.random=$full", ''], ['cache', "vmlife.cache=$full", $filled]);
boot($_->[0], $memory, $_->[1], $_->[2] . $balloon) for @guests;

# The one that shrinks is the last: what it dropped is not there any more.
my @ways = (
    ['vmlife hibernate', "vmlife hibernate %s $option --to %s", 'vmlife restore --from %2$s'],
    ['virsh save', "virsh save $option %s %s", 'virsh restore %2$s && rm %2$s'],
    ['vmlife hibernate --trim', "vmlife hibernate %s --trim $option --to %s", 'vmlife restore --from %2$s'],
);
my %runs;
# In turns, so that whatever else the machine does meets all, and none is always the first after a boot.
for my $round (1 .. $rounds) {
    for my $guest (map { $_->[0] } @guests) {
        for my $way (@ways[$round % 2, 1 - $round % 2, 2]) {
            my ($save, $restore) = map { no warnings 'redundant'; sprintf $_, $guest, $image } @$way[1, 2];
            settle();
            my $took = seconds($save) // die "failed: $save\n";
            my $size = (stat $image)[12] * 512 / 1048576;
            my $back = seconds($restore) // die "lost: $restore\n";
            push @{ $runs{$guest}{ $way->[0] } }, [$size, $took, $back];
        }
        reboot($guest);
    }
}
print "| a guest of $memory MiB | | image, MiB | asleep after | back after |\n|---|---|---|---|---|\n";
for my $guest (map { $_->[0] } @guests) {
    for my $way (map { $_->[0] } @ways) {
        my ($size, $took, $back) = map {
            my $at = $_;
            my @values = sort { $a <=> $b } map { $_->[$at] } @{ $runs{$guest}{$way} };
            my $form = $at ? '%.1f s (%.1f to %.1f)' : '%.0f (%.0f to %.0f)';
            sprintf $form, median(@values), $values[0], $values[-1];
        } 0 .. 2;
        print "| $guest | `$way` | $size | $took | $back |\n";
    }
}
seconds("virsh destroy $_->[0]") for @guests;
