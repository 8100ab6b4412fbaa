//! Looks again at what a quote says, and names what is different.

use crate::look::{LookError, look};
use crate::offer::{TooLarge, offer};
use std::fmt;
use tessera_protocol::job::JobSpec;
use tessera_protocol::quote::{Quote, QuoteTerms};
use tessera_protocol::{BlobHash, MasterId, QuoteSeed, RayPrice};
use tessera_reference::{Source, SourceError, kernel_id};

/// By how much a reader's clock may be behind a master's: ten minutes.
const CLOCKS_APART_MS: i64 = 10 * 60 * 1000;

/// What a quote was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Of whom.
    pub master: MasterId,
    /// The job.
    pub spec: &'a JobSpec,
    /// The artist's highest price.
    pub price_max: RayPrice,
    /// The scene's `.glb`.
    pub glb: &'a [u8],
    /// The `.hdr` beside it.
    pub environment: Option<&'a [u8]>,
}

/// What can be different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The signature isn't the master's over this text. All that is signed is in question.
    Signature,
    /// Another master.
    Master,
    /// Another job.
    Spec,
    /// Another scene's file.
    Scene,
    /// Another environment's file.
    Environment,
    /// Another kernel than this program's: nothing that it traced can be traced here.
    Kernel,
    /// The seed isn't that of the secret and the job.
    Seed,
    /// The number of frames that were looked at.
    FramesProbed,
    /// The number of samples that were traced.
    Pixels,
    /// The mean of their rays.
    RaysMean,
    /// The bound on the job's rays.
    RaysUpper,
    /// The scene's factor.
    Factor,
    /// Another price.
    PriceMax,
    /// The margin.
    Margin,
    /// The ceiling doesn't follow from the rest.
    Ceiling,
    /// The quote is no longer good, or longer than quotes are.
    Validity,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Signature => "signature",
            Self::Master => "master",
            Self::Spec => "job specification",
            Self::Scene => "scene file",
            Self::Environment => "environment file",
            Self::Kernel => "kernel",
            Self::Seed => "seed",
            Self::FramesProbed => "number of frames looked at",
            Self::Pixels => "number of samples traced",
            Self::RaysMean => "mean of rays (thousandths)",
            Self::RaysUpper => "rays at most",
            Self::Factor => "scene factor",
            Self::PriceMax => "highest price",
            Self::Margin => "margin (thousandths)",
            Self::Ceiling => "ceiling",
            Self::Validity => "validity",
        })
    }
}

/// One thing that a quote says and that is otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What.
    pub field: Field,
    /// What the quote says.
    pub quoted: String,
    /// What is right.
    pub found: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, quoted, found } = self;
        write!(f, "{field}: the quote says {quoted}, and {found} is right")
    }
}

/// Why a quote can't be looked at again.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The job can't be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The scene can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The job has no price.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

/// Looks at all that a quote says, from the files alone, on as many threads. Nothing different means:
/// the master signed it, it is for this job, these files and this price, and its ceiling is what the
/// stated rule gives. `now_ms` is the time since 1970 at which the quote has to be good.
///
/// Where the files or the kernel aren't those of the quote, what was traced isn't traced again.
///
/// # Errors
/// The files can't be rendered: then the quote is for other files, or worth nothing.
pub fn check(
    quote: &Quote,
    asked: &Asked<'_>,
    now_ms: i64,
    threads: usize,
) -> Result<Vec<Difference>, CheckError> {
    let mut differences = Differences::default();
    if !quote.is_signed() {
        let found = "no signature of that master over this text";
        differences.add(Field::Signature, "one", found);
    }
    let terms = &quote.terms;
    let seed = QuoteSeed::of(&quote.secret, quote.kernel, asked.spec);
    let files = [
        (Field::Scene, Some(terms.scene), Some(BlobHash::of(asked.glb))),
        (Field::Scene, Some(asked.spec.scene), Some(BlobHash::of(asked.glb))),
        (Field::Environment, terms.environment, asked.environment.map(BlobHash::of)),
    ];
    for (field, quoted, found) in files {
        let name = |blob: Option<BlobHash>| blob.map_or("none".into(), |blob| blob.to_string());
        differences.compare(field, &name(quoted), &name(found));
    }
    differences.compare(Field::Kernel, &quote.kernel, &kernel_id());
    if terms.valid_until_ms < now_ms {
        let found = format!("it is {now_ms} ms already");
        differences.add(
            Field::Validity,
            format!("until {} ms since 1970", terms.valid_until_ms),
            found,
        );
    }
    let traced = [Field::Scene, Field::Environment, Field::Kernel];
    if !differences.0.iter().any(|difference| traced.contains(&difference.field)) {
        let mut source = Source::load(asked.glb, asked.environment)?;
        let look = look(&mut source, asked.spec, &seed, threads)?;
        let right = offer(&look, asked.spec, seed, asked.master, asked.price_max, now_ms)?;
        differences.compare_terms(terms, &right);
    }
    Ok(differences.0)
}

#[derive(Default)]
struct Differences(Vec<Difference>);

impl Differences {
    fn add(&mut self, field: Field, quoted: impl Into<String>, found: impl Into<String>) {
        self.0.push(Difference { field, quoted: quoted.into(), found: found.into() });
    }

    fn compare<T: fmt::Display + PartialEq>(&mut self, field: Field, quoted: &T, found: &T) {
        if quoted != found && !self.0.iter().any(|difference| difference.field == field) {
            self.add(field, quoted.to_string(), found.to_string());
        }
    }

    fn compare_terms(&mut self, quoted: &QuoteTerms, right: &QuoteTerms) {
        let QuoteTerms {
            master,
            spec,
            scene: _,
            environment: _,
            seed,
            frames_probed,
            pixels,
            rays_mean_milli,
            rays_upper,
            factor,
            price_max,
            margin_permille,
            ceiling,
            valid_until_ms,
        } = quoted;
        self.compare(Field::Master, master, &right.master);
        self.compare(Field::Spec, spec, &right.spec);
        self.compare(Field::Seed, seed, &right.seed);
        self.compare(Field::FramesProbed, frames_probed, &right.frames_probed);
        self.compare(Field::Pixels, pixels, &right.pixels);
        self.compare(Field::RaysMean, rays_mean_milli, &right.rays_mean_milli);
        self.compare(Field::RaysUpper, rays_upper, &right.rays_upper);
        self.compare(Field::Factor, factor, &right.factor);
        self.compare(Field::PriceMax, price_max, &right.price_max);
        self.compare(Field::Margin, margin_permille, &right.margin_permille);
        self.compare(Field::Ceiling, ceiling, &right.ceiling);
        // `right` was made now, and a quote is no younger.
        if *valid_until_ms > right.valid_until_ms.saturating_add(CLOCKS_APART_MS) {
            let most = format!("{} ms at most", right.valid_until_ms);
            self.add(Field::Validity, format!("until {valid_until_ms} ms since 1970"), most);
        }
    }
}
