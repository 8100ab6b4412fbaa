//! A frame while it is rendered.

use crate::browser::Browser;
use crate::money::paid_job;
use crate::world::{Farm, eventually, pixel, read, refused, spec};
use reqwest::{Method, Response, StatusCode};
use std::time::Duration;
use tessera_farm_master::auth::TokenId;
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_film::Frame;
use tessera_protocol::job::{JobState, JobView};
use tessera_protocol::mosaic::TilesView;
use tessera_protocol::{FrameNumber, SampleRange, TileRect};

async fn tiles(browser: &Browser, job: &JobView, frame: u32) -> TilesView {
    let path = format!("/v1/jobs/{}/frames/{frame}/tiles", job.id);
    read(browser.get(&path).await, StatusCode::OK).await
}

async fn preview(browser: &Browser, job: &JobView, known: Option<&str>) -> Response {
    let path = format!("/v1/jobs/{}/frames/1/preview", job.id);
    let mut request = browser.bare(Method::GET, &path);
    if let Some(known) = known {
        request = request.header("if-none-match", known);
    }
    request.send().await.unwrap()
}

/// Leased, submitted and verified units of each tile.
fn counts(view: &TilesView) -> Vec<[u64; 3]> {
    view.tiles.iter().map(|tile| [tile.leased, tile.submitted, tile.verified]).collect()
}

struct Decoded {
    width: usize,
    rgba: Vec<u8>,
}

impl Decoded {
    async fn of(response: Response) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "image/png");
        let bytes = response.bytes().await.unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(&bytes)).read_info().unwrap();
        let mut rgba = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut rgba).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgba);
        Self { width: info.width as usize, rgba }
    }

    fn at(&self, x: u32, y: u32) -> [u8; 4] {
        let at = 4 * (y as usize * self.width + x as usize);
        self.rgba[at..at + 4].try_into().unwrap()
    }
}

/// What a display shows of a tile of frame 1 by these of its samples.
fn shown(rect: TileRect, samples: SampleRange) -> Vec<u8> {
    let at = (rect.y..rect.y + rect.height)
        .flat_map(|y| (rect.x..rect.x + rect.width).map(move |x| (x, y)));
    let sums = at.map(|(x, y)| pixel(FrameNumber(1), x, y, samples)).collect();
    let frame = Frame::new(rect.width, rect.height, samples.count(), sums).unwrap();
    frame.picture().to_srgb8()
}

