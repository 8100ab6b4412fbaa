//! Every refusal of the program has a number and a sentence.
//!
//! The number is all that the chain hands back (as a custom error), so it is never given again; the
//! sentence is what people read, so it says what happened and what to do. Numbers start above 6,000:
//! what the system and token programs refuse in our place comes back with their own, small ones.

macro_rules! refusals {
    ($($(#[$each:meta])* $name:ident = $code:literal, $sentence:literal;)+) => {
        /// Why the program refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        pub enum Refusal { $(#[doc = $sentence] $name = $code,)+ }

        impl Refusal {
            /// All there are, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Which refusal has this number, if any.
            #[must_use]
            pub const fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)+
                    _ => None,
                }
            }

            /// The number.
            #[must_use]
            pub const fn code(self) -> u32 {
                self as u32
            }

            /// What happened and what to do, for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)+ }
            }
        }

        impl core::fmt::Display for Refusal {
            fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                out.write_str(self.sentence())
            }
        }
    };
}

refusals! {
    // What was sent.
    UnknownInstruction = 6_001, "the program has no such instruction: is it older than the client?";
    MalformedInstruction = 6_002, "the instruction's bytes have the wrong length or mean nothing";
    AccountsMissing = 6_003, "the instruction needs more accounts than were passed";
    AccountsLeftOver = 6_004, "more accounts were passed than the instruction takes";

    // Accounts.
    NotSigned = 6_010, "an account that must sign has not";
    NotWritable = 6_011, "an account that changes was passed as read-only";
    WrongProgram = 6_012, "an account that must be the system, token or instructions account is another";
    WrongOwner = 6_013, "an account does not belong to the program that it must belong to";
    WrongKind = 6_014, "an account of the program is of another kind or version than expected";
    WrongAddress = 6_015, "an account is not at the address that its seeds and bump give";
    OtherFarm = 6_016, "an account belongs to another farm";
    AlreadyExists = 6_017, "there is an account at that address already";
    OtherNode = 6_018, "an account belongs to another node";
    WrongRentPayer = 6_020, "rent goes back to who paid it, and this is another account";

    // Tokens.
    NotATokenAccount = 6_030, "an account is not an initialised account of the SPL Token program";
    WrongMint = 6_031, "a token account or mint is of another mint than the farm's";
    WrongDecimals = 6_032, "a farm settles only in a mint of 6 decimals";
    WrongVault = 6_033, "that is not the farm's vault for this purpose";
    FarmOwned = 6_034, "money may not be paid to a token account of the farm itself";
    PayeeUnpayable = 6_035, "the payee's token account is closed, frozen or of another mint; its money stays claimable";
    WrongPayout = 6_036, "that is not the token account that the node is paid to";
    WrongRefund = 6_037, "refunds go to the token account named at the deposit, unless the depositor signs for another";
    Uncovered = 6_038, "a vault would no longer cover what it owes";

    // Amounts.
    ZeroAmount = 6_040, "an amount that must not be zero is";
    Overflow = 6_041, "the sum does not fit 64 bits";
    AboveDeposit = 6_042, "more would be drawn than was deposited and not yet drawn";
    AboveTotal = 6_043, "more would be drawn or paid than the epoch's total";
    AboveStake = 6_044, "the node has less stake than that";
    AboveBond = 6_045, "the master's bond is less than that";
    NothingThere = 6_046, "there is nothing to pay out";

    // A farm's rules.
    NotTheAuthority = 6_050, "only the farm's authority may do that";
    TooManyGuardians = 6_051, "a farm may have at most 5 guardians";
    GuardiansRepeat = 6_052, "guardians must be different keys, none of them zero or the authority";
    ThresholdTooHigh = 6_053, "the threshold is above the number of guardians";
    WindowTooLong = 6_054, "no window may be longer than 30 days";
    CooldownTooShort = 6_055, "the cooldown must be at least as long as the evidence window, or stake could leave before it is slashed";
    ShareTooHigh = 6_056, "a share is above 10,000 basis points, or the reporter's above 5,000";
    GuardiansMissing = 6_057, "fewer guardians signed than the threshold asks for";
    NotAGuardian = 6_058, "a key that signed as guardian is none of this farm's";
    GuardianTwice = 6_059, "the same guardian was counted already";
    GuardiansChanged = 6_060, "the farm's guardians have changed since this was proposed: propose it again";
    QuorumOfOne = 6_061, "slashing by evidence needs a threshold of at least two guardians";

    // Nodes.
    NotTheNode = 6_070, "only the node's own key may do that";
    StillLocked = 6_071, "the cooldown has not passed";
    StakeLeft = 6_072, "the node still has stake: request and withdraw it first";
    ChallengePending = 6_073, "the node's challenge is not resolved yet";

    // Jobs.
    JobInWindow = 6_080, "an epoch that is not settled has drawn from this job: wait until it is sealed, or cancelled and returned";
    BadExpiry = 6_081, "a job must expire in the future, and within 400 days";
    NotExpired = 6_082, "the job has not expired: until then only the authority may end it";
    Expired = 6_083, "the job has expired, and nothing more is drawn from it";

    // Epochs.
    EpochInWindow = 6_090, "another epoch is not settled yet";
    WrongEpochNumber = 6_091, "epochs are numbered one after another, and this is not the next";
    BadLeafCount = 6_092, "a payout tree has between 1 and 4,096 leaves";
    EpochNotOpen = 6_093, "the epoch is no longer open";
    EpochNotChallenged = 6_094, "nobody challenges this epoch";
    EpochNotPayable = 6_095, "the epoch is not sealed";
    EpochNotCancelled = 6_096, "the epoch is not cancelled";
    TooEarly = 6_097, "the epoch's deadline has not passed";
    TooLate = 6_098, "the epoch's deadline has passed";
    DrawnAlready = 6_099, "this epoch or a later one has drawn from the job already";
    NotDrawn = 6_100, "the epoch holds no draw from this job";
    NotFunded = 6_101, "the draws do not add up to the epoch's total";
    NoStake = 6_102, "only a node with stake may challenge";
    WrongChallenger = 6_103, "that is not the node that challenged";
    BadIndex = 6_104, "there is no such leaf, or a push does not start at a multiple of 16";
    BadProof = 6_105, "the proof does not lead to the epoch's root";
    PaidAlready = 6_106, "that leaf is paid";
    LeavesUnpaid = 6_107, "some leaves are not paid yet";
    DrawsNotReturned = 6_108, "draws from some jobs are not returned yet";
    LeftOver = 6_109, "the leaves add up to less than the epoch's total: the rest stays in escrow, and the epoch open";

    // Accusations.
    NotAnEd25519 = 6_120, "the instruction named as signature check is none of the Ed25519 program";
    WrongSignatureCount = 6_121, "the signature check does not hold as many signatures as expected";
    ForeignOffsets = 6_122, "the signature check points into another instruction or out of its own bytes";
    WrongSigner = 6_123, "the statement is signed by another key than it names";
    NotAStatement = 6_124, "the signed bytes are not a statement of the expected kind";
    OtherMaster = 6_125, "the statement is about another farm";
    OtherStatementNode = 6_126, "the statement is about another node";
    OtherLease = 6_127, "the statements are about different leases";
    OtherGeneration = 6_128, "the statements are about different generations of a lease";
    TolerantClass = 6_129, "two commits for work that is judged by likeness prove nothing";
    SameStatement = 6_130, "both statements say the same";
    NotYetDue = 6_131, "the verdict is not due yet";
    AnsweredAlready = 6_132, "the claim is answered or paid already";
    AnswerPending = 6_133, "the master may still answer";
    AboveCap = 6_134, "that is more than guardians may slash by one piece of evidence";
    EvidencePending = 6_135, "the evidence window has not passed";
    ExecutedAlready = 6_136, "the proposal was executed already";

    // Channels.
    BadGrace = 6_150, "a channel's grace must be between a minute and 30 days";
    ChannelClosed = 6_151, "the channel is closed";
    ChannelClosing = 6_152, "the channel is being closed already";
    NotThePayer = 6_153, "only the channel's payer may do that";
    OtherChannel = 6_154, "the voucher is for another channel";
    NothingNew = 6_155, "the voucher promises no more than was redeemed";
    GracePending = 6_156, "the payee may still redeem: wait until the grace has passed";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_come_back() {
        for pair in Refusal::ALL.windows(2) {
            assert!(pair[0].code() < pair[1].code(), "{:?} and {:?}", pair[0], pair[1]);
        }
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_code(refusal.code()), Some(*refusal));
        }
        assert_eq!(Refusal::from_code(0), None);
        assert_eq!(Refusal::from_code(u32::MAX), None);
    }

    #[test]
    fn every_refusal_is_a_sentence_of_its_own() {
        for (at, refusal) in Refusal::ALL.iter().enumerate() {
            assert!(refusal.sentence().len() > 15, "{refusal:?}");
            assert!(!refusal.sentence().ends_with('.'), "{refusal:?}");
            for other in &Refusal::ALL[at + 1..] {
                assert_ne!(refusal.sentence(), other.sentence());
            }
        }
    }
}
