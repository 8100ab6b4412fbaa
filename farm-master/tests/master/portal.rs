//! The portal's files.

use crate::world::{Farm, refused};
use reqwest::{Response, StatusCode};

async fn get(farm: &Farm, path: &str) -> Response {
    farm.http.get(farm.at(path)).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

#[tokio::test]
async fn every_path_of_people_answers_the_page_and_only_its_own_scripts_run() {
    let farm = Farm::start().await;
    let mut pages = Vec::new();
    for path in
        ["/", "/jobs", "/jobs/1234/frames", "/v1x", "/nodes", "/operate/queue", "/index.html"]
    {
        let answer = get(&farm, path).await;
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&answer, "content-type"), "text/html", "{path}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
        assert_eq!(header(&answer, "cache-control"), "no-cache");
        let policy = header(&answer, "content-security-policy");
        for part in ["default-src 'self';", "frame-ancestors 'none';", "base-uri 'none'"] {
            assert!(policy.contains(part), "{policy}");
        }
        let scripts = policy.split("; ").find(|part| part.starts_with("script-src")).unwrap();
        assert_eq!(scripts, "script-src 'self' 'wasm-unsafe-eval'");
        pages.push(answer.text().await.unwrap());
    }
    assert!(pages.iter().all(|page| page == &pages[0] && page.contains("<!doctype html>")));
}

#[tokio::test]
async fn assets_are_kept_for_good_and_what_is_no_asset_is_no_page() {
    let farm = Farm::start().await;
    let page = get(&farm, "/").await;
    let tag = header(&page, "etag").to_owned();
    let page = page.text().await.unwrap();
    let known = farm.http.get(farm.at("/")).header("if-none-match", tag).send().await.unwrap();
    assert_eq!(known.status(), StatusCode::NOT_MODIFIED);
    let mut assets = 0;
    for (end, kind) in [(".js", "text/javascript"), (".css", "text/css")] {
        let named =
            page.split('"').filter(|part| part.starts_with("/assets/") && part.ends_with(end));
        for path in named {
            let answer = get(&farm, path).await;
            assert_eq!(answer.status(), StatusCode::OK, "{path}");
            assert_eq!(header(&answer, "content-type"), kind);
            assert_eq!(header(&answer, "cache-control"), "public, max-age=31536000, immutable");
            assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
            assets += 1;
        }
    }
    assert!(assets >= 2, "{page}");
    assert_eq!(refused(get(&farm, "/assets/none.js").await).await, "route-not-found");
}

#[tokio::test]
async fn what_the_interface_does_not_have_is_refused_as_ever() {
    let farm = Farm::start().await;
    for path in [
        "/v1",
        "/v1/none",
        "/node/v1/none",
        "/auditor/v1/none",
        "/gateway/v1/none",
        "/metrics/none",
    ] {
        assert_eq!(refused(get(&farm, path).await).await, "route-not-found", "{path}");
    }
    let posted = farm.http.post(farm.at("/jobs")).send().await.unwrap();
    assert_eq!(refused(posted).await, "route-not-found");
    let method = farm.http.delete(farm.at("/v1/jobs")).send().await.unwrap();
    assert_eq!(refused(method).await, "method-not-allowed");
    // Whatever somebody uploaded is never taken for a page of the portal.
    for path in ["/v1/jobs", "/healthz", "/openapi.json"] {
        assert_eq!(header(&farm.get(path).await, "x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn the_first_load_is_packed_and_small() {
    let farm = Farm::start().await;
    let packed = async |path: &str| {
        let request = farm.http.get(farm.at(path)).header("accept-encoding", "gzip");
        let answer = request.send().await.unwrap();
        assert_eq!(header(&answer, "content-encoding"), "gzip", "{path}");
        assert_eq!(header(&answer, "vary"), "accept-encoding");
        answer.bytes().await.unwrap()
    };
    let plain = get(&farm, "/").await;
    assert!(!plain.headers().contains_key("content-encoding"), "it was not asked for");
    let page = plain.text().await.unwrap();
    let mut unpacked = String::new();
    let mut all = packed("/").await;
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&all[..]), &mut unpacked)
        .unwrap();
    assert_eq!(unpacked, page);
    let mut bytes = all.len();
    for path in page.split('"').filter(|part| part.starts_with("/assets/")) {
        all = packed(path).await;
        bytes += all.len();
    }
    println!("the first load takes {bytes} bytes");
    assert!((50_000..=200_000).contains(&bytes), "{bytes}");
}
