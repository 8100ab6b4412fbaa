//! What is signed off the chain and may have to be judged on it.
//!
//! Long statements (a commit with its Merkle root, a verdict with its reasons) are hashed, and only
//! a short header with that hash is signed. The chain compares headers; it never sees a body. Each
//! begins with a domain of its own, so that no signature can stand for another kind of statement.
//!
//! A signature here is Ed25519 over exactly [`CommitHeader::encode`] and so on. `master` is the
//! farm's authority key, `node` the node's: with them in the bytes a statement of one farm is worth
//! nothing at another.

use crate::{Hash, Id, Key};

byte_enum!(
    /// Whether a job's pixels must be equal to the bit, or only alike.
    Class {
        /// Two honest nodes give the same bits, so two commits for one lease are proof of deceit.
        Exact = 0,
        /// Two honest nodes may differ, and one node may differ from itself.
        Tolerant = 1,
    }
);

record!(
    /// A node says: this is what I made for this lease. Signed by the node.
    CommitHeader starts b"tessera commit v3\0",
    {
        /// Authority key of the farm.
        master: Key,
        /// Key of the node.
        node: Key,
        /// The job or stream.
        job: Id,
        /// The lease.
        lease: Id,
        /// How often that work had been leased when this lease was given.
        generation: u64,
        /// Whether two different bodies are proof of deceit.
        class: Class,
        /// Hash of the whole commit.
        body: Hash,
    }
);

record!(
    /// The master says: I lease this work to you at this price. Signed by the master.
    GrantHeader starts b"tessera grant v1\0",
    {
        /// Authority key of the farm.
        master: Key,
        /// Key of the node.
        node: Key,
        /// The job or stream.
        job: Id,
        /// The lease.
        lease: Id,
        /// How often this work has been leased.
        generation: u64,
        /// How the result is judged.
        class: Class,
        /// Base units for 10^9 factored rays.
        price: u64,
        /// What a ray of this scene counts, in thousandths.
        factor: u32,
        /// Hash of the whole grant.
        body: Hash,
    }
);

record!(
    /// The master says: your commit arrived, and you will have a verdict by then. Signed by the
    /// master.
    AckHeader starts b"tessera ack v1\0",
    {
        /// Authority key of the farm.
        master: Key,
        /// Key of the node.
        node: Key,
        /// The lease.
        lease: Id,
        /// How often this work has been leased.
        generation: u64,
        /// What the work earns if it counts, in base units.
        pay: u64,
        /// When the verdict is due at the latest, in seconds of Unix time.
        due_at: i64,
        /// Which commit.
        commit: Hash,
    }
);

record!(
    /// The master says whether the work counts and what it earns. Signed by the master.
    VerdictHeader starts b"tessera verdict v2\0",
    {
        /// Authority key of the farm.
        master: Key,
        /// Key of the node.
        node: Key,
        /// The lease.
        lease: Id,
        /// How often this work has been leased.
        generation: u64,
        /// Whether the work counts.
        counts: bool,
        /// What it earns, in base units.
        pay: u64,
        /// Hash of the whole verdict.
        body: Hash,
    }
);

record!(
    /// A payer says: so much of this channel is yours, in all. Signed by the channel's voucher key.
    VoucherHeader starts b"tessera voucher v1\0",
    {
        /// Address of the channel.
        channel: Key,
        /// All that was ever promised over this channel, in base units; never goes down.
        cumulative: u64,
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    fn commit() -> CommitHeader {
        CommitHeader {
            master: [1; 32],
            node: [2; 32],
            job: [3; 16],
            lease: [4; 16],
            generation: 0x0102_0304_0506_0708,
            class: Class::Exact,
            body: [5; 32],
        }
    }

    #[test]
    fn lengths_and_places_are_as_written_down() {
        assert_eq!(CommitHeader::LEN, 18 + 32 + 32 + 16 + 16 + 8 + 1 + 32);
        assert_eq!(GrantHeader::LEN, 17 + 32 + 32 + 16 + 16 + 8 + 1 + 8 + 4 + 32);
        assert_eq!(AckHeader::LEN, 15 + 32 + 32 + 16 + 8 + 8 + 8 + 32);
        assert_eq!(VerdictHeader::LEN, 19 + 32 + 32 + 16 + 8 + 1 + 8 + 32);
        assert_eq!(VoucherHeader::LEN, 19 + 32 + 8);

        let bytes = commit().encode();
        assert_eq!(&bytes[..18], b"tessera commit v3\0");
        assert_eq!(bytes[18..50], [1; 32]);
        assert_eq!(bytes[50..82], [2; 32]);
        assert_eq!(bytes[82..98], [3; 16]);
        assert_eq!(bytes[98..114], [4; 16]);
        assert_eq!(bytes[114..122], [8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(bytes[122], 0);
        assert_eq!(bytes[123..], [5; 32]);
    }

    #[test]
    fn every_header_comes_back_as_it_was() {
        let commit = CommitHeader { class: Class::Tolerant, ..commit() };
        assert_eq!(CommitHeader::decode(&commit.encode()), Some(commit));
        let grant = GrantHeader {
            master: [1; 32],
            node: [2; 32],
            job: [3; 16],
            lease: [4; 16],
            generation: u64::MAX,
            class: Class::Exact,
            price: 7,
            factor: 1_250,
            body: [8; 32],
        };
        assert_eq!(GrantHeader::decode(&grant.encode()), Some(grant));
        let ack = AckHeader {
            master: [1; 32],
            node: [2; 32],
            lease: [4; 16],
            generation: 1,
            pay: u64::MAX,
            due_at: i64::MIN,
            commit: [9; 32],
        };
        assert_eq!(AckHeader::decode(&ack.encode()), Some(ack));
        let verdict = VerdictHeader {
            master: [1; 32],
            node: [2; 32],
            lease: [4; 16],
            generation: 1,
            counts: true,
            pay: 12,
            body: [8; 32],
        };
        assert_eq!(VerdictHeader::decode(&verdict.encode()), Some(verdict));
    }

    #[test]
    fn no_header_reads_as_another() {
        let ack = AckHeader {
            master: [1; 32],
            node: [2; 32],
            lease: [4; 16],
            generation: 1,
            pay: 2,
            due_at: 3,
            commit: [9; 32],
        };
        assert_eq!(CommitHeader::decode(&ack.encode()), None);
        assert_eq!(VerdictHeader::decode(&ack.encode()), None);
        assert_eq!(AckHeader::decode(&commit().encode()), None);
        let mut older = commit().encode();
        older[16] = b'2';
        assert_eq!(CommitHeader::decode(&older), None, "another version");
    }

    #[test]
    fn a_class_or_an_answer_that_means_nothing_is_refused() {
        let mut bytes = commit().encode();
        bytes[122] = 2;
        assert_eq!(CommitHeader::decode(&bytes), None);
        let mut verdict = VerdictHeader {
            master: [1; 32],
            node: [2; 32],
            lease: [4; 16],
            generation: 1,
            counts: false,
            pay: 0,
            body: [8; 32],
        }
        .encode();
        let counts = 19 + 32 + 32 + 16 + 8;
        assert_eq!(verdict[counts], 0);
        verdict[counts] = 255;
        assert_eq!(VerdictHeader::decode(&verdict), None);
    }
}
