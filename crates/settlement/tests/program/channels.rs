//! Channels and their vouchers.

use solana_address::Address;
use solana_instruction::Instruction;
use solana_signer::Signer as _;
use tessera_settlement::abi::account::ChannelState;
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::instruction::OpenChannel;
use tessera_settlement::abi::seeds::Vault;
use tessera_settlement::abi::signed::VoucherHeader;
use tessera_settlement::instruction::{Ends, Source, signature_check};

use crate::world::{HOUR, PURSE, Person, UNIT, World};

/// The artist pays the node through a channel of 50 units; a key of its own signs vouchers.
struct Stream {
    world: World,
    channel: Address,
    signer: Person,
}

impl Stream {
    fn new() -> Self {
        let mut world = World::working(0, 0);
        let signer = world.person();
        let channel = world.farm.channel(&world.artist.address(), &world.node.address(), 7);
        let mut stream = Self { world, channel, signer };
        let open = stream.opening(50 * UNIT, HOUR as u32);
        let keys = stream.world.keys();
        stream.world.must(&[open], &[&keys.artist]);
        stream
    }

    fn opening(&self, amount: u64, grace_s: u32) -> Instruction {
        let voucher_key = self.signer.address().to_bytes();
        let terms = OpenChannel { nonce: 7, voucher_key, amount, grace_s };
        let world = &self.world;
        let (rent, artist, node) = (world.anyone.address(), &world.artist, world.node.address());
        world.farm.open_channel(rent, artist.source(), artist.tokens, &node, terms)
    }

    fn voucher(&self, cumulative: u64) -> Instruction {
        let header = VoucherHeader { channel: self.channel.to_bytes(), cumulative };
        signature_check(&[self.signer.signs(&header.encode())])
    }

    fn redeeming(&self) -> Instruction {
        let node = &self.world.node;
        self.world.farm.redeem(&node.address(), node.tokens, self.channel, 0)
    }

    #[track_caller]
    fn redeem(&mut self, cumulative: u64) {
        let what = [self.voucher(cumulative), self.redeeming()];
        self.world.must(&what, &[]);
    }

    #[track_caller]
    fn refused(&mut self, why: Refusal, cumulative: u64) {
        let what = [self.voucher(cumulative), self.redeeming()];
        self.world.all_refused(why, &what, &[]);
    }

    fn closing(&self, refund: Address, signing: &[Address]) -> Instruction {
        let world = &self.world;
        let ends = Ends { payer: world.artist.address(), payee: world.node.address() };
        world.farm.close_channel(ends, self.channel, refund, signing)
    }

    fn earned(&self) -> u64 {
        self.world.balance(&self.world.node.tokens) + 100 * UNIT - PURSE
    }
}

#[test]
fn the_latest_voucher_is_redeemed_for_all_before_it() {
    let mut stream = Stream::new();
    stream.redeem(3 * UNIT);
    stream.redeem(10 * UNIT);
    assert_eq!(stream.earned(), 10 * UNIT);
    let channel = stream.world.channel_now(&stream.channel);
    assert_eq!((channel.redeemed, channel.deposited), (10 * UNIT, 50 * UNIT));
}

#[test]
fn a_voucher_that_promises_no_more_is_refused() {
    let mut stream = Stream::new();
    stream.redeem(10 * UNIT);
    stream.refused(Refusal::NothingNew, 10 * UNIT);
    stream.refused(Refusal::NothingNew, 9 * UNIT);
    stream.refused(Refusal::NothingNew, 0);
}

#[test]
fn a_voucher_above_the_deposit_is_refused() {
    let mut stream = Stream::new();
    stream.refused(Refusal::AboveDeposit, 50 * UNIT + 1);
    stream.refused(Refusal::AboveDeposit, u64::MAX);
    let keys = stream.world.keys();
    let artist = stream.world.artist.source();
    let more = stream.world.farm.top_up_channel(artist, stream.channel, UNIT);
    stream.world.must(&[more], &[&keys.artist]);
    stream.redeem(51 * UNIT);
}

#[test]
fn a_voucher_of_another_channel_is_refused() {
    let mut stream = Stream::new();
    let header = VoucherHeader { channel: [8; 32], cumulative: UNIT };
    let other = signature_check(&[stream.signer.signs(&header.encode())]);
    let redeem = stream.redeeming();
    stream.world.all_refused(Refusal::OtherChannel, &[other, redeem], &[]);
}

#[test]
fn a_voucher_signed_by_another_key_is_refused() {
    let mut stream = Stream::new();
    let header = VoucherHeader { channel: stream.channel.to_bytes(), cumulative: UNIT };
    let (node, payer) = (&stream.world.node, &stream.world.artist);
    let forged = [node, payer].map(|by| signature_check(&[by.signs(&header.encode())]));
    for check in forged {
        let redeem = stream.redeeming();
        stream.world.all_refused(Refusal::WrongSigner, &[check, redeem], &[]);
    }
}

#[test]
fn a_voucher_pays_the_payee_and_nobody_else() {
    let mut stream = Stream::new();
    let mut thief = stream.redeeming();
    thief.accounts[4].pubkey = stream.world.artist.tokens;
    let voucher = stream.voucher(UNIT);
    stream.world.all_refused(Refusal::WrongPayout, &[voucher.clone(), thief], &[]);

    let other = stream.world.person();
    let rent = stream.world.anyone.address();
    let register = stream.world.farm.register_node(rent, other.address(), other.tokens);
    stream.world.must(&[register], &[&other.key]);
    let farm = stream.world.farm;
    let theirs = farm.redeem(&other.address(), other.tokens, stream.channel, 0);
    stream.world.all_refused(Refusal::OtherNode, &[voucher.clone(), theirs], &[]);
    let mut vault = stream.redeeming();
    vault.accounts[3].pubkey = farm.vault(Vault::Escrow);
    stream.world.all_refused(Refusal::WrongVault, &[voucher, vault], &[]);
}

