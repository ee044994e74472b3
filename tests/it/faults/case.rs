//! What goes wrong, and when: the product of which the campaign draws its runs.

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    KilledTool,
    Int,
    Term,
    Hup,
    KilledDaemon,
    HangingDaemon,
    HangingDaemonAndTerm,
    KilledQemu,
    FullDisk,
    ReadOnly,
    Truncated,
    Flipped,
    TwoAtOnce,
    Clock,
    DeadHolder,
}

impl Fault {
    pub(super) const ALL: [Self; 15] = [
        Self::KilledTool,
        Self::Int,
        Self::Term,
        Self::Hup,
        Self::KilledDaemon,
        Self::HangingDaemon,
        Self::HangingDaemonAndTerm,
        Self::KilledQemu,
        Self::FullDisk,
        Self::ReadOnly,
        Self::Truncated,
        Self::Flipped,
        Self::TwoAtOnce,
        Self::Clock,
        Self::DeadHolder,
    ];

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::KilledTool => "kill -9 the tool",
            Self::Int => "INT",
            Self::Term => "TERM",
            Self::Hup => "HUP",
            Self::KilledDaemon => "kill -9 the daemon",
            Self::HangingDaemon => "STOP the daemon",
            Self::HangingDaemonAndTerm => "STOP it, then TERM",
            Self::KilledQemu => "kill -9 QEMU",
            Self::FullDisk => "full disk",
            Self::ReadOnly => "read-only target",
            Self::Truncated => "image truncated",
            Self::Flipped => "one bit flipped",
            Self::TwoAtOnce => "two at once",
            Self::Clock => "the clock jumps",
            Self::DeadHolder => "lock holder dead",
        }
    }

    /// The signal that the tool gets.
    pub(super) const fn signal(self) -> Option<rustix::process::Signal> {
        use rustix::process::Signal;
        match self {
            Self::KilledTool | Self::DeadHolder => Some(Signal::KILL),
            Self::Int => Some(Signal::INT),
            Self::Term | Self::HangingDaemonAndTerm => Some(Signal::TERM),
            Self::Hup => Some(Signal::HUP),
            _ => None,
        }
    }

    /// Whether it is there before the tool begins, if it comes before the save or the restore.
    pub(super) const fn may_come_first(self) -> bool {
        matches!(
            self,
            Self::KilledDaemon
                | Self::HangingDaemon
                | Self::FullDisk
                | Self::ReadOnly
                | Self::Truncated
                | Self::Flipped
                | Self::Clock
        )
    }
}

/// When it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    BeforeSave,
    Tenth,
    Half,
    NineTenths,
    Finishing,
    BeforeRestore,
    InRestore,
    JustAfter,
}

impl Phase {
    pub(super) const ALL: [Self; 8] = [
        Self::BeforeSave,
        Self::Tenth,
        Self::Half,
        Self::NineTenths,
        Self::Finishing,
        Self::BeforeRestore,
        Self::InRestore,
        Self::JustAfter,
    ];

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::BeforeSave => "before the save",
            Self::Tenth => "at 10 %",
            Self::Half => "at 50 %",
            Self::NineTenths => "at 90 %",
            Self::Finishing => "finishing",
            Self::BeforeRestore => "before the restore",
            Self::InRestore => "in the restore",
            Self::JustAfter => "just after",
        }
    }

    pub(super) const fn is_save(self) -> bool {
        !matches!(
            self,
            Self::BeforeRestore | Self::InRestore | Self::JustAfter
        )
    }

    pub(super) const fn is_before(self) -> bool {
        matches!(self, Self::BeforeSave | Self::BeforeRestore)
    }
}

/// One run: a number, from which with the seed all chance in it follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) number: u64,
    pub(super) fault: Fault,
    pub(super) phase: Phase,
}

/// The first so many runs of a seed. Each round is the whole product, in an order of its own.
pub(super) fn cases(seed: u64, runs: u64) -> Vec<Case> {
    let mut cases = Vec::new();
    for round in 0.. {
        let mut product: Vec<(Fault, Phase)> = Fault::ALL
            .into_iter()
            .flat_map(|fault| Phase::ALL.map(|phase| (fault, phase)))
            .collect();
        let mut chance = Chance::new(seed, u64::MAX - round);
        while !product.is_empty() {
            if cases.len() as u64 == runs {
                return cases;
            }
            let (fault, phase) = product.swap_remove(chance.index(product.len()));
            let number = cases.len() as u64 + 1;
            cases.push(Case {
                number,
                fault,
                phase,
            });
        }
    }
    cases
}

/// Chance that can be had again: splitmix64.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut chance = Self(seed ^ number.wrapping_mul(0xD134_2543_DE82_EF95));
        chance.next();
        chance
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below this one.
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("below a usize")
    }

    /// Once in so many times.
    pub(super) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }
}
