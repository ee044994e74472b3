# What run.sh measures: perl measure.pl FOLDER PAIRS SIZE..., within the private libvirt.
#
# perl-base alone, which every Debian has.
use strict;
use warnings;
use Time::HiRes 'time';

my ($folder, $pairs, @sizes) = @ARGV;
$ENV{PATH} = "$folder:$ENV{PATH}";
chdir '/';

# Runs a command in silence; tells how many seconds it took.
sub seconds {
    my $began = time;
    my $child = fork // die "fork: $!";
    if (!$child) {
        open STDOUT, '>', '/dev/null';
        open STDERR, '>', '/dev/null';
        exec @_ or exit 127;
    }
    waitpid $child, 0;
    my $took = time - $began;
    die "failed: @_\n" if $?;
    return $took;
}

# The most memory that a command has had, in KiB: getrusage of a process that has no other child. Nothing in
# perl-base names it, so that the kernel is asked by number, where that is known. What we have ourselves counts, too,
# so that nothing here may be kept that grows with the VMs.
sub memory {
    my %numbers = (x86_64 => 98, aarch64 => 165, riscv64 => 165);
    my $machine = `uname -m`;
    chomp $machine;
    my $number = $numbers{$machine} or return;
    pipe my $read, my $write or die "pipe: $!";
    my $child = fork // die "fork: $!";
    if (!$child) {
        seconds(@_);
        my $usage = "\0" x 144;
        syscall $number, -1, $usage;
        print $write (unpack 'q*', $usage)[4];
        close $write;
        exit;
    }
    close $write;
    my $most = <$read>;
    waitpid $child, 0;
    return $most;
}

# How many calls of libvirt a command makes, as libvirt's client library logs them.
sub calls {
    my $log = "$folder/tmp/calls.log";
    local $ENV{LIBVIRT_LOG_FILTERS} = '1:rpc';
    local $ENV{LIBVIRT_LOG_OUTPUTS} = "1:file:$log";
    seconds(@_);
    open my $lines, '<', $log or return 0;
    my $calls = 0;
    while (<$lines>) { $calls++ if /_MSG_TX_QUEUE:/ }
    unlink $log;
    return $calls;
}

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[@sorted / 2] }

sub shown {
    my @sorted = sort { $a <=> $b } map { $_ * 1e3 } @_;
    my $digits = $sorted[-1] < 100 ? 1 : 0;
    return sprintf "%.${digits}f ms (%.${digits}f to %.${digits}f)", median(@sorted), @sorted[0, -1];
}

# One line of the table: a command of ours and a rival, in turns. A rival that is a loop is run once in a
# while only, as it takes its time; so are ours beside it.
sub row {
    my ($what, $ours, $rival, $times) = @_;
    my (@ours, @rival);
    seconds(@$_) for $ours, $times ? () : $rival;
    for (1 .. $times // $pairs) {
        push @ours, seconds(@$ours);
        push @rival, seconds(@$rival);
    }
    my $is_loop = $rival->[0] eq 'sh';
    my @facts = ([memory(@$ours), $is_loop ? undef : memory(@$rival)],
        [calls(@$ours), $is_loop ? undef : calls(@$rival)]);
    my ($memory, $calls) = map {
        join ' / ', map { defined $_ ? $_ : '-' } @$_
    } [map { defined $_ ? sprintf '%.1f', $_ / 1024 : undef } @{ $facts[0] }], $facts[1];
    printf "| %s | %s | %s | %s | **%.*f** | %s | %s |\n", $what,
        $is_loop ? $rival->[3] : "`@$rival`", shown(@ours), shown(@rival),
        (map { ($_ < 20 ? 2 : 0, $_) } median(@rival) / median(@ours)), $memory, $calls;
}

sub define {
    my ($first, $last) = @_;
    open my $virsh, '|-', 'virsh -q >/dev/null 2>&1' or die "virsh: $!";
    for my $number ($first .. $last) {
        my $name = sprintf 'vm-%05d', $number;
        my $file = "$folder/tmp/$name.xml";
        open my $xml, '>', $file or die "$file: $!";
        print $xml "<domain type='qemu'><name>$name</name><memory unit='MiB'>32</memory>",
            "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><disk type='file'>",
            "<driver name='qemu' type='raw'/><source file='$folder/data/$name.raw'/>",
            "<target dev='vda' bus='virtio'/></disk></devices></domain>\n";
        close $xml;
        print $virsh "define $file\n";
    }
    close $virsh or die "virsh cannot define them\n";
    unlink sprintf "$folder/tmp/vm-%05d.xml", $_ for $first .. $last;
}

