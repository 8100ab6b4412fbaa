//! Accounts, keys and who is signed in.

use super::Sqlite;
use super::access::{scope_from_sql, scope_to_sql};
use super::db::{Db, Row, query};
use super::rows::{bytes, corrupt};
use crate::auth::TokenId;
use crate::store::accounts::{Account, AccountStore, NewKey, SignedIn, Who};
use crate::store::{Later, StoreError};
use tessera_protocol::KeyId;
use tessera_protocol::account::KeyView;

impl AccountStore for Sqlite {
    fn add_account(&self, account: Account, now_ms: i64) -> Later<'_, bool> {
        self.write(move |db| add_account(db, &account, now_ms))
    }
    fn account(&self, id: TokenId) -> Later<'_, Option<Account>> {
        const BY_ID: &str = "SELECT id, name, password, wallet FROM account WHERE id = $1";
        self.read(move |db| {
            let row = query(BY_ID).bind(&id.0[..]).fetch_optional(db)?;
            row.as_ref().map(read_account).transpose()
        })
    }
    fn account_by_name(&self, name: String) -> Later<'_, Option<Account>> {
        const BY_NAME: &str = "SELECT id, name, password, wallet FROM account WHERE name = $1";
        self.read(move |db| {
            let row = query(BY_NAME).bind(name).fetch_optional(db)?;
            row.as_ref().map(read_account).transpose()
        })
    }
    fn account_by_wallet(&self, wallet: [u8; 32]) -> Later<'_, Option<Account>> {
        const BY_WALLET: &str = "SELECT id, name, password, wallet FROM account WHERE wallet = $1";
        self.read(move |db| {
            let row = query(BY_WALLET).bind(&wallet[..]).fetch_optional(db)?;
            row.as_ref().map(read_account).transpose()
        })
    }
    fn add_sign_in(&self, new: SignedIn, most: u32) -> Later<'_, ()> {
        self.write(move |db| add_sign_in(db, new, most))
    }
    fn sign_in(&self, hash: [u8; 32], now_ms: i64) -> Later<'_, Option<SignedIn>> {
        self.read(move |db| sign_in(db, hash, now_ms))
    }
    fn renew_sign_in(&self, renewed: SignedIn) -> Later<'_, ()> {
        self.write(move |db| renew_sign_in(db, renewed))
    }
    fn end_sign_in(&self, hash: [u8; 32]) -> Later<'_, ()> {
        self.write(move |db| end_sign_in(db, hash))
    }
    fn end_other_sign_ins(&self, account: TokenId, kept: [u8; 32]) -> Later<'_, ()> {
        self.write(move |db| end_other_sign_ins(db, account, kept))
    }
    fn change_password(
        &self,
        account: TokenId,
        from: String,
        to: String,
        kept: [u8; 32],
    ) -> Later<'_, bool> {
        self.write(move |db| change_password(db, account, &from, &to, kept))
    }
    fn add_key(&self, key: NewKey) -> Later<'_, bool> {
        self.write(move |db| add_key(db, &key))
    }
    fn keys(
        &self,
        account: TokenId,
        after: Option<(i64, TokenId)>,
        limit: u32,
    ) -> Later<'_, Vec<KeyView>> {
        self.read(move |db| keys(db, account, after, limit))
    }
    fn delete_key(&self, account: TokenId, key: TokenId) -> Later<'_, bool> {
        self.write(move |db| delete_key(db, account, key))
    }
    fn note_key_use(&self, key: TokenId, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| note_key_use(db, key, now_ms))
    }
}

fn add_account(db: &Db, account: &Account, now_ms: i64) -> Result<bool, StoreError> {
    let added = query(
        "INSERT INTO account (id, name, password, wallet, created_ms) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT DO NOTHING",
    )
    .bind(&account.id.0[..])
    .bind(&account.name)
    .bind(&account.password)
    .bind(account.wallet.map(|wallet| wallet.to_vec()))
    .bind(now_ms)
    .execute(db)?;
    Ok(added > 0)
}

fn read_account(row: &Row) -> Result<Account, StoreError> {
    let has_wallet = row.try_get::<Option<&[u8]>>("wallet")?.is_some();
    Ok(Account {
        id: TokenId(bytes(row, "id")?),
        name: row.try_get("name")?,
        password: row.try_get("password")?,
        wallet: has_wallet.then(|| bytes(row, "wallet")).transpose()?,
    })
}

/// The columns `account` and `token` of one who is signed in.
fn columns(who: Who) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    match who {
        Who::Account(id) => (Some(id.0.to_vec()), None),
        Who::Token(id) => (None, Some(id.0.to_vec())),
    }
}

