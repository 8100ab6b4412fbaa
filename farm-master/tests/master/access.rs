//! Who may do what.

use crate::world::{Farm, read, refused, spec};
use reqwest::{Method, StatusCode};
use tessera_protocol::job::{JobPage, JobView};
use tessera_protocol::token::{TokenScope, TokenView};

/// What anybody may ask, and what an empty request of it is answered.
const OPEN: [(&str, &str, StatusCode); 10] = [
    ("get", "/healthz", StatusCode::OK),
    ("get", "/openapi.json", StatusCode::OK),
    ("get", "/v1/farm", StatusCode::OK),
    ("options", "/v1/tus", StatusCode::NO_CONTENT),
    ("get", "/install.sh", StatusCode::NOT_FOUND),
    ("get", "/downloads/render-node", StatusCode::NOT_FOUND),
    ("get", "/downloads/render-node.sig", StatusCode::NOT_FOUND),
    ("post", "/v1/accounts", StatusCode::BAD_REQUEST),
    ("post", "/v1/session", StatusCode::BAD_REQUEST),
    ("post", "/v1/session/challenge", StatusCode::BAD_REQUEST),
];

#[tokio::test]
async fn no_route_answers_without_a_token_that_it_knows() {
    let farm = Farm::start().await;
    let document: serde_json::Value =
        read(farm.http.get(farm.at("/openapi.json")).send().await.unwrap(), StatusCode::OK).await;
    let mut asked = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for word in item.as_object().unwrap().keys() {
            let method: Method = word.to_uppercase().parse().unwrap();
            let concrete = path
                .replace("{job}", &"0".repeat(32))
                .replace("{lease}", &"0".repeat(32))
                .replace("{stream}", &"0".repeat(32))
                .replace("{session}", &"0".repeat(32))
                .replace("{webhook}", &"0".repeat(32))
                .replace("{delivery}", &"0".repeat(32))
                .replace("{audit}", &"0".repeat(32))
                .replace("{blob}", &"0".repeat(64))
                .replace("{quote}", &"0".repeat(64))
                .replace("{upload}", &"0".repeat(32))
                .replace("{key}", &"0".repeat(16))
                .replace("{node}", &"0".repeat(64))
                .replace("{frame}", "0");
            assert!(!concrete.contains('{'), "{concrete}");
            let request = || farm.http.request(method.clone(), farm.at(&concrete));
            let bare = request().send().await.unwrap();
            let open = OPEN.iter().find(|(open, at, _)| open == word && at == path);
            if let Some((_, _, status)) = open {
                assert_eq!(bare.status(), *status, "{path}");
                continue;
            }
            assert_eq!(bare.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(bare.headers()["www-authenticate"], "Bearer");
            // An answer to HEAD has no body.
            if method != Method::HEAD {
                assert_eq!(refused(bare).await, "token-missing");
            }
            let mut wrong = farm.token.clone();
            wrong.replace_range(wrong.len() - 1.., if wrong.ends_with('0') { "1" } else { "0" });
            for token in ["", "x", &wrong] {
                let answer = request().bearer_auth(token).send().await.unwrap();
                assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "{method} {path}");
            }
            asked += 1;
        }
    }
    assert!(asked > 40, "only {asked} routes are described");
}

async fn token(farm: &Farm, scope: TokenScope) -> String {
    let request = serde_json::json!({ "scope": scope });
    read::<TokenView>(farm.post("/v1/tokens", &request).await, StatusCode::CREATED).await.token
}

const NODE: &str = "/v1/nodes/0000000000000000000000000000000000000000000000000000000000000000";
const PAUSE: &str =
    "/v1/nodes/0000000000000000000000000000000000000000000000000000000000000000/pause";
const TILES: &str = "/v1/jobs/00000000000000000000000000000000/frames/1/tiles";
const PREVIEW: &str = "/v1/jobs/00000000000000000000000000000000/frames/1/preview";

