//! Readers that look for themselves.

use crate::support::Job;
use crate::{NOW_MS, PRICE};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::quote::{Quote, QuoteTerms};
use tessera_protocol::{
    Amount, BlobHash, KernelId, MasterId, QuoteSecret, QuoteSeed, RayPrice, SceneFactor, SpecHash,
};
use tessera_quote::check::{Asked, Field, check};
use tessera_quote::{look, offer};
use tessera_reference::kernel_id;

fn key() -> NodeKey {
    NodeKey::from_secret(&[4; 32])
}

fn master() -> MasterId {
    MasterId(key().node().0)
}

fn job() -> Job {
    Job::conformance("sun")
}

fn quote(job: &Job) -> Quote {
    let secret = QuoteSecret([8; 32]);
    let seed = QuoteSeed::of(&secret, kernel_id(), &job.spec);
    let look = look(&mut job.source(), &job.spec, &seed, 2).unwrap();
    let terms = offer(&look, &job.spec, seed, master(), PRICE, NOW_MS).unwrap();
    Quote::issue(&key(), terms, secret, kernel_id())
}

fn asked(job: &Job) -> Asked<'_> {
    Asked {
        master: master(),
        spec: &job.spec,
        price_max: PRICE,
        glb: &job.glb,
        environment: job.sky.as_deref(),
    }
}

fn fields(quote: &Quote, asked: &Asked<'_>, now_ms: i64) -> Vec<Field> {
    let differences = check(quote, asked, now_ms, 2).unwrap();
    differences.iter().map(|difference| difference.field).collect()
}

#[test]
fn an_honest_quote_is_found_right_until_it_ends() {
    let job = job();
    let quote = quote(&job);
    assert_eq!(check(&quote, &asked(&job), NOW_MS, 2).unwrap(), []);
    let last = quote.terms.valid_until_ms;
    assert_eq!(fields(&quote, &asked(&job), last), []);
    assert_eq!(fields(&quote, &asked(&job), last + 1), [Field::Validity]);
}

/// By the master itself: the signature is good, and the looking finds it.
#[test]
fn one_changed_field_is_named_though_it_was_signed() {
    let job = job();
    let good = quote(&job);
    let terms = good.terms;
    let by = |field, terms| (field, Quote::issue(&key(), terms, good.secret, good.kernel));
    let changed = [
        by(Field::Spec, QuoteTerms { spec: SpecHash([0; 32]), ..terms }),
        by(Field::Scene, QuoteTerms { scene: BlobHash([0; 32]), ..terms }),
        by(Field::Environment, QuoteTerms { environment: None, ..terms }),
        by(Field::Seed, QuoteTerms { seed: QuoteSeed([0; 32]), ..terms }),
        by(Field::FramesProbed, QuoteTerms { frames_probed: 2, ..terms }),
        by(Field::Pixels, QuoteTerms { pixels: terms.pixels - 1, ..terms }),
        by(Field::RaysMean, QuoteTerms { rays_mean_milli: terms.rays_mean_milli + 1, ..terms }),
        by(Field::RaysUpper, QuoteTerms { rays_upper: terms.rays_upper + 1, ..terms }),
        by(Field::Factor, QuoteTerms { factor: SceneFactor(terms.factor.0 * 2), ..terms }),
        by(Field::PriceMax, QuoteTerms { price_max: RayPrice(PRICE.0 + 1), ..terms }),
        by(Field::Margin, QuoteTerms { margin_permille: 1, ..terms }),
        by(Field::Ceiling, QuoteTerms { ceiling: Amount(terms.ceiling.0 + 1), ..terms }),
        by(
            Field::Validity,
            QuoteTerms { valid_until_ms: terms.valid_until_ms + 3_600_000, ..terms },
        ),
    ];
    for (field, quote) in changed {
        assert_eq!(fields(&quote, &asked(&job), NOW_MS), [field]);
    }
    let differences = {
        let terms = QuoteTerms { factor: SceneFactor(9999), ..terms };
        let quote = Quote::issue(&key(), terms, good.secret, good.kernel);
        check(&quote, &asked(&job), NOW_MS, 2).unwrap()
    };
    let said = differences[0].to_string();
    assert!(said.starts_with("scene factor: the quote says 9.999, and "), "{said}");
}

/// By somebody on the way: the signature says so, too.
#[test]
fn a_text_that_was_changed_after_it_was_signed_is_nobodys() {
    let job = job();
    let good = quote(&job);
    let terms = good.terms;
    let other = NodeKey::from_secret(&[5; 32]);
    for (field, changed) in [
        (
            Field::Ceiling,
            Quote { terms: QuoteTerms { ceiling: Amount(1), ..terms }, ..good.clone() },
        ),
        (
            Field::Master,
            Quote { terms: QuoteTerms { master: MasterId([1; 32]), ..terms }, ..good.clone() },
        ),
    ] {
        assert_eq!(fields(&changed, &asked(&job), NOW_MS), [Field::Signature, field]);
    }
    // Shorter validity looks like an older quote; only the signature tells.
    let shorter = QuoteTerms { valid_until_ms: NOW_MS, ..terms };
    let shorter = Quote { terms: shorter, ..good.clone() };
    assert_eq!(fields(&shorter, &asked(&job), NOW_MS), [Field::Signature]);
    // Another master's good signature is not the one that was asked.
    let theirs = QuoteTerms { master: MasterId(other.node().0), ..terms };
    let theirs = Quote::issue(&other, theirs, good.secret, good.kernel);
    assert_eq!(fields(&theirs, &asked(&job), NOW_MS), [Field::Master]);
}

#[test]
fn a_seed_that_the_master_chose_is_not_that_of_its_secret() {
    let job = job();
    let good = quote(&job);
    let told = Quote { secret: QuoteSecret([9; 32]), ..good.clone() };
    assert!(fields(&told, &asked(&job), NOW_MS).contains(&Field::Seed));
    let kernel = Quote { kernel: KernelId([0; 32]), ..good };
    assert_eq!(fields(&kernel, &asked(&job), NOW_MS), [Field::Kernel]);
}

#[test]
fn other_files_and_other_wishes_are_named() {
    let job = job();
    let quote = quote(&job);
    let asked = asked(&job);
    let glb = [&job.glb[..], b" "].concat();
    assert_eq!(fields(&quote, &Asked { glb: &glb, ..asked }, NOW_MS), [Field::Scene]);
    let dark = Asked { environment: None, ..asked };
    assert_eq!(fields(&quote, &dark, NOW_MS), [Field::Environment]);
    let cheaper = Asked { price_max: RayPrice(PRICE.0 / 2), ..asked };
    assert_eq!(fields(&quote, &cheaper, NOW_MS), [Field::PriceMax, Field::Ceiling]);
    let mut larger = job.spec.clone();
    larger.settings.spp *= 2;
    let named = fields(&quote, &Asked { spec: &larger, ..asked }, NOW_MS);
    assert!(named.contains(&Field::Spec) && named.contains(&Field::RaysUpper), "{named:?}");
}
