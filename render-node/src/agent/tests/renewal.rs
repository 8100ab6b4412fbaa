//! What becomes of a lease when a release lies ready in the middle of it.

use super::*;
use crate::update::{Running, installed};
use tessera_protocol::ReleaseKey;
use tessera_protocol::release::ReleaseVersion;

/// Renders as the processor does, and has a release ready by the first unit.
struct Overtaken {
    device: CpuBackend,
    updates: Arc<Updates>,
    by: ReleaseVersion,
}

impl Backend for Overtaken {
    fn describe(&self) -> DeviceDescription {
        self.device.describe()
    }

    fn load(&mut self, frame: Arc<PreparedFrame>) -> Result<(), RenderError> {
        self.device.load(frame)
    }

    fn unload(&mut self) {
        self.device.unload();
    }

    fn render(
        &mut self,
        rect: TileRect,
        samples: SampleRange,
        brake: &Brake,
    ) -> Result<Vec<PixelSum>, RenderError> {
        self.updates.lies_ready(self.by);
        self.device.render(rect, samples, brake)
    }
}

#[tokio::test]
async fn a_lease_in_hand_is_done_before_the_node_ends_for_another_release() {
    let world = World::with(2, &[]).await;
    let by = "9.0.0".parse().unwrap();
    let running = Running { version: installed(), key: ReleaseKey([0; 32]) };
    let updates = Updates::new(&world.address, world.folder.path(), running).unwrap();
    let overtaker = updates.clone();
    let make = move || Overtaken { device: cpu(), updates: overtaker.clone(), by };
    let ended = world.start_with(make, House::free(), Some(updates)).end().await;
    assert!(matches!(ended, Err(AgentError::Renewed(version)) if version == by), "{ended:?}");
    assert_eq!((world.master.submits().len(), world.master.given_back()), (1, vec![]));
    let seen = world.master.seen.lock().unwrap();
    assert_eq!(count(&seen, |seen| *seen == Seen::Asked), 1, "the second lease is for others");
}