#[tokio::test]
async fn tiles_count_what_moves_and_the_preview_shows_what_is_verified() {
    let mut farm = Farm::start_with(|config| config.audits_itself = false).await;
    let mut ada = Browser::sign_up(&farm, "ada").await;
    let scene = ada.upload(b"a scene").await.blob;
    let job: JobView = read(ada.post("/v1/jobs", &spec(scene)).await, StatusCode::CREATED).await;
    let view = tiles(&ada, &job, 1).await;
    assert_eq!((view.width, view.height, view.tile, view.ranges), (24, 16, 12, 2));
    let rects: Vec<_> = view.tiles.iter().map(|tile| tile.rect).collect();
    let rect = |x, y, width, height| TileRect { x, y, width, height };
    assert_eq!(
        rects,
        [rect(0, 0, 12, 12), rect(12, 0, 12, 12), rect(0, 12, 12, 4), rect(12, 12, 12, 4)]
    );
    assert_eq!(counts(&view), [[0; 3]; 4]);
    assert!(view.tiles.iter().all(|tile| tile.units == 2 && tile.nodes.is_empty()) && !view.done);

    let (mut one, two) = (farm.node(1).await, farm.node(2).await);
    let grant = one.lease(1).await;
    let held = two.lease(1).await;
    assert_eq!((grant.units.len(), held.units.len()), (1, 1));
    let view = tiles(&ada, &job, 1).await;
    assert_eq!(counts(&view), [[2, 0, 0], [0; 3], [0; 3], [0; 3]]);
    let mut both = [one.key.node(), two.key.node()];
    both.sort();
    assert_eq!(view.tiles[0].nodes, both);
    one.submit(&grant).await;
    two.give_back(held.lease, None).await;
    let view = tiles(&ada, &job, 1).await;
    assert_eq!(counts(&view), [[0, 1, 0], [0; 3], [0; 3], [0; 3]]);
    assert_eq!(view.tiles[0].nodes, [one.key.node()]);
    assert_eq!(refused(preview(&ada, &job, None).await).await, "frame-not-ready");

    farm.config.audits_itself = true;
    farm.restart().await;
    (ada, one) = (ada.at(&farm), {
        one.at(&farm);
        one
    });
    farm.audited(&job, 1).await;
    assert_eq!(counts(&tiles(&ada, &job, 1).await), [[0, 0, 1], [0; 3], [0; 3], [0; 3]]);
    let answer = preview(&ada, &job, None).await;
    assert_eq!(answer.headers()["cache-control"], "private, no-cache");
    let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let picture = Decoded::of(answer).await;
    let expected = shown(rect(0, 0, 12, 12), grant.units[0].samples);
    for y in 0..16 {
        for x in 0..24 {
            let at = 3 * (y * 12 + x) as usize;
            match x < 12 && y < 12 {
                true => assert_eq!(picture.at(x, y)[..3], expected[at..at + 3], "{x},{y}"),
                false => assert_eq!(picture.at(x, y), [0; 4], "{x},{y}"),
            }
        }
    }
    assert_eq!(preview(&ada, &job, Some(&tag)).await.status(), StatusCode::NOT_MODIFIED);

    // The rest of the tile, and some of the next.
    for _ in 0..2 {
        let grant = one.lease(1).await;
        one.submit(&grant).await;
    }
    farm.audited(&job, 3).await;
    let answer = preview(&ada, &job, Some(&tag)).await;
    assert_ne!(answer.headers()["etag"].to_str().unwrap(), tag);
    let picture = Decoded::of(answer).await;
    let whole = shown(rect(0, 0, 12, 12), SampleRange { start: 0, end: 4 });
    assert_eq!(picture.at(5, 7)[..3], whole[3 * (7 * 12 + 5)..][..3]);
    let there = |x, y| picture.at(x, y)[3] == 255;
    let corners = [(0, 0), (11, 11), (12, 0), (23, 11), (0, 12), (23, 15)];
    assert_eq!(corners.map(|(x, y)| there(x, y)), [true, true, true, true, false, false]);

    one.work_all(u64::MAX).await;
    farm.until(&job, JobState::Completed).await;
    let view = tiles(&ada, &job, 1).await;
    assert_eq!((counts(&view), view.done), (vec![[0, 0, 2]; 4], true));
    let path = format!("/v1/jobs/{}/frames/1/png", job.id);
    let png = ada.get(&path).await.bytes().await.unwrap();
    assert_eq!(preview(&ada, &job, None).await.bytes().await.unwrap(), png, "nobody pays for it");
}

#[tokio::test]
async fn at_any_moment_the_tiles_of_all_frames_add_up_to_the_job() {
    let farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let scene = ada.upload(b"a scene").await.blob;
    let job: JobView = read(ada.post("/v1/jobs", &spec(scene)).await, StatusCode::CREATED).await;
    let (node, idle) = (farm.node(1).await, farm.node(2).await);
    idle.lease(1).await;
    let mut verified = 0;
    while let Some(grant) = node.lease_now().await {
        node.submit(&grant).await;
        verified += grant.units.len() as u64;
        farm.audited(&job, verified).await;
        let (mut sum, mut all) = ([0; 3], 0);
        for frame in 1..=3 {
            for tile in tiles(&ada, &job, frame).await.tiles {
                sum = [sum[0] + tile.leased, sum[1] + tile.submitted, sum[2] + tile.verified];
                all += tile.units;
                assert!(tile.leased + tile.submitted + tile.verified <= tile.units);
            }
        }
        assert_eq!((sum, all), ([1, 0, verified], 24));
    }
    assert_eq!(verified, 23);
}

