# What the scripts of the benchmark share: guests, times, medians. They run within the private libvirt, in FOLDER.
package Bench;
use strict;
use warnings;
use Exporter 'import';
use Time::HiRes qw(time sleep);
our @EXPORT = qw(start settle seconds median boot reboot);

my $folder;

# Where the guest's kernel and memory disk are (FOLDER/guest), and the programs.
sub start {
    ($folder) = @_;
    $ENV{PATH} = "$folder:$ENV{PATH}";
    chdir '/';
}

# What the page cache holds of earlier images must help nobody, nor wait to be written.
sub settle {
    system 'sync';
    return if $>;
    open my $drop, '>', '/proc/sys/vm/drop_caches' or return;
    print $drop 1;
}

# Runs a command in silence; tells how many seconds it took, or nothing if it failed.
sub seconds {
    my ($command) = @_;
    my $began = time;
    system "( $command ) >'$folder/tmp/words' 2>&1";
    return $? ? undef : time - $began;
}

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[@sorted / 2] }

# Defines and starts a guest of so many MiB, and waits for its first tick.
sub boot {
    my ($name, $memory, $parameters, $devices) = @_;
    my ($xml, $log) = ("$folder/tmp/$name.xml", "$folder/tmp/$name.log");
    open my $domain, '>', $xml or die "$xml: $!";
    print $domain "<domain type='qemu'><name>$name</name><memory unit='MiB'>$memory</memory><os>",
        "<type arch='x86_64' machine='pc'>hvm</type><kernel>$folder/guest/vmlinuz</kernel>",
        "<initrd>$folder/guest/initrd.img</initrd><cmdline>console=ttyS0 quiet panic=-1 cryptomgr.notests ",
        "noreplace-smp nokaslr $parameters</cmdline></os><devices>$devices",
        "<serial type='file'><source path='$log' append='on'/></serial></devices></domain>\n";
    close $domain;
    defined seconds("virsh define $xml") or die "virsh cannot define $name\n";
    begin($name);
}

# Boots one anew, which fills its memory once more.
sub reboot {
    my ($name) = @_;
    seconds("virsh destroy $name");
    begin($name);
}

sub begin {
    my ($name) = @_;
    my $log = "$folder/tmp/$name.log";
    unlink $log;
    defined seconds("virsh start $name") or die "virsh cannot start $name\n";
    my $ticks = sub { open my $lines, '<', $log or return 0; return scalar grep { /^[0-9a-f]{16} / } <$lines> };
    sleep 0.2 until $ticks->();
}

1;
