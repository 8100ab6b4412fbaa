//! Money: what a job would cost, the wallet, the books, and who was paid.

use super::submit;
use crate::args::{AcceptArgs, PayWith, ReclaimArgs, SubmitArgs, TopUpArgs, WalletArgs};
use crate::network::state::StateFolder;
use crate::show::Voice;
use crate::show::numbers::{count, percent};
use crate::show::table::Column::{Left, Right};
use crate::show::table::table;
use anyhow::{Context, bail};
use serde::Serialize;
use tessera_client::Client;
use tessera_protocol::finance::{PayoutState, PayoutView, QuoteRequest};
use tessera_protocol::job::{JobSpec, JobView};
use tessera_protocol::quote::QuoteView;
use tessera_protocol::{Amount, SceneFactor};
use tessera_wallet::Wallet;

/// `farm quote`: uploads, and says what the job would cost.
pub(crate) async fn quote(client: &Client, args: &SubmitArgs, voice: Voice) -> anyhow::Result<()> {
    let spec = submit::upload_all(client, args, voice).await?;
    let quote = client.quote(&request(&spec, args)).await?;
    voice.result(&quote, || describe_quote(&quote))
}

/// Quotes a job, pays its ceiling into its escrow, and starts it; unless it may cost more than `most`.
pub(crate) async fn submit_paid(
    client: &Client,
    request: &QuoteRequest,
    most: Amount,
    wallet: &Wallet,
    voice: Voice,
) -> anyhow::Result<JobView> {
    let quote = client.quote(request).await?;
    let ceiling = quote.quote.terms.ceiling;
    if !voice.is_json() {
        voice.remark(&describe_quote(&quote));
    }
    if ceiling > most {
        bail!(
            "the job may cost {ceiling}, more than the {most} allowed: lower its size or samples, or raise \
             --max-cost. Nothing was started and nothing was paid"
        );
    }
    // Whatever happens behind this, the quote's id finds what was paid.
    voice.remark(&format!("paying {ceiling} into the escrow of quote {}", quote.id));
    pay_and_accept(client, &quote, wallet, voice).await
}

async fn pay_and_accept(
    client: &Client,
    quote: &QuoteView,
    wallet: &Wallet,
    voice: Voice,
) -> anyhow::Result<JobView> {
    let (id, ceiling) = (quote.id, quote.quote.terms.ceiling);
    wallet.deposit(quote).await?;
    voice.remark(&format!("{ceiling} lie in its escrow; what is not used returns"));
    let accepted = client.accept_quote(id).await;
    accepted.with_context(|| {
        format!("the ceiling is paid and the job has not begun: `farm accept {id}` tries again")
    })
}

/// `farm accept`: for who paid and was interrupted, or has others look at a quote first.
pub(crate) async fn accept(
    client: &Client,
    args: &AcceptArgs,
    state: &StateFolder,
    voice: Voice,
) -> anyhow::Result<()> {
    let quote = client.quoted(args.quote).await?;
    let wallet = open(client, &args.with, state).await?;
    let job = pay_and_accept(client, &quote, &wallet, voice).await?;
    voice.result(&job, || format!("job {} has begun", job.id))
}

/// `farm reclaim`.
pub(crate) async fn reclaim(
    client: &Client,
    args: &ReclaimArgs,
    state: &StateFolder,
    voice: Voice,
) -> anyhow::Result<()> {
    let wallet = open(client, &args.with, state).await?;
    let returned = wallet.reclaim(args.quote.job().into()).await?;
    voice.result(&returned, || format!("{returned} returned to {}", wallet.account()))
}

/// `farm top-up`.
pub(crate) async fn top_up(
    client: &Client,
    args: &TopUpArgs,
    state: &StateFolder,
    voice: Voice,
) -> anyhow::Result<()> {
    let wallet = open(client, &args.with, state).await?;
    let before = client.job(args.job).await?.money;
    let before = before.context("nobody pays for this job, so it has no ceiling")?.ceiling;
    wallet.top_up(args.job.into(), args.amount).await?;
    let job = client.top_up(args.job).await?;
    let ceiling = job.money.map_or(before, |money| money.ceiling);
    voice.result(&job, || format!("the ceiling of job {} is {ceiling} and was {before}", job.id))
}

pub(crate) async fn open(
    client: &Client,
    with: &PayWith,
    state: &StateFolder,
) -> anyhow::Result<Wallet> {
    let file = with.wallet.clone().unwrap_or_else(|| state.wallet());
    Ok(Wallet::open(&file, &client.farm().await?)?)
}

