//! From what was seen of a job to what it costs.

use crate::look::Look;
use tessera_protocol::job::JobSpec;
use tessera_protocol::money::{ceiling_for, pay};
use tessera_protocol::quote::{FrameRays, Outlook, QuoteTerms};
use tessera_protocol::{Amount, MasterId, QuoteSeed, RayPrice, SpecHash};

/// How long a quote is good for: a day.
pub const VALID_FOR_MS: i64 = 24 * 60 * 60 * 1000;

/// A job that has no price because it's larger than any sum of money or rays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the job is too large to be quoted: its rays or its ceiling do not fit 64 bits. Cut it into \
     several jobs, or lower its size, samples or price"
)]
pub struct TooLarge;

/// What a job costs at most, `price_max` for 10^9 factored rays given, if it's started by `now_ms`
/// (since 1970) and [`VALID_FOR_MS`]:
///
/// ```text
/// ceiling = ⌈ ⌈rays_upper × factor × price_max / (1000 × 10^9)⌉ × (1000 + margin) / 1000 ⌉
/// ```
///
/// # Errors
/// The sums don't fit.
pub fn offer(
    look: &Look,
    spec: &JobSpec,
    seed: QuoteSeed,
    master: MasterId,
    price_max: RayPrice,
    now_ms: i64,
) -> Result<QuoteTerms, TooLarge> {
    let probe = &look.probe;
    let rays_upper = probe.rays_upper().ok_or(TooLarge)?;
    let margin_permille = probe.margin_permille();
    let ceiling = ceiling(rays_upper, look, price_max).ok_or(TooLarge)?;
    Ok(QuoteTerms {
        master,
        spec: SpecHash::of(spec),
        scene: spec.scene,
        environment: spec.settings.environment.map(|environment| environment.blob),
        seed,
        frames_probed: probe.frames_probed(),
        pixels: probe.pixels(),
        rays_mean_milli: probe.rays_mean_milli(),
        rays_upper,
        factor: look.factor,
        price_max,
        margin_permille,
        ceiling,
        valid_until_ms: now_ms.saturating_add(VALID_FOR_MS),
    })
}

fn ceiling(rays_upper: u64, look: &Look, price: RayPrice) -> Option<Amount> {
    let bare = u128::from(ceiling_for(rays_upper, look.factor, price)?.0);
    let with_margin = (bare * (1000 + u128::from(look.probe.margin_permille()))).div_ceil(1000);
    u64::try_from(with_margin).ok().map(Amount)
}

/// What a job likely costs, to be shown beside what is signed.
///
/// # Errors
/// The sums don't fit.
pub fn outlook(look: &Look, price: RayPrice) -> Result<Outlook, TooLarge> {
    let cost = |rays: Option<u64>| pay(rays?, look.factor, price);
    let nothing = FrameRays { frame: tessera_protocol::FrameNumber(0), rays_mean_milli: 0 };
    let [cheapest, dearest] = look.probe.extremes().unwrap_or([nothing; 2]);
    Ok(Outlook {
        expected: cost(look.probe.rays_expected()).ok_or(TooLarge)?,
        least: cost(look.probe.rays_lower()).ok_or(TooLarge)?,
        cheapest,
        dearest,
    })
}
