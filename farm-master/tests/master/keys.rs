//! Keys that act for an account.

use crate::browser::{Browser, post};
use crate::world::{Farm, eventually, read, refused, spec};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tessera_protocol::account::{AccountSession, KeyPage, Role};
use tessera_protocol::job::{JobPage, JobView};
use tessera_protocol::stream::Ladder;
use tessera_protocol::stream::view::{StreamKeyView, StreamPage};

#[tokio::test]
async fn what_a_key_makes_is_the_account_s_until_the_key_is_deleted() {
    let farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let key = ada.key("artist").await;
    assert!(key.key.starts_with("artist-"));
    let scene = ada.upload(b"a scene").await.blob;
    let submit = || farm.http.post(farm.at("/v1/jobs")).bearer_auth(&key.key).json(&spec(scene));
    let job: JobView = read(submit().send().await.unwrap(), StatusCode::CREATED).await;
    let path = format!("/v1/jobs/{}", job.id);
    assert_eq!(ada.get(&path).await.status(), StatusCode::OK, "the browser sees the program's job");
    assert_eq!(refused(eve.get(&path).await).await, "job-not-found");
    // And the other way round.
    let other: JobView = read(ada.post("/v1/jobs", &spec(scene)).await, StatusCode::CREATED).await;
    let list = farm.http.get(farm.at("/v1/jobs")).bearer_auth(&key.key).send().await.unwrap();
    let page: JobPage = read(list, StatusCode::OK).await;
    assert_eq!(page.data.iter().map(|job| job.id).collect::<Vec<_>>(), [other.id, job.id]);

    let second = ada.key("artist").await;
    let by_key = Browser::sign_in(&farm, json!({ "by": "token", "token": key.key })).await;
    assert_eq!(by_key.view.account, ada.view.account);
    let path = format!("/v1/keys/{}", key.view.id);
    assert_eq!(refused(eve.delete(&path).await).await, "key-not-found", "another's");
    assert_eq!(submit().send().await.unwrap().status(), StatusCode::CREATED);
    assert_eq!(ada.delete(&path).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(refused(submit().send().await.unwrap()).await, "token-unknown", "at once");
    assert_eq!(
        refused(by_key.get("/v1/session").await).await,
        "token-unknown",
        "with its sessions"
    );
    assert_eq!(refused(ada.delete(&path).await).await, "key-not-found", "once");
    let list = farm.http.get(farm.at("/v1/jobs")).bearer_auth(&second.key).send().await.unwrap();
    assert_eq!(list.status(), StatusCode::OK, "the other stays");
}

#[tokio::test]
async fn a_stream_of_a_key_is_the_account_s() {
    let farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let key = ada.key("broadcaster").await;
    let create = farm.http.post(farm.at("/v1/streams")).bearer_auth(&key.key);
    let created =
        create.json(&json!({ "name": "s", "ladder": Ladder::standard() })).send().await.unwrap();
    let stream: StreamKeyView = read(created, StatusCode::CREATED).await;
    let path = format!("/v1/streams/{}", stream.stream.id);
    assert_eq!(ada.get(&path).await.status(), StatusCode::OK);
    for part in ["", "/sessions", "/recordings"] {
        let path = format!("{path}{part}");
        assert_eq!(refused(eve.get(&path).await).await, "stream-not-found", "{path}");
    }
    for order in ["end", "rotate-key"] {
        let path = format!("{path}/{order}");
        assert_eq!(refused(eve.post(&path, &()).await).await, "stream-not-found", "{path}");
        assert_eq!(
            refused(ada.bare(Method::POST, &path).send().await.unwrap()).await,
            "csrf-missing"
        );
    }
    for (who, seen) in [(&ada, 1), (&eve, 0)] {
        let page: StreamPage = read(who.get("/v1/streams").await, StatusCode::OK).await;
        assert_eq!(page.data.len(), seen);
    }
    // What a key may is its scope's.
    let jobs = farm.http.get(farm.at("/v1/jobs")).bearer_auth(&key.key).send().await.unwrap();
    assert_eq!(refused(jobs).await, "scope-too-small");
}

#[tokio::test]
async fn keys_are_listed_without_their_secrets_and_with_their_last_use() {
    let farm = Farm::start().await;
    let (ada, eve) = (Browser::sign_up(&farm, "ada").await, Browser::sign_up(&farm, "eve").await);
    let made = [ada.key("artist").await, ada.key("broadcaster").await, ada.key("enrol").await];
    let text = ada.get("/v1/keys").await.text().await.unwrap();
    assert!(made.iter().all(|key| !text.contains(&key.key)), "{text}");
    let mut seen = Vec::new();
    let mut path = "/v1/keys?limit=2".to_owned();
    loop {
        let page: KeyPage = read(ada.get(&path).await, StatusCode::OK).await;
        seen.extend(page.data);
        let Some(cursor) = page.next_cursor else { break };
        path = format!("/v1/keys?limit=2&cursor={cursor}");
    }
    seen.sort_by_key(|key| key.id);
    let mut expected: Vec<_> = made.iter().map(|key| key.view.clone()).collect();
    expected.sort_by_key(|key| key.id);
    assert_eq!(seen, expected);
    let page: KeyPage = read(eve.get("/v1/keys").await, StatusCode::OK).await;
    assert_eq!(page.data, []);
    assert_eq!(refused(ada.get("/v1/keys?cursor=x").await).await, "request-malformed");

    let used = farm.http.get(farm.at("/v1/jobs")).bearer_auth(&made[0].key).send().await.unwrap();
    assert_eq!(used.status(), StatusCode::OK);
    eventually(async || {
        let page: KeyPage = read(ada.get("/v1/keys").await, StatusCode::OK).await;
        let used: Vec<_> =
            page.data.iter().filter(|key| key.last_used_ms.is_some()).map(|key| key.id).collect();
        (used == [made[0].view.id]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_key_makes_no_keys_and_only_of_what_people_do() {
    let farm = Farm::start().await;
    let ada = Browser::sign_up(&farm, "ada").await;
    for scope in ["operator", "node", "gateway"] {
        let body = json!({ "name": "k", "scope": scope });
        assert_eq!(refused(ada.post("/v1/keys", &body).await).await, "key-refused", "{scope}");
    }
    for name in ["", " ", &"x".repeat(101)] {
        let body = json!({ "name": name, "scope": "artist" });
        assert_eq!(refused(ada.post("/v1/keys", &body).await).await, "key-refused", "{name}");
    }
    let body = json!({ "name": "k", "scope": "artist" });
    let key = ada.key("artist").await;
    let request = |method| farm.http.request(method, farm.at("/v1/keys")).bearer_auth(&key.key);
    for asked in [request(Method::GET), request(Method::POST).json(&body)] {
        assert_eq!(refused(asked.send().await.unwrap()).await, "scope-too-small");
    }
    let by_key = Browser::sign_in(&farm, json!({ "by": "token", "token": key.key })).await;
    assert_eq!(by_key.view.roles, [Role::Artist]);
    assert_eq!(refused(by_key.post("/v1/keys", &body).await).await, "scope-too-small");
    let bare = farm.http.get(farm.at("/v1/session")).bearer_auth(&key.key).send().await.unwrap();
    let view: AccountSession = read(bare, StatusCode::OK).await;
    assert_eq!(view.account.name.as_deref(), Some("ada"));
    for _ in 1..100 {
        ada.key("artist").await;
    }
    assert_eq!(refused(ada.post("/v1/keys", &body).await).await, "key-refused", "too many");
    let refused_sign_up: Value = json!({ "name": "ada", "password": "another password" });
    assert_eq!(refused(post(&farm, "/v1/accounts", &refused_sign_up).await).await, "name-taken");
}
