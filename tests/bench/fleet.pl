# Many guests at once: perl fleet.pl FOLDER ROUNDS NUMBER..., within the private libvirt. The guest's kernel and memory
# disk lie in FOLDER/guest, and libvirt-guests' own script in FOLDER, where it is installed.
use strict;
use warnings;
use Time::HiRes qw(time sleep);

my ($folder, $rounds, @numbers) = @ARGV;
$ENV{PATH} = "$folder:$ENV{PATH}";
chdir '/';

# Runs a command in silence; tells how many seconds it took.
sub seconds {
    my ($command) = @_;
    my $began = time;
    system "( $command ) >'$folder/tmp/words' 2>&1" and die "failed: $command\n" . `cat '$folder/tmp/words'`;
    return time - $began;
}

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[@sorted / 2] }

# Idle guests with a kernel, which is what most guests of a host are.
my $booted = 0;
sub boot {
    my $name = 'g' . ++$booted;
    my $xml = "$folder/tmp/$name.xml";
    my $log = "$folder/tmp/$name.log";
    open my $domain, '>', $xml or die "$xml: $!";
    print $domain "<domain type='qemu'><name>$name</name><memory unit='MiB'>96</memory><os>",
        "<type arch='x86_64' machine='pc'>hvm</type><kernel>$folder/guest/vmlinuz</kernel>",
        "<initrd>$folder/guest/initrd.img</initrd><cmdline>console=ttyS0 quiet panic=-1 cryptomgr.notests ",
        "noreplace-smp nokaslr</cmdline></os><devices><serial type='file'><source path='$log' append='on'/>",
        "</serial></devices></domain>\n";
    close $domain;
    seconds("virsh define $xml && virsh start $name");
    my $ticks = sub { open my $lines, '<', $log or return 0; return scalar grep { /^[0-9a-f]{16} / } <$lines> };
    sleep 0.2 until $ticks->();
}

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
    boot() while $booted < $number;
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
            push @{ $took{$way}[$_] }, seconds($ways{$way}[$_]) for 0, 1;
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
