//! Accounts: people sign up, in and out. Which tries are too many is decided before anything is looked up,
//! and what is refused is refused in the same words and after the same time, whatever was wrong.

mod keys;
mod limits;
mod passwords;
mod wallets;

use super::App;
use crate::auth::cookie::{SESSION, SessionSecret};
use crate::auth::{Caller, InPerson, TokenId};
use crate::problem::{Code, Refusal};
use crate::store::accounts::{Account, SignedIn, Who};
use limits::Limits;
use passwords::Passwords;
use std::net::IpAddr;
use std::sync::Arc;
use tessera_protocol::AccountId;
use tessera_protocol::account::{
    AccountSession, AccountView, PasswordRequest, Role, SignInRequest, SignUpRequest,
    WalletChallengeView,
};
use tessera_protocol::token::TokenScope;
use wallets::Challenges;

/// Browsers that are signed in as one account or token; of more, those that were longest away are signed out.
const SIGN_INS: u32 = 50;

/// What is only in memory of people.
#[derive(Default)]
pub(crate) struct People {
    limits: Limits,
    passwords: Passwords,
    challenges: Challenges,
}

/// A browser is signed in from now on.
pub(crate) struct Entered {
    pub(crate) view: AccountSession,
    pub(crate) secret: SessionSecret,
}

impl App {
    /// Makes an account of a name and a password, and signs in.
    pub(crate) async fn sign_up(
        &self,
        peer: IpAddr,
        request: SignUpRequest,
    ) -> Result<Entered, Refusal> {
        self.need_open_sign_up()?;
        self.people.limits.need_sign_up(peer, self.clock.now_ms())?;
        request.validate().map_err(|why| {
            Refusal::new(Code::AccountRefused, format!("{why}; no account was made."))
        })?;
        let taken = || {
            let name = &request.name;
            Refusal::new(
                Code::NameTaken,
                format!("There is an account {name}; choose another name."),
            )
        };
        if self.store.account_by_name(request.name.clone()).await?.is_some() {
            return Err(taken());
        }
        let password = self.people.passwords.hash(request.password.clone()).await?;
        let account = Account {
            id: self.new_account_id()?,
            name: Some(request.name.clone()),
            password: Some(password),
            wallet: None,
        };
        if !self.store.add_account(account.clone(), self.clock.now_ms()).await? {
            return Err(taken());
        }
        self.enter_account(account).await
    }

    /// Signs in.
    pub(crate) async fn sign_in(
        self: &Arc<Self>,
        peer: IpAddr,
        request: SignInRequest,
    ) -> Result<Entered, Refusal> {
        let now_ms = self.clock.now_ms();
        self.people.limits.need_sign_in(peer, now_ms)?;
        let entered = match request {
            SignInRequest::Password { name, password } => {
                self.by_password(peer, name, password).await?
            }
            SignInRequest::Wallet { address, challenge, signature } => {
                let wallet =
                    self.people.challenges.answer(&address, &challenge, &signature, now_ms);
                self.by_wallet(peer, wallet.ok_or_else(refused)?).await?
            }
            SignInRequest::Token { token } => self.by_token(&token).await?,
        };
        self.people.limits.signed_in(peer);
        Ok(entered)
    }

    async fn by_password(
        &self,
        peer: IpAddr,
        name: String,
        password: String,
    ) -> Result<Entered, Refusal> {
        self.people.limits.need_name(&name, peer, self.clock.now_ms())?;
        let account = self.store.account_by_name(name.clone()).await?;
        let stored = account.as_ref().and_then(|account| account.password.clone());
        let right = self.people.passwords.verify(password, stored).await?;
        let account = account.filter(|_| right).ok_or_else(refused)?;
        self.people.limits.shown(&name);
        self.enter_account(account).await
    }

    async fn by_wallet(&self, peer: IpAddr, wallet: [u8; 32]) -> Result<Entered, Refusal> {
        if let Some(account) = self.store.account_by_wallet(wallet).await? {
            return self.enter_account(account).await;
        }
        self.need_open_sign_up()?;
        self.people.limits.need_sign_up(peer, self.clock.now_ms())?;
        let id = self.new_account_id()?;
        let account = Account { id, name: None, password: None, wallet: Some(wallet) };
        self.store.add_account(account, self.clock.now_ms()).await?;
        // Another sign-in by the same wallet may have been first.
        let account = self.store.account_by_wallet(wallet).await?;
        self.enter_account(account.ok_or_else(|| Refusal::internal("a new account is gone"))?).await
    }

    async fn by_token(self: &Arc<Self>, text: &str) -> Result<Entered, Refusal> {
        let token = self.known_token(text).await?.ok_or_else(refused)?;
        if matches!(token.scope, TokenScope::Node | TokenScope::Gateway) {
            return Err(refused());
        }
        let who = Who::Token(token.id());
        let account = self.account_view(token.owner(), token.account).await?;
        self.let_in(who, account, Caller::by_token(&token).roles()).await
    }

