//! One lease, from the grant to the master's answer.

use super::heartbeat::Held;
use super::journal::EntryId;
use super::session::Session;
use super::{Agent, AgentError, DEVICE_FAILURES_ALLOWED, End, is_final};
use crate::render::Brake;
use crate::renderer::wire::{Order, SceneFile};
use crate::renderer::{Failure, Rendered, RenderedUnit};
use std::time::{Duration, SystemTime};
use tessera_client::ClientError;
use tessera_protocol::commit::{Commit, NodeKey};
use tessera_protocol::house::Rest;
use tessera_protocol::job::JobSpec;
use tessera_protocol::lease::LeaseGrant;
use tessera_protocol::submit::{SubmitHeader, encode};
use tessera_protocol::terms::Promise;
use tessera_protocol::{BlobHash, KernelId, MasterId};
use tracing::{info, warn};

/// A lease is kept for so long while the node rests; then others may have it.
const KEPT_WHILE_RESTING: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 20_000 });

/// How the work on a lease ended before anything was signed.
enum Setback {
    /// The master ended the lease.
    Lost,
    /// The work cannot be done here, for this reason; trying the next lease makes sense.
    CannotDo(String),
    /// The owner of the machine wants it for something else, and not for a moment only.
    Rests(Rest),
    /// The device failed.
    Device(String),
    /// The master no longer knows the token.
    JoinAgain,
}

impl Agent {
    /// Does the work of a grant. Only what ends the session is an error.
    pub(super) async fn work(&mut self, session: &Session, grant: LeaseGrant) -> Result<(), End> {
        info!("lease {}: {} units of job {}", grant.lease, grant.units.len(), grant.job);
        let held = Held::new(session, grant, self.config.house.brake());
        let grant = held.grant().clone();
        let mut lost = held.lost();
        let brake = held.brake();
        let mut house = self.config.house.clone();
        self.held = Some(held);
        let outcome = tokio::select! {
            outcome = self.render(session, &grant, brake) => outcome,
            rest = house.until_it_rested(KEPT_WHILE_RESTING) => Err(Setback::Rests(rest)),
            // The sender lives as long as the lease is held.
            _ = lost.wait_for(|&lost| lost) => Err(Setback::Lost),
        };
        let Some(held) = self.held.take() else { return Ok(()) };
        match outcome {
            Ok(rendered) => {
                self.device_failures = 0;
                let units = &rendered.units;
                let samples = units.iter().map(|unit| unit.samples).sum();
                self.speed.measured(samples, units.iter().map(|unit| unit.took).sum());
                self.trouble.reset();
                self.commit(session, &held, rendered).await
            }
            Err(setback) => self.recover(held, setback).await,
        }
    }

    async fn render(
        &mut self,
        session: &Session,
        grant: &LeaseGrant,
        brake: Brake,
    ) -> Result<Rendered, Setback> {
        check(grant, self.config.device.kernel).map_err(Setback::CannotDo)?;
        check_terms(grant, session.master, &self.key).map_err(Setback::CannotDo)?;
        let light = grant.settings.environment.map(|environment| environment.blob);
        let needed: Vec<_> = std::iter::once(grant.scene).chain(light).collect();
        let scene = self.fetch(session, grant.scene, &needed).await?;
        let environment = match light {
            Some(blob) => Some(self.fetch(session, blob, &needed).await?),
            None => None,
        };
        let order = Order {
            scene,
            environment,
            settings: grant.settings.clone(),
            fps: grant.fps,
            units: grant.units.clone(),
        };
        self.renderer.render(&order, &brake).await.map_err(|failure| match failure {
            Failure::Cancelled => Setback::Lost,
            Failure::Device(reason) => Setback::Device(reason),
            Failure::Damaged(blob) => {
                if let Err(error) = self.cache.remove(blob) {
                    warn!("{error}");
                }
                Setback::CannotDo(format!("its copy of the file {blob} was damaged"))
            }
            Failure::CannotDo(reason) => Setback::CannotDo(reason),
        })
    }

