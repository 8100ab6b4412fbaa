//! People sign up, in and out.

use crate::browser::{Browser, PASSWORD, cookie_of, post};
use crate::store;
use crate::world::{Farm, read, refused, spec};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tessera_farm_master::auth::TokenId;
use tessera_farm_master::store::accounts::{Account, AccountStore as _, SignedIn, Who};
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_protocol::account::{AccountSession, Role, WalletChallengeView};
use tessera_protocol::commit::NodeKey;
use tessera_protocol::job::{JobPage, JobView};
use tessera_protocol::token::{TokenScope, TokenView};

const PEOPLE: [Role; 3] = [Role::Artist, Role::Broadcaster, Role::NodeOwner];

#[tokio::test]
async fn an_account_is_made_signed_out_of_and_signed_in_to_again() {
    let mut farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    assert_eq!(ada.view.account.name.as_deref(), Some("ada"));
    assert_eq!((ada.view.account.wallet.clone(), &ada.view.roles[..]), (None, &PEOPLE[..]));
    let seen: AccountSession = read(ada.get("/v1/session").await, StatusCode::OK).await;
    assert_eq!(seen, ada.view);

    let again =
        Browser::sign_in(&farm, json!({ "by": "password", "name": "ada", "password": PASSWORD }))
            .await;
    assert_eq!(again.view.account, ada.view.account);
    assert_ne!((&again.cookie, &again.view.csrf), (&ada.cookie, &ada.view.csrf));

    let out = ada.delete("/v1/session").await;
    assert_eq!(out.status(), StatusCode::NO_CONTENT);
    let cleared = cookie_of(&out);
    assert!(cleared.starts_with("tessera_session=;") && cleared.contains("Max-Age=0"), "{cleared}");
    assert_eq!(refused(ada.get("/v1/session").await).await, "token-unknown");
    assert_eq!(again.get("/v1/session").await.status(), StatusCode::OK, "only the one is over");

    // What was acknowledged is durable.
    farm.restart().await;
    let cookie = again.cookie.clone();
    let request = farm.http.get(farm.at("/v1/session")).header("cookie", cookie);
    let seen: AccountSession = read(request.send().await.unwrap(), StatusCode::OK).await;
    assert_eq!(seen, again.view);
}

#[tokio::test]
async fn names_are_one_account_s_and_what_cannot_be_one_is_refused() {
    let farm = Farm::start().await;
    Browser::sign_up(&farm, "ada").await;
    for (name, password, code) in [
        ("ada", "another password", "name-taken"),
        ("Ada", "another password", "account-refused"),
        ("ad", "another password", "account-refused"),
        ("eve", "too short", "account-refused"),
    ] {
        let body = json!({ "name": name, "password": password });
        assert_eq!(refused(post(&farm, "/v1/accounts", &body).await).await, code, "{name}");
    }
    let form = farm.http.post(farm.at("/v1/accounts")).header("content-type", "text/plain");
    let form = form.body(json!({ "name": "eve", "password": PASSWORD }).to_string());
    assert_eq!(refused(form.send().await.unwrap()).await, "request-malformed", "a form of a page");
}

#[tokio::test]
async fn where_sign_up_is_closed_nobody_makes_an_account() {
    let farm = Farm::start_with(|config| config.sign_up = false).await;
    let body = json!({ "name": "ada", "password": PASSWORD });
    let answer = post(&farm, "/v1/accounts", &body).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert_eq!(refused(answer).await, "sign-up-closed");
    let signed = wallet(&farm, &NodeKey::from_secret(&[1; 32]), |_| {}).await;
    assert_eq!(refused(post(&farm, "/v1/session", &signed).await).await, "sign-up-closed");
    Browser::sign_in(&farm, json!({ "by": "token", "token": farm.token })).await;
}

#[tokio::test]
async fn a_wrong_password_and_a_wrong_name_are_told_apart_by_nobody() {
    let farm = Farm::start().await;
    Browser::sign_up(&farm, "ada").await;
    let mut answers = Vec::new();
    for body in [
        json!({ "by": "password", "name": "ada", "password": "another password" }),
        json!({ "by": "password", "name": "eve", "password": "another password" }),
        json!({ "by": "token", "token": "artist-0" }),
        json!({ "by": "wallet", "address": "x", "challenge": "y", "signature": "z" }),
    ] {
        let begun = Instant::now();
        let answer = post(&farm, "/v1/session", &body).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(cookie_of(&answer), "");
        answers.push((answer.text().await.unwrap(), begun.elapsed()));
    }
    assert!(answers.iter().all(|(text, _)| *text == answers[0].0), "{answers:?}");
    // Both were hashed: an answer without that takes a hundredth of the time.
    assert!(answers[1].1 * 5 > answers[0].1, "{answers:?}");
    assert!(answers[0].0.contains("sign-in-refused"));
}

