//! A chain with one farm, and the people around it.

use litesvm::LiteSVM;
use solana_account::Account;
use solana_address::Address;
use solana_clock::Clock;
use solana_instruction::Instruction;
use solana_instruction::error::InstructionError;
use solana_keypair::Keypair;
use solana_signer::Signer as _;
use solana_transaction::Transaction;
use solana_transaction_error::TransactionError;
use tessera_settlement::abi::account::{Channel, Farm, Job, Node, Rules};
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::instruction::{OpenEpoch, OpenJob};
use tessera_settlement::abi::seeds::Vault;
use tessera_settlement::abi::{Hash, Id};
use tessera_settlement::accounts::{EpochAccount, epoch};
use tessera_settlement::instruction::{FarmAddresses, Signature, Source, TOKEN};
use tessera_settlement::tree::{Payout, PayoutTree};

/// The built program.
pub const PROGRAM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../settlement-program/tessera_settlement.so");

/// When each test begins, in seconds of Unix time.
pub const START: i64 = 1_800_000_000;

/// An hour.
pub const HOUR: i64 = 3_600;

/// A unit of the mint, in base units.
pub const UNIT: u64 = 1_000_000;

/// What everybody has at first, in base units.
pub const PURSE: u64 = 1_000 * UNIT;

/// Somebody with a key and a token account.
pub struct Person {
    pub key: Keypair,
    pub tokens: Address,
}

impl Person {
    pub fn address(&self) -> Address {
        self.key.pubkey()
    }

    pub fn source(&self) -> Source {
        Source { owner: self.address(), account: self.tokens }
    }

    /// Signs a statement's bytes.
    pub fn signs(&self, message: &[u8]) -> Signature {
        let signature = *self.key.sign_message(message).as_array();
        Signature { by: self.address().to_bytes(), signature, message: message.to_vec() }
    }
}

/// Why a transaction failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// By the program's own judgement.
    Refused(Refusal),
    /// By another program's, or the chain's.
    Other(TransactionError),
}

pub struct World {
    pub svm: LiteSVM,
    pub program: Address,
    pub farm: FarmAddresses,
    pub master: Person,
    pub guardians: Vec<Person>,
    pub node: Person,
    pub artist: Person,
    /// Pays for transactions, and is nobody else.
    pub anyone: Person,
    /// Compute units of the last transaction that succeeded.
    pub units: u64,
}

impl World {
    /// A farm whose operator is trusted.
    pub fn trusting() -> Self {
        Self::with_guardians(0, 0)
    }

    /// A farm with so many guardians, of whom `threshold` must agree.
    pub fn with_guardians(count: usize, threshold: u8) -> Self {
        let mut svm = LiteSVM::new();
        let program = Address::new_from_array([77; 32]);
        svm.add_program_from_file(program, PROGRAM).expect("scripts/program build makes it");
        let mint = Address::new_from_array([66; 32]);
        let mut world = Self {
            farm: FarmAddresses::new(program, program, mint),
            master: lonely(),
            guardians: Vec::new(),
            node: lonely(),
            artist: lonely(),
            anyone: lonely(),
            svm,
            program,
            units: 0,
        };
        world.set_time(START);
        world.put_mint(mint, 6);
        world.anyone = world.person();
        world.master = world.person();
        world.node = world.person();
        world.artist = world.person();
        world.guardians = (0..count).map(|_| world.person()).collect();
        world.farm = FarmAddresses::new(program, world.master.address(), mint);
        let rules = world.rules(threshold);
        let init = world.farm.init_farm(world.anyone.address(), rules);
        let master = world.master.key.insecure_clone();
        world.must(&[init], &[&master]);
        world
    }

    /// The same with a node that has so much stake and an open job with so much money.
    pub fn working(guardians: usize, threshold: u8) -> Self {
        let mut world = Self::with_guardians(guardians, threshold);
        world.register();
        world.stake(100 * UNIT);
        world.open_job(JOB, 500 * UNIT);
        world
    }

    pub fn rules(&self, threshold: u8) -> Rules {
        let mut guardians = [[0; 32]; 5];
        for (place, guardian) in guardians.iter_mut().zip(&self.guardians) {
            *place = guardian.address().to_bytes();
        }
        Rules {
            guardian_count: self.guardians.len() as u8,
            threshold,
            guardians,
            challenge_window_s: HOUR as u32,
            cooldown_s: 24 * HOUR as u32,
            evidence_window_s: 12 * HOUR as u32,
            answer_window_s: 2 * HOUR as u32,
            reporter_share_bps: 1_000,
            equivocation_slash_bps: 5_000,
            evidence_cap_bps: 2_500,
            challenge_bond: 10 * UNIT,
            bond_claim_cap: 20 * UNIT,
        }
    }

    // --- time, lamports, tokens -------------------------------------------------------------------

    pub fn set_time(&mut self, unix_timestamp: i64) {
        let mut clock: Clock = self.svm.get_sysvar();
        clock.unix_timestamp = unix_timestamp;
        self.svm.set_sysvar(&clock);
    }

