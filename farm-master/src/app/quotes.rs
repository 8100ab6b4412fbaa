//! What a job will cost at most, said before its first ray, and the job that comes of it once that much
//! lies in its escrow.

use super::App;
use crate::auth::Artist;
use crate::blobs::Key;
use crate::config::Inspected;
use crate::problem::{Code, Refusal};
use crate::settlement::Settlement;
use crate::store::Creation;
use crate::store::money::{Accepted, Escrow, KeptQuote, Raised};
use std::sync::Arc;
use tessera_farm_core::job::JobChange;
use tessera_ledger::Purse;
use tessera_protocol::finance::{FarmView, QuoteRequest};
use tessera_protocol::job::{JobState, JobView};
use tessera_protocol::quote::{Quote, QuoteView};
use tessera_protocol::{Amount, JobId, QuoteId, QuoteSecret, QuoteSeed};
use tessera_quote::offer::TooLarge;
use tessera_quote::{offer, outlook};

/// How long an escrow has to stand when its job begins: thirty days.
pub(super) const STANDS_FOR_MS: i64 = 30 * 24 * 3600 * 1000;

impl App {
    /// What everybody may know of this farm.
    pub(crate) async fn farm(&self) -> Result<FarmView, Refusal> {
        Ok(FarmView {
            master: self.master(),
            chain: self.settlement.as_ref().map(|settlement| settlement.view()),
            suggested_price: self.suggested_price().await?,
        })
    }

    /// Looks at a few pixels of a job, and signs what it costs at most.
    pub(crate) async fn quote(
        self: &Arc<Self>,
        artist: &Artist,
        request: QuoteRequest,
    ) -> Result<QuoteView, Refusal> {
        self.need_settlement()?;
        let QuoteRequest { spec, max_price, tier } = request;
        let price = self.price_or_suggested(max_price).await?;
        if price.0 == 0 {
            return Err(Refusal::new(
                Code::QuoteRefused,
                "At a price of 0 nobody works; leave it out to take what the farm suggests.",
            ));
        }
        let Inspected { warnings, memory } = self.inspect(artist, &spec).await?;
        // Drawn now, when scene and settings stand: nobody could know where it is looked.
        let mut secret = QuoteSecret([0; 32]);
        getrandom::fill(&mut secret.0).map_err(Refusal::internal)?;
        let kernel = self.config.kernel;
        let seed = QuoteSeed::of(&secret, kernel, &spec);
        let permit = self.limits.inspections.acquire().await.map_err(Refusal::internal)?;
        let asked = spec.clone();
        let looked = self
            .blocking(move |app| {
                let scene = app.blobs.path(Key::Upload(asked.scene));
                let light = asked.settings.environment.map(|light| Key::Upload(light.blob));
                let light = light.map(|key| app.blobs.path(key));
                (app.config.probe)(&scene, light.as_deref(), &asked, &seed)
            })
            .await
            .map_err(Refusal::internal)?
            .map_err(|reason| Refusal::new(Code::SceneRefused, reason))?;
        drop(permit);
        let now_ms = self.clock.now_ms();
        let too_large = |error: TooLarge| Refusal::new(Code::QuoteRefused, format!("{error}."));
        let terms = offer(&looked, &spec, seed, self.master(), price, now_ms).map_err(too_large)?;
        let outlook = outlook(&looked, price).map_err(too_large)?;
        let quote = Quote::issue(&self.key, terms, secret, kernel);
        let view = QuoteView { id: terms.id(), quote, outlook, job: None };
        let owner = artist.id();
        let kept = KeptQuote { owner, spec, tier, warnings, memory, view: view.clone() };
        self.store.keep_quote(kept, now_ms).await?;
        Ok(view)
    }

    /// A quote of this artist's.
    async fn own_quote(&self, artist: &Artist, id: QuoteId) -> Result<KeptQuote, Refusal> {
        let kept = self.store.quote(id).await?.filter(|kept| artist.may_see(kept.owner));
        kept.ok_or_else(|| {
            Refusal::new(
                Code::QuoteNotFound,
                format!("There is no quote {id} among yours; ask for a new one."),
            )
        })
    }

    /// The same, as its artist sees it.
    pub(crate) async fn show_quote(
        &self,
        artist: &Artist,
        id: QuoteId,
    ) -> Result<QuoteView, Refusal> {
        let mut view = self.own_quote(artist, id).await?.view;
        view.job = self.store.job(id.job()).await?.map(|(job, _)| job.id);
        Ok(view)
    }