#[tokio::test]
async fn each_scope_opens_its_own_routes_only() {
    let farm = Farm::start().await;
    let artist = token(&farm, TokenScope::Artist).await;
    let enrol = token(&farm, TokenScope::Enrol).await;
    let node = farm.node(1).await.token;
    let broadcaster = token(&farm, TokenScope::Broadcaster).await;
    let gateway = farm.gateway_token(1).await;
    let status = async |token: &str, method: &str, path: &str| {
        let method: Method = method.parse().unwrap();
        let request = farm.http.request(method, farm.at(path)).bearer_auth(token);
        request.send().await.unwrap().status()
    };
    let forbidden = StatusCode::FORBIDDEN;
    for (path, method, opens) in [
        ("/v1/jobs", "GET", [true, true, false, false, false, false]),
        ("/v1/streams", "GET", [true, false, false, false, true, false]),
        ("/v1/streams", "POST", [true, false, false, false, true, false]),
        ("/v1/webhooks", "GET", [true, true, false, false, true, false]),
        ("/v1/nodes", "GET", [true, false, true, false, false, false]),
        (NODE, "GET", [true, false, true, false, false, false]),
        (PAUSE, "POST", [true, false, true, false, false, false]),
        (TILES, "GET", [true, true, false, false, false, false]),
        (PREVIEW, "GET", [true, true, false, false, false, false]),
        ("/v1/session", "GET", [true, true, true, false, true, false]),
        ("/v1/session", "DELETE", [false; 6]),
        ("/v1/keys", "GET", [false; 6]),
        ("/v1/keys", "POST", [false; 6]),
        ("/v1/keys/0000000000000000", "DELETE", [false; 6]),
        ("/v1/quotes", "POST", [true, true, false, false, false, false]),
        ("/v1/ledger", "GET", [true, false, false, false, false, false]),
        ("/v1/payouts", "GET", [true, false, false, false, false, false]),
        ("/node/v1/earnings", "GET", [false, false, false, true, false, false]),
        ("/node/v1/why", "GET", [false, false, false, true, false, false]),
        ("/node/v1/worker/why", "GET", [false, false, false, true, false, false]),
        ("/v1/workers", "GET", [true, false, false, false, false, false]),
        ("/v1/gateways", "GET", [true, false, false, false, false, false]),
        ("/v1/tokens", "POST", [true, false, false, false, false, false]),
        ("/metrics", "GET", [true, false, false, false, false, false]),
        ("/node/v1/challenge", "POST", [true, false, true, false, false, false]),
        ("/node/v1/worker/join", "POST", [true, false, true, false, false, false]),
        ("/gateway/v1/join", "POST", [true, false, true, false, false, false]),
        ("/node/v1/lease", "POST", [false, false, false, true, false, false]),
        ("/node/v1/stream-leases", "POST", [false, false, false, true, false, false]),
        ("/node/v1/stream-leases/receipts", "POST", [false, false, false, true, false, false]),
        ("/gateway/v1/sessions", "POST", [false, false, false, false, false, true]),
    ] {
        let tokens = [&farm.token, &artist, &enrol, &node, &broadcaster, &gateway];
        for (token, opens) in tokens.into_iter().zip(opens) {
            let found = status(token, method, path).await;
            assert_eq!(found != forbidden, opens, "{path}: {found} with {token}");
        }
    }
    for scope in ["node", "gateway"] {
        let joins = serde_json::json!({ "scope": scope });
        assert_eq!(refused(farm.post("/v1/tokens", &joins).await).await, "request-malformed");
    }
}

#[tokio::test]
async fn artists_see_their_own_jobs_and_the_operator_all() {
    let farm = Farm::start().await;
    let (mine, theirs) =
        (token(&farm, TokenScope::Artist).await, token(&farm, TokenScope::Artist).await);
    let scene = farm.upload_as(&mine, b"a scene").await.blob;
    let submit = farm.http.post(farm.at("/v1/jobs")).bearer_auth(&mine).json(&spec(scene));
    let job: JobView = read(submit.send().await.unwrap(), StatusCode::CREATED).await;
    let get = async |token: &str, path: &str| {
        farm.http.get(farm.at(path)).bearer_auth(token).send().await.unwrap()
    };
    let path = format!("/v1/jobs/{}", job.id);
    assert_eq!(get(&mine, &path).await.status(), StatusCode::OK);
    assert_eq!(get(&farm.token, &path).await.status(), StatusCode::OK);
    let parts = ["", "/why", "/log", "/frames/1/png"];
    for path in parts.map(|part| format!("{path}{part}")) {
        assert_eq!(refused(get(&theirs, &path).await).await, "job-not-found", "{path}");
    }
    let cancel = farm.http.post(farm.at(&format!("{path}/cancel"))).bearer_auth(&theirs);
    assert_eq!(refused(cancel.send().await.unwrap()).await, "job-not-found");
    for (token, jobs) in [(&mine, 1), (&theirs, 0), (&farm.token, 1)] {
        let page: JobPage = read(get(token, "/v1/jobs").await, StatusCode::OK).await;
        assert_eq!(page.data.len(), jobs);
    }
}

#[tokio::test]
async fn joining_again_ends_the_old_token_and_keeps_the_leases() {
    let farm = Farm::start().await;
    farm.submit(|_| {}).await;
    let before = farm.node(1).await;
    let grant = before.lease(1).await;
    let after = farm.node(1).await;
    assert_eq!(refused(before.ask(&crate::world::request(1, 0)).await).await, "token-unknown");
    assert!(after.is_alive(grant.lease).await);
    assert_eq!(after.submit(&grant).await.accepted, 1);
}

#[cfg(unix)]
#[tokio::test]
async fn the_operators_token_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let farm = Farm::start().await;
    let file = farm.config.state.join(tessera_farm_master::TOKEN_FILE);
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    let database = std::fs::read(farm.config.state.join("farm.sqlite-wal")).unwrap();
    let stored = database.windows(farm.token.len()).any(|bytes| bytes == farm.token.as_bytes());
    assert!(!stored, "only its hash is stored");
}