    pub fn time(&self) -> i64 {
        self.svm.get_sysvar::<Clock>().unix_timestamp
    }

    pub fn pass(&mut self, seconds: i64) {
        let time = self.time();
        self.set_time(time + seconds);
    }

    /// Somebody new, with lamports and a full purse.
    pub fn person(&mut self) -> Person {
        let key = Keypair::new();
        self.svm.airdrop(&key.pubkey(), 10_000_000_000).expect("lamports");
        let tokens = self.token_account(&key.pubkey(), PURSE);
        Person { key, tokens }
    }

    /// A new token account of the farm's mint.
    pub fn token_account(&mut self, owner: &Address, amount: u64) -> Address {
        let mint = self.farm.mint;
        let address = Keypair::new().pubkey();
        self.put_tokens(address, &mint, owner, amount);
        address
    }

    pub fn put_tokens(&mut self, at: Address, mint: &Address, owner: &Address, amount: u64) {
        let mut data = vec![0; 165];
        data[..32].copy_from_slice(mint.as_array());
        data[32..64].copy_from_slice(owner.as_array());
        data[64..72].copy_from_slice(&amount.to_le_bytes());
        data[108] = 1;
        self.put(at, TOKEN, data);
    }

    pub fn put_mint(&mut self, at: Address, decimals: u8) {
        let mut data = vec![0; 82];
        data[36..44].copy_from_slice(&(u64::MAX / 2).to_le_bytes());
        data[44] = decimals;
        data[45] = 1;
        self.put(at, TOKEN, data);
    }

    pub fn put(&mut self, at: Address, owner: Address, data: Vec<u8>) {
        let lamports = self.svm.minimum_balance_for_rent_exemption(data.len());
        let account = Account { lamports, data, owner, executable: false, rent_epoch: 0 };
        self.svm.set_account(at, account).expect("an account");
    }

    pub fn freeze(&mut self, tokens: &Address) {
        let mut account = self.svm.get_account(tokens).expect("a token account");
        account.data[108] = 2;
        self.svm.set_account(*tokens, account).expect("an account");
    }

    pub fn balance(&self, tokens: &Address) -> u64 {
        let account = self.svm.get_account(tokens).expect("a token account");
        u64::from_le_bytes(account.data[64..72].try_into().expect("eight bytes"))
    }

    pub fn supply(&self) -> u64 {
        let account = self.svm.get_account(&self.farm.mint).expect("a mint");
        u64::from_le_bytes(account.data[36..44].try_into().expect("eight bytes"))
    }

    pub fn vault(&self, kind: Vault) -> u64 {
        self.balance(&self.farm.vault(kind))
    }

    pub fn exists(&self, address: &Address) -> bool {
        self.svm.get_account(address).is_some_and(|account| account.lamports > 0)
    }

    // --- transactions -----------------------------------------------------------------------------

    /// Sends a transaction that `anyone` pays for.
    pub fn send(&mut self, what: &[Instruction], signing: &[&Keypair]) -> Result<(), Failure> {
        self.svm.expire_blockhash();
        let payer = self.anyone.key.insecure_clone();
        let mut signers = vec![&payer];
        signers.extend(signing.iter().filter(|key| key.pubkey() != payer.pubkey()));
        let blockhash = self.svm.latest_blockhash();
        let payer = payer.pubkey();
        let transaction =
            Transaction::new_signed_with_payer(what, Some(&payer), &signers, blockhash);
        match self.svm.send_transaction(transaction) {
            Ok(done) => {
                self.units = done.compute_units_consumed;
                self.check_sums();
                Ok(())
            }
            Err(failed) => Err(match failed.err {
                TransactionError::InstructionError(_, InstructionError::Custom(code)) => {
                    Refusal::from_code(code).map_or(Failure::Other(failed.err), Failure::Refused)
                }
                other => Failure::Other(other),
            }),
        }
    }

    /// Sends what must succeed.
    #[track_caller]
    pub fn must(&mut self, what: &[Instruction], signing: &[&Keypair]) {
        if let Err(failure) = self.send(what, signing) {
            panic!("should have succeeded: {failure:?}");
        }
    }

    /// Sends what must be refused for that reason.
    #[track_caller]
    pub fn refused(&mut self, why: Refusal, what: Instruction, signing: &[&Keypair]) {
        self.all_refused(why, &[what], signing);
    }

    /// Sends several instructions that must be refused together for that reason.
    #[track_caller]
    pub fn all_refused(&mut self, why: Refusal, what: &[Instruction], signing: &[&Keypair]) {
        assert_eq!(self.send(what, signing), Err(Failure::Refused(why)));
    }