#[test]
fn a_payer_closes_after_the_grace() {
    let mut stream = Stream::new();
    let keys = stream.world.keys();
    let tokens = stream.world.artist.tokens;
    let close = stream.closing(tokens, &[]);
    stream.world.refused(Refusal::GracePending, close.clone(), &[]);
    let ask = stream.world.farm.request_close(keys.artist.pubkey(), stream.channel);
    let by_node = stream.world.farm.request_close(keys.node.pubkey(), stream.channel);
    stream.world.refused(Refusal::NotThePayer, by_node, &[&keys.node]);
    stream.world.must(std::slice::from_ref(&ask), &[&keys.artist]);
    stream.world.refused(Refusal::ChannelClosing, ask, &[&keys.artist]);
    let artist = stream.world.artist.source();
    let more = stream.world.farm.top_up_channel(artist, stream.channel, UNIT);
    stream.world.refused(Refusal::ChannelClosing, more, &[&keys.artist]);

    stream.world.pass(HOUR - 1);
    stream.world.refused(Refusal::GracePending, close.clone(), &[]);
    stream.redeem(20 * UNIT);
    stream.world.pass(1);
    let thief = stream.closing(stream.world.master.tokens, &[]);
    stream.world.refused(Refusal::WrongRefund, thief, &[]);
    stream.world.must(std::slice::from_ref(&close), &[]);
    assert_eq!(stream.world.balance(&tokens), PURSE - 500 * UNIT - 20 * UNIT);
    stream.world.refused(Refusal::ChannelClosed, close, &[]);
    stream.refused(Refusal::ChannelClosed, 30 * UNIT);
}

#[test]
fn a_payee_closes_at_once() {
    let mut stream = Stream::new();
    let keys = stream.world.keys();
    stream.redeem(5 * UNIT);
    let by_stranger = {
        let mut close = stream.closing(stream.world.artist.tokens, &[]);
        close.accounts[1].pubkey = keys.master.pubkey();
        close.accounts[1].is_signer = true;
        close
    };
    stream.world.refused(Refusal::GracePending, by_stranger, &[&keys.master]);
    let close = stream.closing(stream.world.artist.tokens, &[keys.node.pubkey()]);
    stream.world.must(&[close], &[&keys.node]);
    let channel = stream.world.channel_now(&stream.channel);
    assert_eq!(channel.state, ChannelState::Closed);
    assert_eq!(stream.world.farm_now().channels_total, 0);
}

#[test]
fn a_closed_channel_is_not_opened_again_for_its_old_vouchers() {
    let mut stream = Stream::new();
    let keys = stream.world.keys();
    let close = stream.closing(stream.world.artist.tokens, &[keys.node.pubkey()]);
    stream.world.must(&[close], &[&keys.node]);
    let again = stream.opening(50 * UNIT, HOUR as u32);
    stream.world.refused(Refusal::AlreadyExists, again, &[&keys.artist]);
    let ask = stream.world.farm.request_close(keys.artist.pubkey(), stream.channel);
    stream.world.refused(Refusal::ChannelClosed, ask, &[&keys.artist]);
    let artist = stream.world.artist.source();
    let more = stream.world.farm.top_up_channel(artist, stream.channel, UNIT);
    stream.world.refused(Refusal::ChannelClosed, more, &[&keys.artist]);
}

#[test]
fn a_payer_whose_account_is_gone_names_another() {
    let mut stream = Stream::new();
    let keys = stream.world.keys();
    let frozen = stream.world.artist.tokens;
    stream.world.freeze(&frozen);
    let both = [keys.node.pubkey(), keys.artist.pubkey()];
    let there = stream.closing(frozen, &both);
    stream.world.refused(Refusal::PayeeUnpayable, there, &[&keys.node, &keys.artist]);
    let other = stream.world.token_account(&keys.artist.pubkey(), 0);
    let elsewhere = stream.closing(other, &both);
    stream.world.must(&[elsewhere], &[&keys.node, &keys.artist]);
    assert_eq!(stream.world.balance(&other), 50 * UNIT);
}

#[test]
fn a_channel_has_a_grace_and_a_deposit() {
    let mut stream = Stream::new();
    let keys = stream.world.keys();
    for grace_s in [0, 59, 30 * 86_400 + 1, u32::MAX] {
        let open = stream.opening(UNIT, grace_s);
        stream.world.refused(Refusal::BadGrace, open, &[&keys.artist]);
    }
    let mut other = stream.opening(0, 60);
    other.data[1] = 8;
    let node = stream.world.node.address();
    other.accounts[6].pubkey = stream.world.farm.channel(&keys.artist.pubkey(), &node, 8);
    stream.world.refused(Refusal::ZeroAmount, other, &[&keys.artist]);
}

#[test]
fn a_deposit_that_overflows_is_refused() {
    let mut stream = Stream::new();
    let keys = stream.world.keys();
    let artist = keys.artist.pubkey();
    let rich = stream.world.token_account(&artist, u64::MAX);
    let source = Source { owner: artist, account: rich };
    let more = stream.world.farm.top_up_channel(source, stream.channel, u64::MAX);
    stream.world.refused(Refusal::Overflow, more, &[&keys.artist]);
}