    /// Has a file in the cache, fetching it if need be, for as long as the lease stands.
    async fn fetch(
        &mut self,
        session: &Session,
        blob: BlobHash,
        needed: &[BlobHash],
    ) -> Result<SceneFile, Setback> {
        let path = self.cache.path(blob);
        while !self.cache.touch(blob, SystemTime::now()) {
            match session.client.fetch(blob, &path, self.config.cache_bytes).await {
                Ok(()) => self
                    .cache
                    .arrived(blob, SystemTime::now(), needed)
                    .map_err(|error| Setback::CannotDo(error.to_string()))?,
                Err(ClientError::Unauthorised { .. }) => return Err(Setback::JoinAgain),
                Err(error @ (ClientError::TooLarge { .. } | ClientError::File { .. })) => {
                    return Err(Setback::CannotDo(error.to_string()));
                }
                Err(error) if is_final(&error) => {
                    return Err(Setback::CannotDo(error.to_string()));
                }
                Err(error) => self.pause(&format!("fetching {blob}: {error}")).await,
            }
        }
        Ok(SceneFile { blob, path })
    }

    /// Signs, makes durable, sends. From the signature on the lease is never given back, since there
    /// is a promise out; it is kept alive until the master has answered, however slow the way.
    async fn commit(
        &mut self,
        session: &Session,
        held: &Held,
        rendered: Rendered,
    ) -> Result<(), End> {
        let grant = held.grant();
        let (results, packed): (Vec<_>, Vec<_>) = rendered
            .units
            .into_iter()
            .map(|RenderedUnit { result, packed, .. }| (result, packed))
            .unzip();
        let commit = Commit::under(grant, self.key.node(), rendered.scene, results);
        let id = EntryId::of(&commit);
        let signature = commit.sign(&self.key);
        let packed_bytes = packed.iter().map(|packed| packed.len() as u64).collect();
        let body = encode(&SubmitHeader { commit, signature, packed_bytes }, &packed);
        let journal = self.journal.clone();
        let record = move || (journal.record(id, &body), body);
        let (recorded, body) =
            tokio::task::spawn_blocking(record).await.expect("writing an entry does not panic");
        recorded?;
        self.deliver(session, id, body).await
    }

    async fn recover(&mut self, held: Held, setback: Setback) -> Result<(), End> {
        let lease = held.grant().lease;
        match setback {
            Setback::Lost => {
                info!("lease {lease} has ended; its work is dropped");
                Ok(())
            }
            Setback::JoinAgain => Err(End::JoinAgain),
            Setback::Rests(rest) => {
                info!("lease {lease} is given back: {rest}");
                held.give_back(None).await;
                Ok(())
            }
            Setback::CannotDo(reason) => {
                held.give_back(Some(reason.clone())).await;
                self.rest(&format!("lease {lease} is given back: {reason}")).await;
                Ok(())
            }
            Setback::Device(reason) => {
                held.give_back(Some(reason.clone())).await;
                self.device_failures += 1;
                if self.device_failures >= DEVICE_FAILURES_ALLOWED {
                    return Err(AgentError::Device(reason).into());
                }
                self.rest(&format!("lease {lease} is given back: {reason}")).await;
                Ok(())
            }
        }
    }
}

/// Whether a grant asks for what a node does. A master that asks for anything else is broken or
/// hostile, and gets its lease back.
fn check(grant: &LeaseGrant, kernel: KernelId) -> Result<(), String> {
    if grant.kernel != kernel {
        return Err(format!("the lease is for kernel {} and this node has {kernel}", grant.kernel));
    }
    grant.settings.validate().map_err(|error| error.to_string())?;
    if grant.fps == 0 {
        return Err("the lease has no frames a second".into());
    }
    let units = grant.units.len();
    if units == 0 || units > LeaseGrant::MAX_UNITS {
        return Err(format!("the lease has {units} units; 1 to {} may be", LeaseGrant::MAX_UNITS));
    }
    let settings = &grant.settings;
    let frame = grant.units[0].frame;
    for unit in &grant.units {
        if unit.frame != frame {
            return Err(format!("unit {} is of another frame than the lease's first", unit.index));
        }
        let (rect, samples) = (unit.rect, unit.samples);
        let small = rect.width.max(rect.height) <= JobSpec::MAX_TILE;
        if !small || !rect.fits(settings.width, settings.height) {
            return Err(format!("unit {} has no tile of its frame", unit.index));
        }
        if samples.start >= samples.end || samples.end > settings.spp {
            return Err(format!("unit {} has no samples of its frame", unit.index));
        }
    }
    Ok(())
}

