//! Somebody at a browser: a cookie, and what has to come beside it.

use crate::world::{Farm, read};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::json;
use tessera_protocol::account::{AccountSession, NewKeyView};
use tessera_protocol::job::UploadView;

pub(crate) const PASSWORD: &str = "a long password";

/// One who is signed in.
#[derive(Clone)]
pub(crate) struct Browser {
    url: String,
    http: Client,
    /// `name=value`, as the browser sends it.
    pub(crate) cookie: String,
    pub(crate) view: AccountSession,
}

impl Browser {
    /// A new account.
    pub(crate) async fn sign_up(farm: &Farm, name: &str) -> Self {
        let body = json!({ "name": name, "password": PASSWORD });
        Self::enter(farm, post(farm, "/v1/accounts", &body).await, StatusCode::CREATED).await
    }

    /// Signs in with this body.
    pub(crate) async fn sign_in(farm: &Farm, body: serde_json::Value) -> Self {
        Self::enter(farm, post(farm, "/v1/session", &body).await, StatusCode::OK).await
    }

    pub(crate) async fn enter(farm: &Farm, response: Response, status: StatusCode) -> Self {
        let cookie = cookie_of(&response);
        let view = read(response, status).await;
        let cookie = cookie.split(';').next().unwrap().to_owned();
        Self { url: farm.url.clone(), http: farm.http.clone(), cookie, view }
    }

    /// The same browser, at a master that was started again.
    pub(crate) fn at(self, farm: &Farm) -> Self {
        Self { url: farm.url.clone(), ..self }
    }

    /// A request with the cookie and without what has to come beside it.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        request.header("cookie", &self.cookie)
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).header("x-tessera-csrf", &self.view.csrf)
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.bare(Method::GET, path).send().await.unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: &impl serde::Serialize) -> Response {
        self.request(Method::POST, path).json(body).send().await.unwrap()
    }

    /// A file of whoever is signed in.
    pub(crate) async fn upload(&self, bytes: &[u8]) -> UploadView {
        let request = self.request(Method::POST, "/v1/uploads").body(bytes.to_vec());
        read(request.send().await.unwrap(), StatusCode::CREATED).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Response {
        self.request(Method::DELETE, path).send().await.unwrap()
    }

    pub(crate) async fn key(&self, scope: &str) -> NewKeyView {
        let body = json!({ "name": format!("my {scope}"), "scope": scope });
        read(self.post("/v1/keys", &body).await, StatusCode::CREATED).await
    }
}

/// A request of somebody who is nobody yet.
pub(crate) async fn post(farm: &Farm, path: &str, body: &serde_json::Value) -> Response {
    farm.http.post(farm.at(path)).json(body).send().await.unwrap()
}

/// What sets the cookie.
pub(crate) fn cookie_of(response: &Response) -> String {
    let mut lines = response.headers().get_all("set-cookie").iter();
    let line = lines.next().map(|line| line.to_str().unwrap().to_owned());
    assert!(lines.next().is_none(), "one cookie");
    line.unwrap_or_default()
}
