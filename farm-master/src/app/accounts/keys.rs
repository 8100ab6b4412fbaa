//! Keys: tokens that an account makes for its programs and nodes.

use crate::app::{App, to_the_end};
use crate::auth::{InPerson, Token, TokenId};
use crate::problem::{Code, Refusal};
use crate::store::accounts::NewKey;
use std::sync::Arc;
use tessera_protocol::KeyId;
use tessera_protocol::account::{KeyPage, KeyRequest, KeyView, NewKeyView};
use tessera_protocol::token::TokenScope;

/// Most keys of an account.
const KEYS: u32 = 100;

impl App {
    /// Makes a key that acts for the account.
    pub(crate) async fn create_key(
        &self,
        InPerson { account, .. }: InPerson,
        request: KeyRequest,
    ) -> Result<NewKeyView, Refusal> {
        let refuse =
            |why: String| Refusal::new(Code::KeyRefused, format!("{why} No key was made."));
        let name = request.name.trim().to_owned();
        if !(1..=KeyRequest::MAX_NAME).contains(&name.chars().count()) {
            return Err(refuse(format!(
                "A key's name has 1 to {} characters.",
                KeyRequest::MAX_NAME
            )));
        }
        if !matches!(
            request.scope,
            TokenScope::Artist | TokenScope::Broadcaster | TokenScope::Enrol
        ) {
            return Err(refuse("A key's scope is artist, broadcaster or enrol.".into()));
        }
        let (key, token) = Token::generate(request.scope, None).map_err(Refusal::internal)?;
        let token = Token { account: Some(account), ..token };
        let (id, now_ms) = (KeyId(token.id().0), self.clock.now_ms());
        let new = NewKey { token, name: name.clone(), most: KEYS, now_ms };
        if !self.store.add_key(new).await? {
            return Err(refuse(format!(
                "The account has {KEYS} keys: delete one that is not used."
            )));
        }
        let view =
            KeyView { id, name, scope: request.scope, created_ms: now_ms, last_used_ms: None };
        Ok(NewKeyView { view, key })
    }

    /// One page of an account's keys, newest first. The cursor is the last one's time and id.
    pub(crate) async fn keys(
        &self,
        InPerson { account, .. }: InPerson,
        cursor: Option<String>,
        limit: u32,
    ) -> Result<KeyPage, Refusal> {
        let place = |text: &str| {
            let (ms, id) = text.split_once('-')?;
            Some((ms.parse().ok()?, TokenId(id.parse::<KeyId>().ok()?.0)))
        };
        let after = match &cursor {
            None => None,
            Some(text) => Some(place(text).ok_or_else(|| {
                Refusal::new(Code::RequestMalformed, "cursor is not one that this list gave out.")
            })?),
        };
        let mut data = self.store.keys(account, after, limit + 1).await?;
        let more = data.len() > limit as usize;
        data.truncate(limit as usize);
        let last = data.last().filter(|_| more);
        let next_cursor = last.map(|key| format!("{}-{}", key.created_ms, key.id));
        Ok(KeyPage { data, next_cursor })
    }

    /// Deletes a key. It is refused from now on, and whoever is signed in by it is signed out.
    pub(crate) async fn delete_key(
        self: &Arc<Self>,
        InPerson { account, .. }: InPerson,
        key: KeyId,
    ) -> Result<(), Refusal> {
        let (app, id) = (self.clone(), TokenId(key.0));
        let deleted = to_the_end(async move {
            let deleted = app.store.delete_key(account, id).await?;
            app.tokens.forget(id);
            Ok(deleted)
        });
        if deleted.await? {
            return Ok(());
        }
        Err(Refusal::new(Code::KeyNotFound, format!("There is no key {key} among yours.")))
    }
}