sub first_line { my ($line) = grep { /\S/ } @_; $line //= '?'; chomp $line; return $line }
my $libvirt = first_line(grep { /Using library/ } `virsh version 2>/dev/null`);
my $qemu = first_line(grep { /Running hypervisor/ } `virsh version 2>/dev/null`);
s/.*: // for $libvirt, $qemu;
open my $info, '<', '/proc/cpuinfo' or die "cpuinfo: $!";
my @processors = map { /^model name\s*:\s*(.*)/ ? $1 : () } <$info>;
chomp(my $kernel = `uname -sr`);
chomp(my $cores = `getconf _NPROCESSORS_ONLN`);
printf "%s core%s (%s), %s, %s, %s; medians of %d pairs, from the fastest to the slowest.\n\n", $cores,
    $cores == 1 ? '' : 's', $processors[0] // 'unknown', $kernel, $libvirt, $qemu, $pairs;
print "| vmlife | beside | vmlife takes | the other takes | times as fast | memory, MiB | calls |\n";
print "|---|---|---|---|---|---|---|\n";

row('`--version`', ['vmlife', '--version'], ['virsh', '--version']);
row('`--help`', ['vmlife', '--help'], ['virsh', '--version']);
my $there = 0;
for my $size (@sizes) {
    define($there + 1, $size);
    $there = $size;
    my $of = $size == 1 ? '1 VM' : "$size VMs";
    $of =~ s/(\d)(\d{3})\b/$1,$2/;
    row("`show`, $of", ['vmlife', 'show'], ['virsh', 'list', '--all']);
    row("`show`, $of", ['vmlife', 'show'], ['virsh', 'domstats']);
    next if $size > 1000;
    # A loop is what one writes without a list that tells enough.
    my $loop = 'virsh list --all; for vm in $(virsh list --all --name); do virsh dominfo $vm; done';
    my @loop = ('sh', '-c', $loop, "`virsh list --all`, `virsh dominfo` of each");
    my $times = $size < 1000 ? undef : 3;
    row("`show`, $of", ['vmlife', 'show'], \@loop, $times);
    row("`show` with disks, $of", ['vmlife', 'show', '--columns', 'NAME,STATE,VCPUS,MEMORY,DISKS'],
        \@loop, $times);
}
my @few = ('--columns', 'NAME,STATE,ID,VCPUS,MEMORY');
row('`show NAME`, a page on a VM that is off', ['vmlife', 'show', 'vm-00001'], ['virsh', 'dominfo', 'vm-00001']);
row('`show NAME --columns ...`, off', ['vmlife', 'show', 'vm-00001', @few], ['virsh', 'dominfo', 'vm-00001']);

my $xml = "$folder/tmp/running.xml";
open my $running, '>', $xml or die "$xml: $!";
print $running "<domain type='qemu'><name>running</name><memory unit='MiB'>32</memory>",
    "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>\n";
close $running;
seconds('virsh', 'define', $xml);
seconds('virsh', 'start', 'running');

# A command line that has to end with this status.
sub ends_with {
    my ($status, $command, $shown) = @_;
    return ['sh', '-c', "$command; test \$? = $status", $shown // "`$command`"];
}

row('`show NAME`, a page on one that runs: statistics, job, snapshots, host, too', ['vmlife', 'show', 'running'],
    ['virsh', 'dominfo', 'running']);
row('`show NAME --columns ...`, it runs', ['vmlife', 'show', 'running', @few], ['virsh', 'dominfo', 'running']);
row('`pause` and `resume`', ['sh', '-c', 'vmlife pause running && vmlife resume running'],
    ['sh', '-c', 'virsh suspend running && virsh resume running', '`virsh suspend` and `virsh resume`']);
my $image = "$folder/tmp/running.save";
row('`hibernate` and `restore`, 32 MiB', ['sh', '-c', 'vmlife hibernate running && vmlife restore running'],
    ['sh', '-c', "virsh save running $image && virsh restore $image", '`virsh save` and `virsh restore`']);

# What is refused, and when. virsh has no opinion about a stale image: beside that stands its quickest look.
my $small = "$folder/small";
if (-d $small) {
    row('a refused `hibernate`: no room', ends_with(8, "vmlife hibernate running --to $small/x"),
        ends_with(1, "virsh save running $small/y", '`virsh save`, which writes until the disk is full'));
}
open my $shared, '>', $xml or die "$xml: $!";
print $shared "<domain type='qemu'><name>shared</name><memory unit='MiB'>32</memory>",
    "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><shmem name='vlb-$$' role='peer'>",
    "<model type='ivshmem-plain'/><size unit='M'>4</size></shmem></devices></domain>\n";
close $shared;
seconds('virsh', 'create', $xml);
row('a refused `hibernate`: a device that cannot be saved', ends_with(6, 'vmlife hibernate shared'),
    ends_with(1, "virsh save shared $image", '`virsh save`'));
seconds('virsh', 'destroy', 'shared');
seconds('virsh', 'destroy', 'running');
my $disk = "$folder/data/vm-00001.raw";
my $write = sub { open my $file, '>>', $disk or die "$disk: $!"; print $file "\0" x 4096; close $file };
$write->();
seconds('virsh', 'start', 'vm-00001');
seconds('vmlife', 'hibernate', 'vm-00001');
$write->();
row('a refused `restore`: its disk has changed since', ends_with(7, 'vmlife restore vm-00001'),
    ends_with(0, 'virsh dominfo vm-00001', '`virsh dominfo` (`virsh restore` does not refuse it)'));