#[tokio::test]
async fn who_guesses_too_often_waits_and_who_knows_does_not() {
    let farm = Farm::start().await;
    Browser::sign_up(&farm, "ada").await;
    let try_it = async |name: &str, password: &str| {
        let body = json!({ "by": "password", "name": name, "password": password });
        post(&farm, "/v1/session", &body).await
    };
    for _ in 0..30 {
        assert_eq!(try_it("ada", PASSWORD).await.status(), StatusCode::OK);
    }
    // The same for a name that nobody has: nothing is told by it.
    for name in ["ada", "eve"] {
        for _ in 0..10 {
            assert_eq!(try_it(name, "another password").await.status(), StatusCode::UNAUTHORIZED);
        }
        let answer = try_it(name, PASSWORD).await;
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert_eq!(refused(answer).await, "too-many-tries");
    }
    // By address: 22 tries were in vain until here, those that were refused among them.
    let by_token = json!({ "by": "token", "token": "artist-0" });
    let mut tries = 0;
    while post(&farm, "/v1/session", &by_token).await.status() == StatusCode::UNAUTHORIZED {
        tries += 1;
    }
    assert!((1..=20).contains(&tries), "{tries}");
    let right = json!({ "by": "token", "token": farm.token });
    assert_eq!(refused(post(&farm, "/v1/session", &right).await).await, "too-many-tries");
}

