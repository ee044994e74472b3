# Many guests at once: perl -I FOLDER fleet.pl FOLDER ROUNDS NUMBER..., within the private libvirt. The guest's kernel and memory
# disk lie in FOLDER/guest, and libvirt-guests' own script in FOLDER, where it is installed.
use strict;
use warnings;
use Bench;

my ($folder, $rounds, @numbers) = @ARGV;
start($folder);

sub took { my ($command) = @_; return seconds($command) // die "failed: $command\n" . `cat '$folder/tmp/words'` }

my $booted = 0;

# Its paths are the system's, which are not ours.
my $script = "$folder/libvirt-guests.sh";
if (-f $script) {
    mkdir "$folder/tmp/var";
    mkdir "$folder/tmp/var/$_" for qw(lib lock lib/libvirt);
    open my $read, '<', $script or die "$script: $!";
    my $text = join '', <$read>;
    $text =~ s/^sysconfdir=.*/sysconfdir="$folder\/tmp"/m;
    $text =~ s/^localstatedir=.*/localstatedir="$folder\/tmp\/var"/m;
    $text =~ s/^URIS=.*/URIS=default/m;
    $text =~ s/^ON_BOOT=.*/ON_BOOT=start/m;
    $text =~ s/^ON_SHUTDOWN=.*/ON_SHUTDOWN=suspend/m;
    $script = "$folder/tmp/libvirt-guests";
    open my $write, '>', $script or die "$script: $!";
    print $write $text;
}

print "| idle guests | | `vmlife` | a loop of `virsh` | `libvirt-guests` | times as fast |\n|---|---|---|---|---|---|\n";
for my $number (@numbers) {
    # Idle guests with a kernel, which is what most guests of a host are.
    boot('g' . ++$booted, 96, '', '') while $booted < $number;
    my @names = map { "g$_" } 1 .. $number;
    my $save = join ' && ', map { "virsh save $_ $folder/tmp/$_.save" } @names;
    my $restore = join ' && ', map { "virsh restore $folder/tmp/$_.save && rm $folder/tmp/$_.save" } @names;
    my %ways = (
        vmlife => ["vmlife hibernate @names", "vmlife restore @names"],
        virsh => [$save, $restore],
        (-f $script ? (guests => ["sh $script stop", "sh $script start"]) : ()),
    );
    my %took;
    for (1 .. $rounds) {
        for my $way (sort keys %ways) {
            push @{ $took{$way}[$_] }, took($ways{$way}[$_]) for 0, 1;
            my @running = grep { /\S/ } `virsh list --name --state-running`;
            die "$way: only @running run\n" if @running != $number;
        }
    }
    for my $verb (0, 1) {
        my %middle = map { $_ => median(@{ $took{$_}[$verb] }) } keys %took;
        printf "| %d | %s | %.2f s | %.2f s | %s | **%.1f**%s |\n", $number, ('asleep', 'awake')[$verb], $middle{vmlife},
            $middle{virsh}, $middle{guests} ? sprintf('%.2f s', $middle{guests}) : '-', $middle{virsh} / $middle{vmlife},
            $middle{guests} ? sprintf(', **%.1f**', $middle{guests} / $middle{vmlife}) : '';
    }
}
