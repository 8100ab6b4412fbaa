//! Passwords: Argon2id with the crate's parameters, 19 MiB and two passes, a few at once.

use crate::problem::Refusal;
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use tessera_protocol::account::SignUpRequest;
use tokio::sync::{Semaphore, oneshot};

/// Passwords that are hashed at once: each takes a core and 19 MiB for some hundredths of a second.
const AT_ONCE: usize = 2;
/// Passwords that wait for that.
const WAITING: usize = 64;
/// What stands in where a name has no password, so that it takes as long to find that out: the hash of
/// something that nobody knows.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$FoenQrqvwPHBNmG36IN8Xw$\
    9jMbhZNobUoaaz3Ne0hzmh440x3JuTbqYTkmMxB67Sc";

type Work = Box<dyn FnOnce() + Send>;

/// See the module.
pub(super) struct Passwords {
    work: mpsc::Sender<Work>,
    waiting: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        let (work, receive) = mpsc::channel::<Work>();
        let receive = Arc::new(Mutex::new(receive));
        for _ in 0..AT_ONCE {
            let receive = receive.clone();
            // Threads of their own: the allocator keeps such a piece of memory for each thread that ever had
            // one, and the runtime has hundreds.
            std::thread::spawn(move || {
                loop {
                    let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match next {
                        Ok(work) => work(),
                        Err(_) => return,
                    }
                }
            });
        }
        Self { work, waiting: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }
}

impl Passwords {
    /// A password, as it is stored.
    pub(super) async fn hash(&self, password: String) -> Result<String, Refusal> {
        let hashed = self.run(move || {
            Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
        });
        hashed.await?.map_err(Refusal::internal)
    }

    /// Whether a password is the stored one. It takes as long where nothing is stored.
    pub(super) async fn verify(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, Refusal> {
        let fits = password.chars().count() <= *SignUpRequest::PASSWORD.end();
        let password = if fits { password } else { String::new() };
        let verified = self.run(move || {
            let hash = PasswordHash::new(stored.as_deref().unwrap_or(NOBODYS))?;
            let same = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
            Ok::<_, argon2::password_hash::phc::Error>(same && stored.is_some() && fits)
        });
        verified.await?.map_err(Refusal::internal)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = self.waiting.clone().try_acquire_owned();
        let place = place.map_err(|_| Refusal::overloaded("Too many people are signing in"))?;
        let (answer, done) = oneshot::channel();
        let work = move || {
            // Whoever asked may have hung up.
            let _ = answer.send(work());
            // The place goes with the work, which is done all the same.
            drop(place);
        };
        self.work.send(Box::new(work)).map_err(Refusal::internal)?;
        done.await.map_err(Refusal::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use argon2::Params;

    #[tokio::test]
    async fn a_password_is_itself_and_no_other() {
        let passwords = Passwords::default();
        let stored = passwords.hash("correct horse".into()).await.unwrap();
        assert!(stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{stored}");
        let verify = async |text: &str, of: Option<&str>| {
            passwords.verify(text.into(), of.map(str::to_owned)).await.unwrap()
        };
        assert!(verify("correct horse", Some(&stored)).await);
        assert!(!verify("correct house", Some(&stored)).await);
        assert!(!verify("", None).await);
        let long = "x".repeat(129);
        let of_nothing = passwords.hash(String::new()).await.unwrap();
        assert!(!verify(&long, Some(&of_nothing)).await);
        assert_ne!(stored, passwords.hash("correct horse".into()).await.unwrap(), "salted");
    }

    #[test]
    fn nobodys_password_takes_as_long_as_anybodys() {
        let hash = PasswordHash::new(NOBODYS).unwrap();
        let params = Params::try_from(&hash).unwrap();
        let own = Params::default();
        assert_eq!(
            (params.m_cost(), params.t_cost(), params.p_cost()),
            (own.m_cost(), own.t_cost(), own.p_cost())
        );
        assert_eq!(hash.hash.unwrap().as_bytes().len(), Params::DEFAULT_OUTPUT_LEN);
    }
}