    async fn enter_account(&self, account: Account) -> Result<Entered, Refusal> {
        let roles = vec![Role::Artist, Role::Broadcaster, Role::NodeOwner];
        self.let_in(Who::Account(account.id), view(account), roles).await
    }

    async fn let_in(
        &self,
        who: Who,
        account: AccountView,
        roles: Vec<Role>,
    ) -> Result<Entered, Refusal> {
        let secret = SessionSecret::generate().map_err(Refusal::internal)?;
        let now_ms = self.clock.now_ms();
        let ends_ms = now_ms + SESSION.as_millis() as i64;
        let new = SignedIn { hash: secret.hash(), who, renewed_ms: now_ms, ends_ms };
        self.store.add_sign_in(new, SIGN_INS).await?;
        let view = AccountSession { account, roles, csrf: secret.csrf() };
        Ok(Entered { view, secret })
    }

    /// Signs a browser out; whoever came by token has nothing to sign out of.
    pub(crate) async fn sign_out(&self, caller: &Caller) -> Result<(), Refusal> {
        let secret = caller.session().ok_or_else(|| {
            Refusal::new(
                Code::ScopeTooSmall,
                "A token is not signed in and stays as it is; delete its key to have it refused.",
            )
        })?;
        Ok(self.store.end_sign_in(secret.hash()).await?)
    }

    /// Signs all other browsers of an account out.
    pub(crate) async fn sign_others_out(&self, person: InPerson) -> Result<(), Refusal> {
        Ok(self.store.end_other_sign_ins(person.account, person.session).await?)
    }

    /// Replaces an account's password, and signs all its other browsers out. Who guesses at it waits as who
    /// guesses at the door.
    pub(crate) async fn change_password(
        &self,
        peer: IpAddr,
        person: InPerson,
        request: PasswordRequest,
    ) -> Result<(), Refusal> {
        request.validate().map_err(|why| {
            Refusal::new(Code::AccountRefused, format!("{why}; the password stays as it was."))
        })?;
        let account = self.store.account(person.account).await?;
        let named = account.and_then(|account| account.name.zip(account.password));
        let (name, stored) = named.ok_or_else(|| {
            Refusal::new(Code::AccountRefused, "The account has no password: its wallet signs in.")
        })?;
        self.people.limits.need_name(&name, peer, self.clock.now_ms())?;
        let wrong = || {
            Refusal::new(
                Code::PasswordRefused,
                "The present password is not right; the password stays as it was.",
            )
        };
        if !self.people.passwords.verify(request.current, Some(stored.clone())).await? {
            return Err(wrong());
        }
        let new = self.people.passwords.hash(request.new).await?;
        let changed =
            self.store.change_password(person.account, stored, new, person.session).await?;
        self.people.limits.shown(&name);
        if changed { Ok(()) } else { Err(wrong()) }
    }

    /// Who calls.
    pub(crate) async fn session_view(&self, caller: &Caller) -> Result<AccountSession, Refusal> {
        let account = self.account_view(caller.owner(), caller.account()).await?;
        let csrf = caller.session().map_or_else(String::new, SessionSecret::csrf);
        Ok(AccountSession { account, roles: caller.roles(), csrf })
    }

    /// A text for a wallet to sign.
    pub(crate) fn wallet_challenge(
        &self,
        peer: IpAddr,
        address: &str,
    ) -> Result<WalletChallengeView, Refusal> {
        let now_ms = self.clock.now_ms();
        self.people.limits.need_challenge(peer, now_ms)?;
        self.people.challenges.give(self.master(), address, now_ms)
    }

    async fn account_view(
        &self,
        owner: TokenId,
        account: Option<TokenId>,
    ) -> Result<AccountView, Refusal> {
        let known = match account {
            Some(id) => self.store.account(id).await?,
            None => None,
        };
        let bare = || AccountView { id: AccountId(owner.0), name: None, wallet: None };
        Ok(known.map_or_else(bare, view))
    }

    fn need_open_sign_up(&self) -> Result<(), Refusal> {
        if self.config.sign_up {
            return Ok(());
        }
        Err(Refusal::new(
            Code::SignUpClosed,
            "Whoever runs this farm makes no accounts here; ask for a token and sign in with it.",
        ))
    }

    fn new_account_id(&self) -> Result<TokenId, Refusal> {
        let mut id = [0; 8];
        getrandom::fill(&mut id).map_err(Refusal::internal)?;
        Ok(TokenId(id))
    }
}

fn view(account: Account) -> AccountView {
    AccountView {
        id: AccountId(account.id.0),
        name: account.name,
        wallet: account.wallet.map(wallets::address),
    }
}

/// The one refusal of whoever cannot be signed in: it tells nothing about what there is.
fn refused() -> Refusal {
    Refusal::new(
        Code::SignInRefused,
        "Name and password, the wallet's signature or the token are not right; check them and try again.",
    )
}