/// What is asked for with `farm submit` and `farm quote`.
pub(crate) fn request(spec: &JobSpec, args: &SubmitArgs) -> QuoteRequest {
    QuoteRequest { spec: spec.clone(), max_price: args.max_price, tier: args.tier.into() }
}

fn describe_quote(quote: &QuoteView) -> String {
    let terms = &quote.quote.terms;
    let dearer = match terms.factor {
        SceneFactor::ONE => "each ray counts once".to_owned(),
        factor => format!("each ray of this scene counts {factor} times"),
    };
    format!(
        "quote {}\n  costs at most   {}\n  likely          {} to {}\n  rays at most    {}, seen in {} \
         samples of {} frames; {dearer}\n  price at most   {} for 10^9 rays",
        quote.id,
        terms.ceiling,
        quote.outlook.least,
        quote.outlook.expected,
        count(terms.rays_upper as f64),
        count(terms.pixels as f64),
        terms.frames_probed,
        terms.price_max,
    )
}

#[derive(Serialize)]
struct WalletShown {
    address: String,
    token_account: String,
    tokens: Amount,
    lamports: u64,
}

/// `farm wallet`: where it is, and what lies in it.
pub(crate) async fn wallet(
    client: &Client,
    args: &WalletArgs,
    state: &StateFolder,
    voice: Voice,
) -> anyhow::Result<()> {
    let file = args.wallet.clone().unwrap_or_else(|| state.wallet());
    let wallet = Wallet::open(&file, &client.farm().await?)?;
    if let Some(amount) = args.play_money {
        wallet.take_play_money(amount).await?;
    }
    let holdings = wallet.holdings().await?;
    let shown = WalletShown {
        address: wallet.address().to_string(),
        token_account: wallet.account().to_string(),
        tokens: holdings.tokens,
        lamports: holdings.lamports,
    };
    voice.result(&shown, || {
        format!(
            "wallet {}\n  key file       {}\n  token account  {}\n  tokens         {}\n  lamports       {}",
            shown.address,
            file.display(),
            shown.token_account,
            shown.tokens,
            count(shown.lamports as f64)
        )
    })
}

/// `farm ledger`: the books.
pub(crate) async fn ledger(client: &Client, voice: Voice) -> anyhow::Result<()> {
    let books = client.ledger().await?;
    voice.result(&books, || {
        if books.balances.is_empty() {
            return "the books are empty: nobody has paid and nobody has earned".to_owned();
        }
        let signed = |amount: i64| {
            let sign = if amount < 0 { "-" } else { "" };
            format!("{sign}{}", Amount(amount.unsigned_abs()))
        };
        let row = |balance: &tessera_protocol::finance::BalanceView| {
            vec![balance.account.clone(), signed(balance.balance)]
        };
        let balances: Vec<_> = books.balances.iter().map(row).collect();
        let mut text = table(&[Left("account"), Right("balance")], &balances);
        let rows: Vec<_> = books
            .entries
            .iter()
            .flat_map(|entry| {
                entry.postings.iter().map(|posting| {
                    vec![
                        entry.entry.to_string(),
                        entry.cause.clone(),
                        posting.account.clone(),
                        signed(posting.amount),
                    ]
                })
            })
            .collect();
        text.push('\n');
        text += &table(&[Right("entry"), Left("cause"), Left("account"), Right("amount")], &rows);
        for violation in &books.violations {
            text += &format!("\nDOES NOT HOLD: {violation}");
        }
        text
    })
}

/// `farm payouts`: who was paid.
pub(crate) async fn payouts(client: &Client, voice: Voice) -> anyhow::Result<()> {
    let payouts = client.payouts().await?;
    voice.result(&payouts, || {
        if payouts.is_empty() {
            return "nobody was paid yet: work is settled once it is verified finally".to_owned();
        }
        payout_table(&payouts)
    })
}

/// Payouts, a line each, and their sum.
pub(crate) fn payout_table(payouts: &[PayoutView]) -> String {
    let paid = payouts.iter().filter(|payout| payout.state == PayoutState::Paid);
    let sum: u64 = paid.map(|payout| payout.amount.0).sum();
    let rows: Vec<_> = payouts
        .iter()
        .map(|payout| {
            vec![
                payout.epoch.to_string(),
                if payout.name.is_empty() { payout.node.to_string() } else { payout.name.clone() },
                payout.amount.to_string(),
                match payout.state {
                    PayoutState::Pending => "on its way".to_owned(),
                    PayoutState::Paid => {
                        format!("paid, {} % of all", percent(payout.amount.0, sum))
                    }
                    PayoutState::Claimable => "its account takes nothing; claimable".to_owned(),
                },
            ]
        })
        .collect();
    table(&[Right("epoch"), Left("node"), Right("tokens"), Left("")], &rows)
}