#[tokio::test]
async fn behind_a_proxy_people_are_told_apart_by_what_it_says_last() {
    let farm = Farm::start_with(|config| config.behind_tls_proxy = true).await;
    let try_it = async |from: &str| {
        let request = farm.http.post(farm.at("/v1/session")).header("x-forwarded-for", from);
        request.json(&json!({ "by": "token", "token": "artist-0" })).send().await.unwrap().status()
    };
    for n in 0..30 {
        let from = format!("203.0.113.{n}, 192.0.2.1");
        assert_eq!(try_it(&from).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(try_it("198.51.100.1, 192.0.2.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(try_it("192.0.2.1, 192.0.2.2").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn no_more_accounts_come_from_one_address_than_people() {
    let farm = Farm::start().await;
    for n in 0..20 {
        let body = json!({ "name": format!("a{n}"), "password": "short" });
        let answer = post(&farm, "/v1/accounts", &body).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    let body = json!({ "name": "ada", "password": PASSWORD });
    assert_eq!(refused(post(&farm, "/v1/accounts", &body).await).await, "too-many-tries");
}

#[tokio::test]
async fn the_cookie_is_kept_from_scripts_other_sites_and_plain_lines() {
    let body = json!({ "name": "ada", "password": PASSWORD });
    for secure in [false, true] {
        let farm = Farm::start_with(|config| config.behind_tls_proxy = secure).await;
        let answer = post(&farm, "/v1/accounts", &body).await;
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let line = cookie_of(&answer);
        let mut parts = line.split("; ");
        let name = if secure { "__Host-tessera_session=" } else { "tessera_session=" };
        let value = parts.next().unwrap().strip_prefix(name).expect("its name");
        assert_eq!(value.len(), 64);
        let parts: Vec<&str> = parts.collect();
        for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"] {
            assert!(parts.contains(&part), "{line}");
        }
        assert_eq!(parts.contains(&"Secure"), secure, "{line}");
        let database = std::fs::read(farm.config.state.join("farm.sqlite-wal")).unwrap();
        let secret = line.split([';', '=']).nth(1).unwrap();
        let raw = hex::decode(secret).unwrap();
        for hidden in [secret.as_bytes(), &raw, PASSWORD.as_bytes()] {
            assert!(!database.windows(hidden.len()).any(|bytes| bytes == hidden), "stored hashed");
        }
    }
}

#[tokio::test]
async fn a_request_by_cookie_that_changes_something_has_to_be_meant() {
    let farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let key = json!({ "name": "k", "scope": "artist" });
    for csrf in [None, Some(""), Some(&eve.view.csrf[..]), Some(&ada.view.csrf[..62])] {
        for (method, path) in [
            (Method::POST, "/v1/keys"),
            (Method::POST, "/v1/jobs"),
            (Method::POST, "/v1/uploads"),
            (Method::DELETE, "/v1/session"),
        ] {
            let mut request = ada.bare(method, path).json(&key);
            if let Some(csrf) = csrf {
                request = request.header("x-tessera-csrf", csrf);
            }
            assert_eq!(refused(request.send().await.unwrap()).await, "csrf-missing", "{path}");
        }
    }
    assert_eq!(ada.bare(Method::HEAD, "/v1/jobs").send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(ada.post("/v1/keys", &key).await.status(), StatusCode::CREATED);
    // A token is sent by programs only.
    let scene = farm.upload(b"a scene").await.blob;
    assert_eq!(farm.post("/v1/jobs", &spec(scene)).await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn an_account_sees_its_own_jobs_and_no_other_s() {
    let farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let scene = ada.upload(b"a scene").await.blob;
    let job: JobView = read(ada.post("/v1/jobs", &spec(scene)).await, StatusCode::CREATED).await;
    for (who, seen) in [(&ada, 1), (&eve, 0)] {
        let page: JobPage = read(who.get("/v1/jobs").await, StatusCode::OK).await;
        assert_eq!(page.data.len(), seen);
    }
    let path = format!("/v1/jobs/{}", job.id);
    assert_eq!(ada.get(&path).await.status(), StatusCode::OK);
    assert_eq!(refused(eve.get(&path).await).await, "job-not-found");
    assert_eq!(refused(eve.post(&format!("{path}/cancel"), &()).await).await, "job-not-found");
    // An account is neither operator, nor node, nor gateway.
    for path in ["/v1/ledger", "/v1/payouts", "/v1/workers", "/metrics", "/node/v1/earnings"] {
        assert_eq!(refused(ada.get(path).await).await, "scope-too-small", "{path}");
    }
    let token = json!({ "scope": "artist" });
    assert_eq!(refused(ada.post("/v1/tokens", &token).await).await, "scope-too-small");
}

async fn wallet(farm: &Farm, key: &NodeKey, change: impl FnOnce(&mut Value)) -> Value {
    let address = solana_address::Address::new_from_array(key.node().0).to_string();
    let asked = json!({ "address": address });
    let given = post(farm, "/v1/session/challenge", &asked).await;
    let given: WalletChallengeView = read(given, StatusCode::OK).await;
    let signature = key.sign(given.challenge.as_bytes()).0;
    let signature = solana_signature::Signature::from(signature).to_string();
    let mut body = json!({
        "by": "wallet", "address": address, "challenge": given.challenge, "signature": signature,
    });
    change(&mut body);
    body
}

#[tokio::test]
async fn a_wallet_signs_in_by_a_text_that_is_good_once() {
    let farm = Farm::start().await;
    let (key, other) = (NodeKey::from_secret(&[1; 32]), NodeKey::from_secret(&[2; 32]));
    let body = wallet(&farm, &key, |_| {}).await;
    let text = body["challenge"].as_str().unwrap();
    let master: Value = read(farm.get("/v1/farm").await, StatusCode::OK).await;
    for word in [&body["address"], &master["master"]] {
        assert!(text.contains(word.as_str().unwrap()), "{text}");
    }
    let first = Browser::sign_in(&farm, body.clone()).await;
    assert_eq!(first.view.account.wallet.as_deref(), body["address"].as_str());
    assert_eq!((first.view.account.name.clone(), &first.view.roles[..]), (None, &PEOPLE[..]));
    let replayed = post(&farm, "/v1/session", &body).await;
    assert_eq!(refused(replayed).await, "sign-in-refused");

    let again = Browser::sign_in(&farm, wallet(&farm, &key, |_| {}).await).await;
    assert_eq!(again.view.account, first.view.account, "one account");
    let another = Browser::sign_in(&farm, wallet(&farm, &other, |_| {}).await).await;
    assert_ne!(another.view.account.id, first.view.account.id);

    let foreign = wallet(&farm, &other, |_| {}).await;
    for (field, value) in [
        ("signature", foreign["signature"].clone()),
        ("address", foreign["address"].clone()),
        ("challenge", json!("Sign in to a Tessera farm.")),
    ] {
        let spoiled = wallet(&farm, &key, |body| body[field] = value.clone()).await;
        let answer = post(&farm, "/v1/session", &spoiled).await;
        assert_eq!(refused(answer).await, "sign-in-refused", "{field}");
    }
    let asked = json!({ "address": "not base 58: 0OIl" });
    let answer = post(&farm, "/v1/session/challenge", &asked).await;
    assert_eq!(refused(answer).await, "request-malformed");
}

#[tokio::test]
async fn a_session_by_token_may_what_the_token_may() {
    let farm = Farm::start().await;
    let operator = Browser::sign_in(&farm, json!({ "by": "token", "token": farm.token })).await;
    assert_eq!(operator.view.roles, [&PEOPLE[..], &[Role::Operator]].concat());
    assert_eq!(operator.get("/v1/ledger").await.status(), StatusCode::OK);
    assert_eq!(refused(operator.get("/v1/keys").await).await, "scope-too-small");

    let request = json!({ "scope": TokenScope::Artist });
    let artist: TokenView =
        read(farm.post("/v1/tokens", &request).await, StatusCode::CREATED).await;
    let scene = farm.upload_as(&artist.token, b"a scene").await.blob;
    let submit = farm.http.post(farm.at("/v1/jobs")).bearer_auth(&artist.token).json(&spec(scene));
    read::<JobView>(submit.send().await.unwrap(), StatusCode::CREATED).await;
    let browser = Browser::sign_in(&farm, json!({ "by": "token", "token": artist.token })).await;
    assert_eq!(browser.view.roles, [Role::Artist]);
    let page: JobPage = read(browser.get("/v1/jobs").await, StatusCode::OK).await;
    assert_eq!(page.data.len(), 1, "its own");
    assert_eq!(refused(browser.get("/v1/streams").await).await, "scope-too-small");

    // By the token itself the same is seen, and nothing has to come beside it.
    let bare = farm.http.get(farm.at("/v1/session")).bearer_auth(&artist.token);
    let view: AccountSession = read(bare.send().await.unwrap(), StatusCode::OK).await;
    assert_eq!((view.account, view.csrf), (browser.view.account.clone(), String::new()));
    let out = farm.http.delete(farm.at("/v1/session")).bearer_auth(&artist.token);
    assert_eq!(refused(out.send().await.unwrap()).await, "scope-too-small");

    let node = farm.node(1).await;
    let machine = json!({ "by": "token", "token": node.token });
    assert_eq!(refused(post(&farm, "/v1/session", &machine).await).await, "sign-in-refused");
    let bare = farm.http.get(farm.at("/v1/session")).bearer_auth(&node.token);
    assert_eq!(refused(bare.send().await.unwrap()).await, "scope-too-small");
}

#[tokio::test]
async fn sessions_end_after_their_time_and_the_oldest_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let store = store::open(&folder);
    let (ada, eve) = (TokenId([1; 8]), TokenId([2; 8]));
    let account = |id, name: &str| Account {
        id,
        name: Some(name.into()),
        password: Some("hash".into()),
        wallet: None,
    };
    assert!(store.add_account(account(ada, "ada"), 1).await.unwrap());
    assert!(!store.add_account(account(eve, "ada"), 1).await.unwrap(), "a name is one account's");
    let day = Duration::from_secs(24 * 3600).as_millis() as i64;
    let new = |n: u8, who, at_ms| SignedIn {
        hash: [n; 32],
        who,
        renewed_ms: at_ms,
        ends_ms: at_ms + 30 * day,
    };
    for n in 1..=4 {
        store.add_sign_in(new(n, Who::Account(ada), n.into()), 3).await.unwrap();
    }
    store.add_sign_in(new(5, Who::Token(ada), 5), 3).await.unwrap();
    let mut found = Vec::new();
    for n in 1..=5 {
        found.push(store.sign_in([n; 32], 5).await.unwrap().map(|found| found.hash[0]));
    }
    assert_eq!(found, [None, Some(2), Some(3), Some(4), Some(5)]);
    assert!(store.sign_in([2; 32], 30 * day + 1).await.unwrap().is_some());
    assert!(store.sign_in([2; 32], 30 * day + 2).await.unwrap().is_none(), "over");
    let renewed = SignedIn { renewed_ms: day, ends_ms: 31 * day, ..new(2, Who::Account(ada), 2) };
    store.renew_sign_in(renewed).await.unwrap();
    assert_eq!(store.sign_in([2; 32], 30 * day + 2).await.unwrap(), Some(renewed));
    store.end_sign_in([2; 32]).await.unwrap();
    store.renew_sign_in(renewed).await.unwrap();
    assert!(store.sign_in([2; 32], day).await.unwrap().is_none(), "what is gone stays gone");
}

#[tokio::test]
async fn a_session_that_is_used_is_renewed_once_a_day() {
    let mut farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    assert_eq!(cookie_of(&ada.get("/v1/session").await), "", "it is new");
    farm.stop().await;
    let hash = {
        let secret = hex::decode(ada.cookie.split('=').nth(1).unwrap()).unwrap();
        *blake3::hash(&secret).as_bytes()
    };
    let path = farm.config.state.join("farm.sqlite");
    let store = Sqlite::open(&path).unwrap();
    let known = store.sign_in(hash, 0).await.unwrap().unwrap();
    let day = 24 * 3600 * 1000;
    let old = SignedIn {
        renewed_ms: known.renewed_ms - 2 * day,
        ends_ms: known.ends_ms - 2 * day,
        ..known
    };
    store.renew_sign_in(old).await.unwrap();
    drop(store);
    farm.begin().await;
    let ada = ada.at(&farm);
    let again = cookie_of(&ada.get("/v1/jobs").await);
    assert!(again.starts_with(&format!("{}; HttpOnly", ada.cookie)), "{again}");
    assert!(again.contains("Max-Age=2592000"), "{again}");
    assert_eq!(cookie_of(&ada.get("/v1/jobs").await), "", "once a day");
    farm.stop().await;
    let store = Sqlite::open(&path).unwrap();
    let renewed = store.sign_in(hash, 0).await.unwrap().unwrap();
    assert!(renewed.ends_ms >= known.ends_ms && renewed.renewed_ms >= known.renewed_ms);
    farm.begin().await;
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it_and_signs_the_others_out() {
    let farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let by = |password: &str| json!({ "by": "password", "name": "ada", "password": password });
    let elsewhere = Browser::sign_in(&farm, by(PASSWORD)).await;
    let key = ada.key("artist").await;
    let change = async |who: &Browser, current: &str, new: &str| {
        who.post("/v1/account/password", &json!({ "current": current, "new": new })).await
    };
    assert_eq!(
        refused(change(&ada, "a wrong password", "another password").await).await,
        "password-refused"
    );
    assert_eq!(refused(change(&ada, PASSWORD, "short").await).await, "account-refused");
    let by_key = farm.http.post(farm.at("/v1/account/password")).bearer_auth(&key.key);
    let by_key = by_key.json(&json!({ "current": PASSWORD, "new": "another password" }));
    assert_eq!(refused(by_key.send().await.unwrap()).await, "scope-too-small");
    assert_eq!(elsewhere.get("/v1/jobs").await.status(), StatusCode::OK, "nothing was changed");

    let changed = change(&ada, PASSWORD, "another password").await;
    assert_eq!(changed.status(), StatusCode::NO_CONTENT);
    assert_eq!(ada.get("/v1/jobs").await.status(), StatusCode::OK);
    assert_eq!(refused(elsewhere.get("/v1/jobs").await).await, "token-unknown");
    let jobs = farm.http.get(farm.at("/v1/jobs")).bearer_auth(&key.key).send().await.unwrap();
    assert_eq!(jobs.status(), StatusCode::OK, "keys stay");
    assert_eq!(refused(post(&farm, "/v1/session", &by(PASSWORD)).await).await, "sign-in-refused");
    let elsewhere = Browser::sign_in(&farm, by("another password")).await;
    let others = ada.delete("/v1/session/others").await;
    assert_eq!(others.status(), StatusCode::NO_CONTENT);
    assert_eq!(refused(elsewhere.get("/v1/jobs").await).await, "token-unknown");
    assert_eq!(ada.get("/v1/jobs").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn who_guesses_at_the_present_password_waits() {
    let farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    let wrong = json!({ "current": "a wrong password", "new": "another password" });
    let mut codes = Vec::new();
    for _ in 0..30 {
        codes.push(refused(ada.post("/v1/account/password", &wrong).await).await);
    }
    assert_eq!(codes[0], "password-refused");
    assert_eq!(codes[29], "too-many-tries");
}
