//! A chain with a farm whose operator is trusted, and everybody around it. All keys are known ones, so
//! that a seed meets the same addresses again.

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
use std::collections::BTreeMap;
use std::sync::LazyLock;
use tessera_ledger::Payer;
use tessera_protocol::{JobId, NodeId, StreamId};
use tessera_settlement::abi::account::{Farm, Job, Node, Rules};
use tessera_settlement::abi::error::Refusal;
use tessera_settlement::abi::instruction::OpenJob;
use tessera_settlement::abi::seeds::Vault;
use tessera_settlement::accounts::{EpochAccount, epoch};
use tessera_settlement::instruction::{FarmAddresses, Source, TOKEN};
use tessera_settlement::tokens;

/// The built program.
const PROGRAM: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../settlement-program/tessera_settlement.so");

pub(crate) const PAYERS: u8 = 3;
pub(crate) const NODES: u8 = 20;
/// The first so many nodes are registered, and may stake and challenge.
pub(crate) const STAKING: u8 = 3;
/// These nodes have no token account until they make one.
pub(crate) const HOMELESS: [u8; 2] = [3, 4];
/// Jobs and epochs that a history has at most.
pub(crate) const JOBS: u8 = 6;
pub(crate) const EPOCHS: u64 = 64;
/// Streams that a history has at most, and leases that workers have of each.
pub(crate) const STREAMS: u8 = 3;
pub(crate) const LANES: u8 = 2;

/// What everybody with a token account has at first.
pub(crate) const PURSE: u64 = 1_000_000;
/// What the mint has issued at first.
pub(crate) const SUPPLY: u64 = u64::MAX / 2;
/// What the operator puts into its reserve and its bond at first.
pub(crate) const RESERVE: u64 = 3_000;
pub(crate) const BOND: u64 = 10;
/// What a challenger puts up.
pub(crate) const CHALLENGE_BOND: u64 = 7;
/// What two commits cost of a stake, and what of that their reporter gets.
pub(crate) const SLASH_BPS: u16 = 5_000;
pub(crate) const REPORTER_BPS: u16 = 1_111;

pub(crate) const WINDOW: i64 = 3_600;
pub(crate) const COOLDOWN: i64 = 24 * 3_600;
/// So long after its opening anybody may cancel an epoch.
pub(crate) const ABANDONED: i64 = 8 * 24 * 3_600;
/// How long escrows stand: longer than any history takes.
const STANDS: i64 = 390 * 24 * 3_600;

/// The id of the reserve's escrow on the chain.
pub(crate) const RESERVE_ID: [u8; 16] = [0xff; 16];

/// Somebody with a key and one token account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Who {
    /// Pays for transactions and has no tokens.
    Anyone,
    Operator,
    Payer(u8),
    Node(u8),
}

struct Person {
    key: Keypair,
    tokens: Address,
}

static PEOPLE: LazyLock<BTreeMap<Who, Person>> = LazyLock::new(|| {
    let payers = (0..PAYERS).map(Who::Payer);
    let everybody = [Who::Anyone, Who::Operator].into_iter().chain(payers);
    let person = |who: Who| {
        let key = Keypair::new_from_array(who.secret());
        let tokens = tokens::associated(&key.pubkey(), &mint());
        (who, Person { key, tokens })
    };
    everybody.chain((0..NODES).map(Who::Node)).map(person).collect()
});

impl Who {
    /// All who have tokens.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        PEOPLE.keys().copied().filter(|who| *who != Self::Anyone)
    }

    pub(crate) fn secret(self) -> [u8; 32] {
        match self {
            Self::Anyone => [1; 32],
            Self::Operator => [2; 32],
            Self::Payer(n) => [50 + n; 32],
            Self::Node(n) => [100 + n; 32],
        }
    }

    pub(crate) fn address(self) -> Address {
        PEOPLE[&self].key.pubkey()
    }

    pub(crate) fn tokens(self) -> Address {
        PEOPLE[&self].tokens
    }

    pub(crate) fn source(self) -> Source {
        Source { owner: self.address(), account: self.tokens() }
    }

    pub(crate) fn id(self) -> NodeId {
        NodeId(self.address().to_bytes())
    }

    /// Who is paid under that key.
    pub(crate) fn of(id: NodeId) -> Self {
        let known = Self::all().find(|who| who.id() == id);
        known.expect("a node of this world, or its operator")
    }

    pub(crate) fn is_homeless(self) -> bool {
        matches!(self, Self::Node(n) if HOMELESS.contains(&n))
    }
}

pub(crate) fn payer(n: u8) -> Payer {
    Payer([n + 1; 8])
}

