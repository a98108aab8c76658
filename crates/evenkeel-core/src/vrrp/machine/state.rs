//! The states, as everybody sees them.

/// What a node is to a virtual router.
///
/// ```text
///             start             the owner is silent
///  Initialize ─────► Backup ─────────────────────────► Probing
///      ▲             │ ▲ ▲ ◄─────────────────────────     │
///      │             │ │ │     answered, owner heard      │
///      │             │ │ │                                │
///      │  owner left,│ │ │ better owner heard,            │ unanswered
///      │  stronger   │ │ │ slept, refused                 │
///      │             │ │ └──────────────────────── Active ◄
///      │             └─┼───────────────────────────► ▲ │
///      │               │                  nobody took│ │ moved,
///      │ successor     │ successor               it  │ │ weakened,
///      │ heard, or not │ heard                       │ ▼ stopped
///      └───────────────┴──────────────────────── Leaving
///        after a stop
///
///  all but Initialize ── something tracked has failed ──► Fault ── works again ──► Backup
///  Backup, Probing, Fault ── stopped ──► Initialize
///  Initialize ── start with priority 255 ──► Active
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Takes no part.
    Initialize,
    /// Listens to the owner.
    Backup,
    /// The owner is silent: asks the link whether somebody has the address.
    Probing,
    /// Owns the address. RFC 9568 calls it Active.
    Active,
    /// Has said that it leaves; answers until another owns it.
    Leaving,
    /// Something tracked has failed: neither claims nor owns.
    Fault,
}

impl State {
    /// A short word for a metric and an event.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Probing => "probing",
            Self::Active => "active",
            Self::Leaving => "leaving",
            Self::Fault => "fault",
        }
    }

    /// Whether the address is on the interface.
    pub const fn owns(self) -> bool {
        matches!(self, Self::Active | Self::Leaving)
    }
}