#[tokio::test]
async fn of_a_cancelled_job_what_was_verified_is_still_seen() {
    let farm = Farm::start_with(|config| config.keep_results = Duration::from_secs(3600)).await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let scene = ada.upload(b"a scene").await.blob;
    let job: JobView = read(ada.post("/v1/jobs", &spec(scene)).await, StatusCode::CREATED).await;
    let node = farm.node(1).await;
    let grant = node.lease(1).await;
    node.submit(&grant).await;
    node.lease(1).await;
    farm.audited(&job, 1).await;
    let cancelled = ada.post(&format!("/v1/jobs/{}/cancel", job.id), &()).await;
    assert_eq!(cancelled.status(), StatusCode::OK);
    let view = tiles(&ada, &job, 1).await;
    assert_eq!((counts(&view), view.done), (vec![[0, 0, 1], [0; 3], [0; 3], [0; 3]], false));
    assert_eq!(view.tiles[0].nodes, [node.key.node()]);
    assert_eq!(preview(&ada, &job, None).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn another_account_sees_neither_tiles_nor_preview() {
    let farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let scene = ada.upload(b"a scene").await.blob;
    let job: JobView = read(ada.post("/v1/jobs", &spec(scene)).await, StatusCode::CREATED).await;
    let node = farm.node(1).await;
    let grant = node.lease(1).await;
    node.submit(&grant).await;
    farm.audited(&job, 1).await;
    for part in ["tiles", "preview"] {
        let path = format!("/v1/jobs/{}/frames/1/{part}", job.id);
        assert_eq!(ada.get(&path).await.status(), StatusCode::OK);
        assert_eq!(farm.get(&path).await.status(), StatusCode::OK, "the operator");
        assert_eq!(refused(eve.get(&path).await).await, "job-not-found");
        for frame in [0, 4] {
            let path = format!("/v1/jobs/{}/frames/{frame}/{part}", job.id);
            assert_eq!(refused(ada.get(&path).await).await, "frame-not-found");
        }
    }
}

#[tokio::test]
async fn a_frame_of_too_many_tiles_is_not_listed() {
    let farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let scene = ada.upload(b"a scene").await.blob;
    let mut fine = spec(scene);
    (fine.settings.width, fine.settings.height, fine.tile) = (1032, 1024, 8);
    let job: JobView = read(ada.post("/v1/jobs", &fine).await, StatusCode::CREATED).await;
    let path = format!("/v1/jobs/{}/frames/1/tiles", job.id);
    assert_eq!(refused(ada.get(&path).await).await, "mosaic-too-fine");
    (fine.settings.width, fine.settings.height) = (1024, 1024);
    let job: JobView = read(ada.post("/v1/jobs", &fine).await, StatusCode::CREATED).await;
    eventually(async || (tiles(&ada, &job, 1).await.tiles.len() == 1 << 14).then_some(())).await;
}

#[tokio::test]
async fn who_pays_sees_lines_until_the_frame_is_approved() {
    let mut farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let mut large = spec(ada.upload(b"a scene").await.blob);
    (large.settings.width, large.settings.height, large.tile) = (100, 100, 100);
    farm.stop().await;
    let store = Sqlite::open(&farm.config.state.join("farm.sqlite")).unwrap();
    let job = paid_job(&store, TokenId(ada.view.account.id.0), large).await;
    drop(store);
    farm.begin().await;
    let ada = ada.at(&farm);
    let job: JobView = read(ada.get(&format!("/v1/jobs/{job}")).await, StatusCode::OK).await;
    let node = farm.node(1).await;
    let grant = node.lease(1).await;
    node.submit(&grant).await;
    farm.audited(&job, 1).await;
    let plain = shown(TileRect::frame(100, 100), grant.units[0].samples);
    let under_lines = |picture: &Decoded| {
        let shown = picture.rgba.chunks(4).zip(plain.chunks(3));
        shown.filter(|(shown, plain)| shown[..3] != plain[..]).count()
    };
    let marked = under_lines(&Decoded::of(preview(&ada, &job, None).await).await);
    assert!((500..2000).contains(&marked), "{marked} of 10,000 pixels");
    while farm.job(&job).await.frames_done == 0 {
        if let Some(grant) = node.lease_now().await {
            node.submit(&grant).await;
        }
    }
    let tag = |answer: &Response| answer.headers()["etag"].to_str().unwrap().to_owned();
    let waits = preview(&ada, &job, None).await;
    let before = tag(&waits);
    let waits = waits.bytes().await.unwrap();
    let approve = ada.post(&format!("/v1/jobs/{}/frames/1/approve", job.id), &()).await;
    assert_eq!(approve.status(), StatusCode::OK);
    let approved = preview(&ada, &job, None).await;
    assert_ne!(tag(&approved), before);
    assert_ne!(approved.bytes().await.unwrap(), waits);
    let png = ada.get(&format!("/v1/jobs/{}/frames/1/png", job.id)).await.bytes().await.unwrap();
    assert_eq!(preview(&ada, &job, None).await.bytes().await.unwrap(), png);
}
