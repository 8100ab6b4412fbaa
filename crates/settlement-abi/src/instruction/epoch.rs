//! Settlement: epochs, from their opening to the last leaf.

use super::Tag;
use crate::Hash;

record!(
    /// Makes the next epoch and opens its window.
    ///
    /// Accounts: payer `ws`, authority `s`, farm `w`, epoch account `w`, system.
    OpenEpoch starts &[Tag::OpenEpoch as u8],
    {
        /// The farm's next number.
        number: u64,
        /// Root of the payout tree.
        root: Hash,
        /// Sum of all leaves in base units, not 0.
        total: u64,
        /// Leaves of the tree, 1 to 4,096.
        leaf_count: u32,
    }
);

record!(
    /// Moves money of a job to an open epoch; once for each job and epoch.
    ///
    /// Accounts: authority `s`, farm, job account `w`, epoch account `w`.
    Draw starts &[Tag::Draw as u8],
    {
        /// In base units, not 0.
        amount: u64,
    }
);

record!(
    /// A guardian has looked at an open epoch and finds it right.
    ///
    /// Accounts: guardian `s`, farm, epoch account `w`.
    ApproveEpoch starts &[Tag::ApproveEpoch as u8],
    {}
);

record!(
    /// A node with stake holds that an open epoch is wrong, and puts a bond up.
    ///
    /// Accounts: node `s`, source token account of the node's `w`, farm `w`, node account `w`,
    /// epoch account `w`, bond vault `w`, token.
    Challenge starts &[Tag::Challenge as u8],
    {
        /// Hash of the reasons, which are published elsewhere.
        reason: Hash,
    }
);

record!(
    /// Guardians resolve a challenge; the authority does where the farm's threshold is 0.
    ///
    /// If upheld, the epoch is cancelled; the challenger's bond and as much of the master's, if it
    /// has that, are added to the challenger's stake. If not, the bond is added to the master's and
    /// the deadline starts anew.
    ///
    /// Accounts: farm `w`, epoch account `w`, challenger's node account `w`, bond vault `w`, stake
    /// vault `w`, token, then who resolves `s`, one after another.
    Resolve starts &[Tag::Resolve as u8],
    {
        /// Whether the challenger is right.
        upheld: bool,
    }
);

record!(
    /// Gives a cancelled epoch's draw back to its job.
    ///
    /// Accounts: farm `w`, job account `w`, epoch account `w`.
    ReturnDraw starts &[Tag::ReturnDraw as u8],
    {}
);

record!(
    /// Makes an epoch payable, once its deadline has passed, it is funded and approved.
    ///
    /// Accounts: farm `w`, epoch account `w`.
    Seal starts &[Tag::Seal as u8],
    {}
);

record!(
    /// Takes an open epoch back; only for the authority, and for anyone once it counts as abandoned,
    /// a challenged epoch then too. A challenger's bond is added to its stake.
    ///
    /// Accounts: authority (`s` or not), farm `w`, epoch account `w`, and of a challenged one also
    /// challenger's node account `w`, bond vault `w`, stake vault `w`, token.
    CancelEpoch starts &[Tag::CancelEpoch as u8],
    {}
);

record!(
    /// Pays one aligned run of 16 leaves, or what there is of it at the tree's end. Leaves that are
    /// paid, and those whose account cannot be paid, are passed over.
    ///
    /// Followed by the amounts of the run's leaves, `width` bytes each, then the hashes of its proof,
    /// the lowest first. Amounts are rarely of 8 bytes, and a transaction has little room.
    ///
    /// Accounts: farm `w`, epoch account `w`, escrow vault `w`, token, then the payees' token
    /// accounts of the run's leaves `w`, one after another.
    Push starts &[Tag::Push as u8],
    {
        /// Index of the first leaf, a multiple of 16.
        start: u32,
        /// Bytes of each amount, 1 to 8: the high ones that all lack are left out.
        width: u8,
    }
);

record!(
    /// Pays one leaf.
    ///
    /// Followed by the hashes of its proof, the lowest first.
    ///
    /// Accounts: farm `w`, epoch account `w`, escrow vault `w`, payee's token account `w`, token.
    Claim starts &[Tag::Claim as u8],
    {
        /// Index of the leaf.
        index: u32,
        /// In base units.
        amount: u64,
    }
);

record!(
    /// Closes an epoch of which all is paid, or all returned.
    ///
    /// Accounts: farm, epoch account `w`, who paid its rent `w`.
    CloseEpoch starts &[Tag::CloseEpoch as u8],
    {}
);