    /// Makes the job of a quote, if the ceiling lies in its escrow; `true` beside it when it is new.
    pub(crate) async fn accept_quote(
        self: &Arc<Self>,
        artist: &Artist,
        id: QuoteId,
    ) -> Result<(JobView, bool), Refusal> {
        let settlement = self.need_settlement()?;
        let job = id.job();
        // The quote may be forgotten by now; the job is not.
        if let Some((known, owner)) = self.store.job(job).await?
            && artist.may_see(owner)
        {
            return Ok((known, false));
        }
        let quote = self.own_quote(artist, id).await?;
        let terms = quote.view.quote.terms;
        let now_ms = self.clock.now_ms();
        if now_ms > terms.valid_until_ms {
            return Err(Refusal::new(
                Code::QuoteOver,
                format!(
                    "Quote {id} was good for a day and is over: ask for a new one. What lies in its escrow \
                     can be taken back once that has expired."
                ),
            ));
        }
        if quote.view.quote.kernel != self.config.kernel {
            return Err(Refusal::new(
                Code::QuoteOver,
                "The farm renders with another kernel than it quoted for: ask for a new quote.",
            ));
        }
        let escrow = settlement.escrow(&Purse::Job(job)).await?;
        // Once it can be taken back, nodes would go unpaid.
        if escrow.is_some_and(|escrow| escrow.stands_until_ms < now_ms + STANDS_FOR_MS) {
            return Err(Refusal::new(
                Code::DepositMissing,
                format!(
                    "The escrow of job {job} can be taken back too soon: it has to stand for {} days. \
                     Ask for a new quote, and let its escrow stand longer.",
                    STANDS_FOR_MS / 86_400_000
                ),
            ));
        }
        let nothing = Escrow { deposited: Amount::ZERO, stands_until_ms: 0 };
        let escrow = escrow.unwrap_or(nothing);
        let deposited = escrow.deposited;
        if deposited < terms.ceiling {
            return Err(Refusal::new(
                Code::DepositMissing,
                format!(
                    "The escrow of job {job} holds {deposited}, and the ceiling is {}: deposit the rest, \
                     and accept the quote again.",
                    terms.ceiling
                ),
            ));
        }
        let accepted = Accepted {
            job,
            quote,
            kernel: self.config.kernel,
            escrow,
            carry: self.config.carry,
            fee: settlement.fee(),
            now_ms,
        };
        match self.store.accept_quote(accepted).await? {
            Creation::Created(job) => {
                self.there_may_be_work();
                Ok((job, true))
            }
            Creation::Known(job) => Ok((job, false)),
            Creation::KeyReused => Err(Refusal::internal("a quote has no idempotency key")),
        }
    }

    /// Raises a job's ceiling by what was deposited in its escrow since; a job that had too little goes on.
    pub(crate) async fn top_up(
        self: &Arc<Self>,
        artist: &Artist,
        id: JobId,
    ) -> Result<JobView, Refusal> {
        let settlement = self.need_settlement()?;
        let known = self.job(artist, id).await?;
        if known.money.is_none() {
            return Err(Refusal::new(Code::NothingIsPaid, format!("Nobody pays for job {id}.")));
        }
        let escrow = settlement.escrow(&Purse::Job(id)).await?;
        let deposited = escrow.map_or(Amount::ZERO, |escrow| escrow.deposited);
        match self.store.raise_ceiling(id, deposited, self.clock.now_ms()).await? {
            Raised::Ended => Err(Refusal::job_ended(known.state)),
            Raised::Nothing => Err(Refusal::new(
                Code::DepositMissing,
                format!(
                    "Nothing new lies in the escrow of job {id}: deposit first what its ceiling is to rise by."
                ),
            )),
            Raised::By { job, was_short: false, .. } => Ok(*job),
            // What failed goes on when its owner requeues it.
            Raised::By { job, .. } if job.state == JobState::Failed => Ok(*job),
            Raised::By { was_short: true, .. } => {
                self.change_job(artist, id, JobChange::Resume).await
            }
        }
    }

    /// The chain, where the farm has one.
    pub(super) fn need_settlement(&self) -> Result<&Settlement, Refusal> {
        self.settlement.as_ref().ok_or_else(|| {
            Refusal::new(
                Code::NothingIsPaid,
                "This farm settles on no chain, so nobody pays and nobody is paid: submit the job as it is.",
            )
        })
    }
}