fn add_sign_in(db: &Db, new: SignedIn, most: u32) -> Result<(), StoreError> {
    let (account, token) = columns(new.who);
    query("DELETE FROM sign_in WHERE ends_ms <= $1").bind(new.renewed_ms).execute(db)?;
    query(
        "INSERT INTO sign_in (hash, account, token, renewed_ms, ends_ms) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(&new.hash[..])
    .bind(&account)
    .bind(&token)
    .bind(new.renewed_ms)
    .bind(new.ends_ms)
    .execute(db)?;
    for (own, sql) in [
        (
            account,
            "DELETE FROM sign_in WHERE account = $1 AND hash NOT IN (SELECT hash FROM sign_in \
             WHERE account = $1 ORDER BY renewed_ms DESC, hash LIMIT $2) AND hash <> $3",
        ),
        (
            token,
            "DELETE FROM sign_in WHERE token = $1 AND hash NOT IN (SELECT hash FROM sign_in \
             WHERE token = $1 ORDER BY renewed_ms DESC, hash LIMIT $2) AND hash <> $3",
        ),
    ] {
        if let Some(own) = own {
            query(sql).bind(own).bind(most).bind(&new.hash[..]).execute(db)?;
        }
    }
    Ok(())
}

fn sign_in(db: &Db, hash: [u8; 32], now_ms: i64) -> Result<Option<SignedIn>, StoreError> {
    let row = query(
        "SELECT account, token, renewed_ms, ends_ms FROM sign_in WHERE hash = $1 AND ends_ms > $2",
    )
    .bind(&hash[..])
    .bind(now_ms)
    .fetch_optional(db)?;
    let Some(row) = row else { return Ok(None) };
    let is_account = row.try_get::<Option<&[u8]>>("account")?.is_some();
    let who = match is_account {
        true => Who::Account(TokenId(bytes(&row, "account")?)),
        false => Who::Token(TokenId(bytes(&row, "token")?)),
    };
    let (renewed_ms, ends_ms) = (row.try_get("renewed_ms")?, row.try_get("ends_ms")?);
    Ok(Some(SignedIn { hash, who, renewed_ms, ends_ms }))
}

fn renew_sign_in(db: &Db, renewed: SignedIn) -> Result<(), StoreError> {
    query("UPDATE sign_in SET renewed_ms = $2, ends_ms = $3 WHERE hash = $1")
        .bind(&renewed.hash[..])
        .bind(renewed.renewed_ms)
        .bind(renewed.ends_ms)
        .execute(db)?;
    Ok(())
}

fn end_sign_in(db: &Db, hash: [u8; 32]) -> Result<(), StoreError> {
    query("DELETE FROM sign_in WHERE hash = $1").bind(&hash[..]).execute(db)?;
    Ok(())
}

fn end_other_sign_ins(db: &Db, account: TokenId, kept: [u8; 32]) -> Result<(), StoreError> {
    query("DELETE FROM sign_in WHERE account = $1 AND hash <> $2")
        .bind(&account.0[..])
        .bind(&kept[..])
        .execute(db)?;
    Ok(())
}

fn change_password(
    db: &Db,
    account: TokenId,
    from: &str,
    to: &str,
    kept: [u8; 32],
) -> Result<bool, StoreError> {
    let changed = query("UPDATE account SET password = $3 WHERE id = $1 AND password = $2")
        .bind(&account.0[..])
        .bind(from)
        .bind(to)
        .execute(db)?;
    if changed == 0 {
        return Ok(false);
    }
    end_other_sign_ins(db, account, kept)?;
    Ok(true)
}

fn add_key(db: &Db, key: &NewKey) -> Result<bool, StoreError> {
    let account = key.token.account.ok_or_else(|| corrupt("a key without an account"))?;
    let added = query(
        "INSERT INTO token (id, hash, scope, account, name, created_ms) \
         SELECT $1, $2, $3, $4, $5, $6 \
         WHERE (SELECT COUNT(*) FROM token WHERE account = $4) < $7",
    )
    .bind(&key.token.id().0[..])
    .bind(&key.token.hash[..])
    .bind(scope_to_sql(key.token.scope))
    .bind(&account.0[..])
    .bind(&key.name)
    .bind(key.now_ms)
    .bind(key.most)
    .execute(db)?;
    Ok(added > 0)
}

fn keys(
    db: &Db,
    account: TokenId,
    after: Option<(i64, TokenId)>,
    limit: u32,
) -> Result<Vec<KeyView>, StoreError> {
    let (made_ms, id) = after.map_or((i64::MAX, Vec::new()), |(ms, id)| (ms, id.0.to_vec()));
    let rows = query(
        "SELECT id, name, scope, created_ms, used_ms FROM token WHERE account = $1 \
         AND (created_ms < $2 OR (created_ms = $2 AND id > $3)) \
         ORDER BY created_ms DESC, id LIMIT $4",
    )
    .bind(&account.0[..])
    .bind(made_ms)
    .bind(id)
    .bind(limit)
    .fetch_all(db)?;
    let view = |row: &Row| {
        Ok(KeyView {
            id: KeyId(bytes(row, "id")?),
            name: row.try_get("name")?,
            scope: scope_from_sql(row.try_get("scope")?)?,
            created_ms: row.try_get("created_ms")?,
            last_used_ms: row.try_get("used_ms")?,
        })
    };
    rows.iter().map(view).collect()
}

fn delete_key(db: &Db, account: TokenId, key: TokenId) -> Result<bool, StoreError> {
    let deleted = query("DELETE FROM token WHERE id = $1 AND account = $2")
        .bind(&key.0[..])
        .bind(&account.0[..])
        .execute(db)?;
    if deleted == 0 {
        return Ok(false);
    }
    query("DELETE FROM sign_in WHERE token = $1").bind(&key.0[..]).execute(db)?;
    Ok(true)
}

fn note_key_use(db: &Db, key: TokenId, now_ms: i64) -> Result<(), StoreError> {
    query("UPDATE token SET used_ms = $2 WHERE id = $1 AND (used_ms IS NULL OR used_ms < $2)")
        .bind(&key.0[..])
        .bind(now_ms)
        .execute(db)?;
    Ok(())
}