pub(crate) fn job(n: u8) -> JobId {
    JobId([n + 1; 16])
}

pub(crate) fn stream(n: u8) -> StreamId {
    StreamId([0x80 + n; 16])
}

fn mint() -> Address {
    Address::new_from_array([66; 32])
}

/// Addresses that take long to find.
pub(crate) struct Places {
    pub(crate) farm: FarmAddresses,
    pub(crate) reserve: Address,
    pub(crate) mint: Address,
    vaults: Vec<Address>,
    nodes: Vec<Address>,
    jobs: Vec<Address>,
    streams: Vec<Address>,
    epochs: Vec<Address>,
}

pub(crate) static PLACES: LazyLock<Places> = LazyLock::new(|| {
    let program = Address::new_from_array([77; 32]);
    let farm = FarmAddresses::new(program, Who::Operator.address(), mint());
    Places {
        farm,
        reserve: farm.job(&RESERVE_ID),
        mint: mint(),
        vaults: Vault::ALL.iter().map(|kind| farm.vault(*kind)).collect(),
        nodes: (0..STAKING).map(|n| farm.node(&Who::Node(n).address())).collect(),
        jobs: (0..JOBS).map(|n| farm.job(&job(n).0)).collect(),
        streams: (0..STREAMS).map(|n| farm.job(&stream(n).0)).collect(),
        epochs: (0..EPOCHS).map(|number| farm.epoch(number)).collect(),
    }
});

impl Places {
    pub(crate) fn job(&self, n: u8) -> Address {
        self.jobs[usize::from(n)]
    }

    /// The escrow of a stream: to the program it is a job's.
    pub(crate) fn stream(&self, n: u8) -> Address {
        self.streams[usize::from(n)]
    }

    pub(crate) fn node(&self, n: u8) -> Address {
        self.nodes[usize::from(n)]
    }

    pub(crate) fn vault(&self, kind: Vault) -> Address {
        self.vaults[kind as usize]
    }

    pub(crate) fn epoch(&self, number: u64) -> Address {
        self.epochs[number as usize]
    }
}

/// The farm of this world.
pub(crate) fn farm() -> FarmAddresses {
    PLACES.farm
}

#[derive(Clone)]
pub(crate) struct World {
    svm: LiteSVM,
    /// Transactions that were sent.
    pub(crate) sent: u64,
}

impl World {
    /// A farm with a reserve and a bond, everybody's token accounts, and nodes that are registered.
    pub(crate) fn prepared() -> Self {
        let mut svm = LiteSVM::new().with_transaction_history(0);
        svm.add_program_from_file(farm().program, PROGRAM).expect("scripts/program build makes it");
        svm.airdrop(&Who::Anyone.address(), 1_000_000_000_000).expect("lamports");
        let mut world = Self { svm, sent: 0 };
        world.pass(1_800_000_000);
        world.put_mint();
        for who in Who::all().filter(|who| !who.is_homeless()) {
            world.put_tokens(who.tokens(), &who.address(), PURSE);
        }
        let rent = Who::Anyone.address();
        let operator = Who::Operator;
        let first = world.opening(RESERVE_ID, operator, RESERVE);
        world.must(&[farm().init_farm(rent, rules())]);
        world.must(&[first, farm().deposit_bond(operator.source(), BOND)]);
        for node in (0..STAKING).map(Who::Node) {
            world.must(&[farm().register_node(rent, node.address(), node.tokens())]);
        }
        world
    }

    /// Opens an escrow that is refunded to where it came from.
    pub(crate) fn opening(&self, job: [u8; 16], from: Who, amount: u64) -> Instruction {
        let deposit = OpenJob { job, amount, expires_at: self.time() + STANDS };
        farm().open_job(Who::Anyone.address(), from.source(), from.tokens(), deposit)
    }

    // --- time and transactions --------------------------------------------------------------------

    pub(crate) fn time(&self) -> i64 {
        self.svm.get_sysvar::<Clock>().unix_timestamp
    }

    pub(crate) fn pass(&mut self, seconds: i64) {
        let mut clock: Clock = self.svm.get_sysvar();
        clock.unix_timestamp += seconds;
        self.svm.set_sysvar(&clock);
    }

