//! Uploads that nobody needs any more are removed, and no others.

use crate::world::{Farm, eventually, read, refused, spec};
use reqwest::StatusCode;
use std::collections::BTreeSet;
use std::time::Duration;
use tessera_protocol::BlobHash;
use tessera_protocol::job::JobView;

/// The uploads that lie on the disk.
fn on_disk(farm: &Farm) -> BTreeSet<String> {
    let folder = std::fs::read_dir(farm.config.state.join("blobs/uploads")).unwrap();
    folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn names(blobs: &[BlobHash]) -> BTreeSet<String> {
    blobs.iter().map(BlobHash::to_string).collect()
}

async fn job_of(farm: &Farm, scene: BlobHash) -> JobView {
    read(farm.post("/v1/jobs", &spec(scene)).await, StatusCode::CREATED).await
}

#[tokio::test]
async fn what_no_job_needs_is_removed_in_time_and_can_be_sent_again() {
    let mut farm = Farm::start().await;
    let [open, over, nobodys, light] = [&b"open"[..], b"over", b"nobody's", b"light"];
    let open = farm.upload(open).await.blob;
    let over = farm.upload(over).await.blob;
    let nobodys = farm.upload(nobodys).await.blob;
    let light = farm.upload(light).await.blob;
    let mut lit = spec(open);
    lit.settings.environment = Some(tessera_protocol::settings::Environment {
        blob: light,
        strength: 1.0,
        rotation_deg: 0.0,
    });
    let _: JobView = read(farm.post("/v1/jobs", &lit).await, StatusCode::CREATED).await;
    let ended = job_of(&farm, over).await;
    assert_eq!(farm.order(&ended, "cancel").await.status(), StatusCode::OK);
    assert_eq!(on_disk(&farm), names(&[open, over, nobodys, light]));

    farm.stop().await;
    let stray = farm.config.state.join("blobs/uploads").join("5".repeat(64));
    std::fs::write(&stray, b"its entry is gone").unwrap();
    farm.begin().await;
    assert_eq!(on_disk(&farm), names(&[open, over, nobodys, light]), "a month is not over");

    farm.stop().await;
    farm.config.keep_uploads = Duration::ZERO;
    farm.begin().await;
    let needed = names(&[open, light]);
    eventually(async || (on_disk(&farm) == needed).then_some(())).await;
    assert_eq!(refused(farm.post("/v1/jobs", &spec(over)).await).await, "upload-missing");
    let again = farm.upload(b"over").await;
    assert_eq!((again.blob, again.known), (over, false));
    job_of(&farm, over).await;
}