    /// After every transaction: each vault holds exactly what the farm says that it must cover.
    fn check_sums(&self) {
        let Some(account) = self.svm.get_account(&self.farm.farm) else { return };
        let farm = Farm::decode(&account.data).expect("a farm");
        assert_eq!(self.vault(Vault::Escrow), farm.escrow_total, "escrow");
        assert_eq!(self.vault(Vault::Stake), farm.stake_total, "stake");
        assert_eq!(self.vault(Vault::Channels), farm.channels_total, "channels");
        let bond = farm.bond + farm.unbonding + farm.challenges_held;
        assert_eq!(self.vault(Vault::Bond), bond, "bond");
    }

    // --- what there is ----------------------------------------------------------------------------

    fn data(&self, address: &Address) -> Vec<u8> {
        self.svm.get_account(address).expect("an account").data
    }

    pub fn farm_now(&self) -> Farm {
        Farm::decode(&self.data(&self.farm.farm)).expect("a farm")
    }

    pub fn node_now(&self) -> Node {
        Node::decode(&self.data(&self.farm.node(&self.node.address()))).expect("a node")
    }

    pub fn job_now(&self, job: Id) -> Job {
        Job::decode(&self.data(&self.farm.job(&job))).expect("a job")
    }

    pub fn epoch_now(&self, number: u64) -> EpochAccount {
        epoch(&self.data(&self.farm.epoch(number))).expect("an epoch")
    }

    pub fn channel_now(&self, channel: &Address) -> Channel {
        Channel::decode(&self.data(channel)).expect("a channel")
    }

    // --- what people do ---------------------------------------------------------------------------

    /// A key that signs, by a copy: so that the world can be changed meanwhile.
    pub fn keys(&self) -> Keys {
        Keys {
            master: self.master.key.insecure_clone(),
            node: self.node.key.insecure_clone(),
            artist: self.artist.key.insecure_clone(),
            guardians: self.guardians.iter().map(|one| one.key.insecure_clone()).collect(),
        }
    }

    pub fn register(&mut self) {
        let what =
            self.farm.register_node(self.anyone.address(), self.node.address(), self.node.tokens);
        let keys = self.keys();
        self.must(&[what], &[&keys.node]);
    }

    pub fn stake(&mut self, amount: u64) {
        let what = self.farm.stake(self.node.source(), self.node.address(), amount);
        let keys = self.keys();
        self.must(&[what], &[&keys.node]);
    }

    pub fn bond(&mut self, amount: u64) {
        let what = self.farm.deposit_bond(self.master.source(), amount);
        let keys = self.keys();
        self.must(&[what], &[&keys.master]);
    }

    pub fn opening(&self, job: Id, amount: u64) -> Instruction {
        let expires_at = self.time() + 24 * HOUR;
        let deposit = OpenJob { job, amount, expires_at };
        let rent = self.anyone.address();
        self.farm.open_job(rent, self.artist.source(), self.artist.tokens, deposit)
    }

    pub fn open_job(&mut self, job: Id, amount: u64) {
        let what = self.opening(job, amount);
        let keys = self.keys();
        self.must(&[what], &[&keys.artist]);
    }

    pub fn opening_epoch(&self, number: u64, tree: &PayoutTree) -> Instruction {
        let (root, total, leaf_count) = (tree.root(), tree.total(), tree.leaf_count());
        let epoch = OpenEpoch { number, root, total, leaf_count };
        self.farm.open_epoch(self.anyone.address(), epoch)
    }

    /// A tree that pays new accounts, the first so much, each next one base unit more.
    pub fn tree(&mut self, number: u64, count: usize, first: u64) -> PayoutTree {
        let owner = self.node.address();
        let payouts = (0..count)
            .map(|at| Payout { payee: self.token_account(&owner, 0), amount: first + at as u64 })
            .collect();
        PayoutTree::new(&self.farm.epoch(number), payouts).expect("a tree")
    }

    /// Opens an epoch and funds it from [`JOB`].
    pub fn fund(&mut self, number: u64, tree: &PayoutTree) {
        let open = self.opening_epoch(number, tree);
        let draw = self.farm.draw(number, &JOB, tree.total());
        let keys = self.keys();
        self.must(&[open, draw], &[&keys.master]);
    }

    /// Opens, funds and seals an epoch.
    pub fn sealed(&mut self, number: u64, count: usize, first: u64) -> PayoutTree {
        let tree = self.tree(number, count, first);
        self.fund(number, &tree);
        self.pass(HOUR);
        let seal = self.farm.seal(number);
        self.must(&[seal], &[]);
        tree
    }

    pub fn claiming(&self, epoch: u64, tree: &PayoutTree, index: u32) -> Instruction {
        let payout = tree.payouts()[index as usize];
        self.farm.claim(epoch, index, payout, &tree.proof(index).expect("a leaf"))
    }
}

/// Copies of the keys that sign most.
pub struct Keys {
    pub master: Keypair,
    pub node: Keypair,
    pub artist: Keypair,
    pub guardians: Vec<Keypair>,
}

/// The job of [`World::working`].
pub const JOB: Id = [1; 16];

/// Hash of something that is published elsewhere.
pub const REASON: Hash = [9; 32];

fn lonely() -> Person {
    Person { key: Keypair::new(), tokens: Address::new_from_array([0; 32]) }
}
