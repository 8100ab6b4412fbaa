//! What an artist does with money: looks before it is paid, objects, adds to it, takes it back.

use crate::{HEARTBEAT, SMALL, receipted, render, settled};
use tessera_client::Client;
use tessera_protocol::finance::{FarmView, PayoutState};
use tessera_protocol::job::JobView;
use tessera_protocol::quote::QuoteView;
use tessera_protocol::{Amount, FrameNumber};
use world::bank::{Bank, Patron};
use world::farm::Farm;
use world::process::{Process, eventually};
use world::puppet::{Puppet, bait};

const ALL: Amount = Amount(100_000_000);

struct Money {
    farm: Farm,
    bank: Bank,
    _master: Process,
    client: Client,
    view: FarmView,
    patron: Patron,
}

impl Money {
    /// A farm whose frames wait so long for approval, and an artist with a hundred tokens.
    async fn new(approve_after_s: &str) -> Self {
        let farm = Farm::new(HEARTBEAT);
        let bank = Bank::open(&farm).await;
        let mut arguments = bank.arguments();
        let at = arguments.iter().position(|argument| *argument == "--approve-after-s").unwrap();
        arguments[at + 1] = approve_after_s;
        let master = farm.start_master_with(&arguments);
        let client = farm.client().await;
        let view = client.farm().await.unwrap();
        bank.ready(&view).await;
        bait(&client, farm.path()).await;
        let patron = Patron::with(&farm, &client, "100").await;
        Self { farm, bank, _master: master, client, view, patron }
    }

    fn submit(&self) -> JobView {
        let paying = [&SMALL[..], &["--max-cost", "100"]].concat();
        self.patron.submit(&self.farm, &paying).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frame_is_seen_under_lines_until_its_owner_approves_it_and_an_objection_is_answered() {
    let money = Money::new("3600").await;
    let Money { farm, bank, client, view, patron, .. } = &money;
    let job = money.submit();
    let node = Puppet::join(farm, client, "node").await;
    bank.give(node.key.node().0, Amount::ZERO).await;
    render(client, &node, job.id).await;
    eventually("both frames wait for approval", async || {
        let why = client.why(job.id).await.ok()?;
        why.iter().any(|why| why.sentence.starts_with("2 frames are assembled")).then_some(())
    })
    .await;
    let id = job.id.to_string();
    let folder = farm.path().join("pictures");
    let download = || patron.farm(&["download", &id, "-o", folder.to_str().unwrap()]).unwrap();
    download();
    let preview = std::fs::read(folder.join("preview-0000.png")).unwrap();
    assert!(!folder.join("frame-0000.exr").exists());
    assert_eq!(client.receipts(job.id).await.unwrap(), [], "what may be overturned is not signed");
    assert_eq!(bank.holds(view, node.key.node()).await, Amount::ZERO);

    let answer = patron.farm(&["reject", &id, "0", "--because", "it is too dark"]).unwrap();
    let answered = answer["dispute"]["answer"].as_str().unwrap();
    assert!(answered.contains("computed again"), "{answered}");
    let frames = client.frames(job.id).await.unwrap();
    let waits: Vec<_> = frames.iter().map(|frame| frame.approve_by_ms.is_some()).collect();
    assert_eq!(waits, [false, true], "what is right counts as approved");
    let again = patron.farm(&["reject", &id, "0", "--because", "it still is"]).unwrap_err();
    assert!(again.contains("was approved"), "{again}");

    // More than was quoted may be put in, and returns where it is not used.
    patron.farm(&["top-up", &id, "5"]).unwrap();
    let ceiling = client.job(job.id).await.unwrap().money.unwrap().ceiling;
    assert_eq!(ceiling, Amount(job.money.unwrap().ceiling.0 + 5_000_000));
    patron.farm(&["approve", &id]).unwrap();
    let job = settled(client, job.id).await;
    download();
    let picture = std::fs::read(folder.join("frame-0000.png")).unwrap();
    assert_ne!(picture, preview);
    assert!(folder.join("frame-0001.exr").exists() && folder.join("film.mp4").exists());
    let paid = receipted(client, job.id).await[&node.key.node()];
    assert_eq!(bank.holds(view, node.key.node()).await, Amount(paid));
    assert_eq!(patron.holds(), Amount(ALL.0 - paid));
    assert_eq!(client.ledger().await.unwrap().violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_no_account_yet_is_paid_as_soon_as_it_has_one() {
    let money = Money::new("1").await;
    let Money { farm, bank, client, view, patron, .. } = &money;
    let job = money.submit();
    let node = Puppet::join(farm, client, "late").await;
    render(client, &node, job.id).await;
    eventually("its pay waits for it", async || {
        let payouts = client.payouts().await.ok()?;
        let claimable = |payout: &&_| -> bool {
            let payout: &tessera_protocol::finance::PayoutView = payout;
            payout.state == PayoutState::Claimable
        };
        payouts.iter().find(claimable).map(|_| ())
    })
    .await;
    bank.give(node.key.node().0, Amount::ZERO).await;
    let paid = receipted(client, job.id).await[&node.key.node()];
    eventually("it is paid", async || {
        (bank.holds(view, node.key.node()).await == Amount(paid)).then_some(())
    })
    .await;
    eventually("the books say so", async || {
        let payouts = client.payouts().await.ok()?;
        payouts.iter().all(|payout| payout.state == PayoutState::Paid).then_some(())
    })
    .await;
    settled(client, job.id).await;
    assert_eq!(patron.holds(), Amount(ALL.0 - paid));
    assert_eq!(client.ledger().await.unwrap().violations, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quote_is_accepted_later_and_its_escrow_stands() {
    let money = Money::new("0").await;
    let Money { farm, patron, .. } = &money;
    let scene = farm.path().join("film.glb");
    let mut arguments = vec!["quote", scene.to_str().unwrap()];
    arguments.extend(SMALL);
    let quote: QuoteView = serde_json::from_value(patron.farm(&arguments).unwrap()).unwrap();
    let id = quote.id.to_string();
    let nothing = patron.farm(&["reclaim", &id]).unwrap_err();
    assert!(nothing.contains("there is no escrow"), "{nothing}");
    let job: JobView = serde_json::from_value(patron.farm(&["accept", &id]).unwrap()).unwrap();
    assert_eq!(job.id, quote.id.job());
    assert_eq!(job.spec.frames.last, FrameNumber(1));
    assert_eq!(patron.holds(), Amount(ALL.0 - quote.quote.terms.ceiling.0));
    let again: JobView = serde_json::from_value(patron.farm(&["accept", &id]).unwrap()).unwrap();
    assert_eq!(again.id, job.id);
    assert_eq!(patron.holds(), Amount(ALL.0 - quote.quote.terms.ceiling.0), "paid once");
    let stands = patron.farm(&["reclaim", &id]).unwrap_err();
    assert!(stands.contains("stands for 60 days more"), "{stands}");
    let cancelled = job.id.to_string();
    patron.farm(&["cancel", &cancelled]).unwrap();
    settled(&money.client, job.id).await;
    assert_eq!(patron.holds(), ALL);
}