/// Whether the lease's price is a promise that can be held against the master later.
fn check_terms(grant: &LeaseGrant, master: MasterId, key: &NodeKey) -> Result<(), String> {
    let terms = &grant.terms;
    if terms.master != master {
        return Err(format!("the lease is promised by {} and not by this master", terms.master));
    }
    if !Promise::of_grant(grant, key.node()).is_signed(&terms.signature) {
        return Err("the master's promise of the lease's price is not signed by it".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::commit::SignatureBytes;
    use tessera_protocol::lease::Unit;
    use tessera_protocol::node::DeviceClass;
    use tessera_protocol::settings::RenderSettings;
    use tessera_protocol::terms::Terms;
    use tessera_protocol::{
        FrameNumber, Generation, JobId, LeaseId, RayPrice, SampleRange, SceneFactor, SecretHash,
        TileRect, UnitIndex,
    };

    const KERNEL: KernelId = KernelId([1; 32]);

    fn unit() -> Unit {
        Unit {
            index: UnitIndex(0),
            frame: FrameNumber(0),
            rect: TileRect { x: 0, y: 0, width: 64, height: 64 },
            samples: SampleRange { start: 0, end: 64 },
        }
    }

    fn grant() -> LeaseGrant {
        LeaseGrant {
            lease: LeaseId([1; 16]),
            generation: Generation(1),
            job: JobId([1; 16]),
            kernel: KERNEL,
            scene: BlobHash([1; 32]),
            settings: RenderSettings::default(),
            fps: 24,
            secret: SecretHash([1; 32]),
            units: vec![unit()],
            terms: Terms {
                master: MasterId([2; 32]),
                class: DeviceClass::Exact,
                price: RayPrice(5),
                factor: SceneFactor::ONE,
                signature: SignatureBytes([0; 64]),
            },
            expires_after_ms: 1000,
        }
    }

    #[test]
    fn a_price_that_the_master_did_not_sign_is_refused() {
        let (node, master) = (NodeKey::from_secret(&[1; 32]), NodeKey::from_secret(&[2; 32]));
        let id = MasterId(master.node().0);
        let mut grant = grant();
        grant.terms.master = id;
        assert!(check_terms(&grant, id, &node).is_err(), "nobody signed it");
        grant.terms = Promise::of_grant(&grant, node.node()).sign(&master);
        assert_eq!(check_terms(&grant, id, &node), Ok(()));
        assert!(check_terms(&grant, MasterId([3; 32]), &node).is_err(), "another master's");
        let other = NodeKey::from_secret(&[3; 32]);
        assert!(check_terms(&grant, id, &other).is_err(), "another node's");
        grant.terms.price.0 += 1;
        assert!(check_terms(&grant, id, &node).is_err(), "another price");
    }

    #[test]
    fn a_grant_that_asks_for_something_else_is_refused() {
        assert_eq!(check(&grant(), KERNEL), Ok(()));
        let with = |unit| LeaseGrant { units: vec![unit], ..grant() };
        let rect =
            |x, y, width, height| with(Unit { rect: TileRect { x, y, width, height }, ..unit() });
        let samples = |start, end| with(Unit { samples: SampleRange { start, end }, ..unit() });
        let refused = [
            LeaseGrant { kernel: KernelId([2; 32]), ..grant() },
            LeaseGrant { units: vec![], ..grant() },
            LeaseGrant { units: vec![unit(); LeaseGrant::MAX_UNITS + 1], ..grant() },
            LeaseGrant { fps: 0, ..grant() },
            LeaseGrant { units: vec![unit(), Unit { frame: FrameNumber(1), ..unit() }], ..grant() },
            LeaseGrant { settings: RenderSettings { spp: 0, ..Default::default() }, ..grant() },
            rect(1279, 0, 2, 1),
            rect(0, 0, 1280, 1),
            rect(0, 0, 0, 1),
            samples(64, 64),
            samples(0, 65),
        ];
        for grant in refused {
            assert!(check(&grant, KERNEL).is_err(), "{grant:?}");
        }
    }
}