    /// Sends a transaction, signed by all whom it names.
    pub(crate) fn send(&mut self, what: &[Instruction]) -> Result<(), TransactionError> {
        self.sent += 1;
        let payer = &PEOPLE[&Who::Anyone].key;
        let metas = || what.iter().flat_map(|one| &one.accounts);
        let signs =
            |key: &Keypair| metas().any(|meta| meta.is_signer && meta.pubkey == key.pubkey());
        let others =
            PEOPLE.iter().filter(|(who, person)| **who != Who::Anyone && signs(&person.key));
        let mut signers = vec![payer];
        signers.extend(others.map(|(_, person)| &person.key));
        let recent = self.svm.latest_blockhash();
        let transaction =
            Transaction::new_signed_with_payer(what, Some(&payer.pubkey()), &signers, recent);
        self.svm.send_transaction(transaction).map(|_| ()).map_err(|failed| failed.err)
    }

    /// Sends what must succeed.
    #[track_caller]
    pub(crate) fn must(&mut self, what: &[Instruction]) {
        if let Err(failure) = self.send(what) {
            panic!("should have succeeded: {failure:?}");
        }
    }

    /// Sends what must be refused for that reason.
    #[track_caller]
    pub(crate) fn refused(&mut self, why: Refusal, what: Instruction) {
        match self.send(&[what]) {
            Err(TransactionError::InstructionError(_, InstructionError::Custom(code))) => {
                assert_eq!(Refusal::from_code(code), Some(why));
            }
            other => panic!("should have been refused: {other:?}"),
        }
    }

    // --- what there is ----------------------------------------------------------------------------

    fn data(&self, address: &Address) -> Option<Vec<u8>> {
        let account = self.svm.get_account(address)?;
        (account.lamports > 0).then_some(account.data)
    }

    pub(crate) fn has_account(&self, address: &Address) -> bool {
        self.data(address).is_some()
    }

    /// What a token account has; nothing where there is none.
    pub(crate) fn balance(&self, tokens: &Address) -> u64 {
        let account = self.data(tokens).and_then(|data| tokens::read(&data));
        account.map_or(0, |account| account.amount)
    }

    pub(crate) fn vault(&self, kind: Vault) -> u64 {
        self.balance(&PLACES.vault(kind))
    }

    pub(crate) fn supply(&self) -> u64 {
        let data = self.data(&PLACES.mint).expect("a mint");
        u64::from_le_bytes(data[36..44].try_into().expect("eight bytes"))
    }

    pub(crate) fn farm_now(&self) -> Farm {
        Farm::decode(&self.data(&farm().farm).expect("an account")).expect("a farm")
    }

    pub(crate) fn node_now(&self, n: u8) -> Node {
        let data = self.data(&PLACES.node(n)).expect("an account");
        Node::decode(&data).expect("a node")
    }

    pub(crate) fn job_now(&self, at: &Address) -> Option<Job> {
        self.data(at).map(|data| Job::decode(&data).expect("a job"))
    }

    pub(crate) fn epoch_now(&self, number: u64) -> Option<EpochAccount> {
        self.data(&PLACES.epoch(number)).map(|data| epoch(&data).expect("an epoch"))
    }

    // --- by hand ----------------------------------------------------------------------------------

    pub(crate) fn put_tokens(&mut self, at: Address, owner: &Address, amount: u64) {
        let mut data = vec![0; 165];
        data[..32].copy_from_slice(mint().as_array());
        data[32..64].copy_from_slice(owner.as_array());
        data[64..72].copy_from_slice(&amount.to_le_bytes());
        data[108] = 1;
        self.put(at, data);
    }

    /// Changes an account's bytes as no program would.
    pub(crate) fn forge(&mut self, at: &Address, change: impl FnOnce(&mut Vec<u8>)) {
        let mut account = self.svm.get_account(at).expect("an account");
        change(&mut account.data);
        self.svm.set_account(*at, account).expect("an account");
    }

    fn put_mint(&mut self) {
        let mut data = vec![0; 82];
        data[36..44].copy_from_slice(&SUPPLY.to_le_bytes());
        data[44] = 6;
        data[45] = 1;
        self.put(mint(), data);
    }

    fn put(&mut self, at: Address, data: Vec<u8>) {
        let lamports = self.svm.minimum_balance_for_rent_exemption(data.len());
        let account = Account { lamports, data, owner: TOKEN, executable: false, rent_epoch: 0 };
        self.svm.set_account(at, account).expect("an account");
    }
}

fn rules() -> Rules {
    Rules {
        guardian_count: 0,
        threshold: 0,
        guardians: [[0; 32]; 5],
        challenge_window_s: WINDOW as u32,
        cooldown_s: COOLDOWN as u32,
        evidence_window_s: WINDOW as u32,
        answer_window_s: WINDOW as u32,
        reporter_share_bps: REPORTER_BPS,
        equivocation_slash_bps: SLASH_BPS,
        evidence_cap_bps: 2_500,
        challenge_bond: CHALLENGE_BOND,
        bond_claim_cap: 20,
    }
}
