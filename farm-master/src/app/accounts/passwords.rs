//! Passwords: Argon2id with the crate's parameters, 19 MiB and two passes, a few at once.

use crate::problem::Refusal;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version, password_hash};
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

type Work = Box<dyn FnOnce(&mut Memory) + Send>;

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
            std::thread::spawn(move || {
                let mut memory = Memory::default();
                loop {
                    let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    match next {
                        Ok(work) => work(&mut memory),
                        Err(_) => return,
                    }
                }
            });
        }
        Self { work, waiting: Arc::new(Semaphore::new(AT_ONCE + WAITING)) }
    }
}

/// What hashing takes, used again and again: an allocator that is asked for 19 MiB each time, by whichever thread,
/// keeps many times as much.
#[derive(Default)]
struct Memory(Vec<Block>);

impl Memory {
    fn hash(
        &mut self,
        argon2: &Argon2<'_>,
        password: &str,
        salt: &Salt,
    ) -> Result<Output, password_hash::Error> {
        self.0.resize(argon2.params().block_count(), Block::default());
        let mut out = [0; Params::DEFAULT_OUTPUT_LEN];
        let blocks = &mut self.0[..];
        argon2.hash_password_into_with_memory(password.as_bytes(), salt, &mut out, blocks)?;
        Ok(Output::new(&out)?)
    }

    fn store(&mut self, password: &str) -> Result<String, password_hash::Error> {
        let (argon2, salt) = (Argon2::default(), Salt::generate());
        let hash = self.hash(&argon2, password, &salt)?;
        let stored = PasswordHash {
            algorithm: Algorithm::default().ident(),
            version: Some(Version::default().into()),
            params: ParamsString::try_from(argon2.params())?,
            salt: Some(salt),
            hash: Some(hash),
        };
        Ok(stored.to_string())
    }

    fn is_stored(&mut self, password: &str, stored: &str) -> Result<bool, password_hash::Error> {
        let stored = PasswordHash::new(stored)?;
        let algorithm = Algorithm::try_from(stored.algorithm.as_str())?;
        let version = stored.version.map_or(Ok(Version::default()), Version::try_from)?;
        let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored)?);
        let (Some(salt), Some(hash)) = (stored.salt, stored.hash) else { return Ok(false) };
        // Compared in the same time wherever they differ, by the crate.
        Ok(self.hash(&argon2, password, &salt)? == hash)
    }
}

impl Passwords {
    /// A password, as it is stored.
    pub(super) async fn hash(&self, password: String) -> Result<String, Refusal> {
        let hashed = self.run(move |memory| memory.store(&password));
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
        let verified = self.run(move |memory| {
            let same = memory.is_stored(&password, stored.as_deref().unwrap_or(NOBODYS))?;
            Ok::<_, password_hash::Error>(same && stored.is_some() && fits)
        });
        verified.await?.map_err(Refusal::internal)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let place = self.waiting.clone().try_acquire_owned();
        let place = place.map_err(|_| Refusal::overloaded("Too many people are signing in"))?;
        let (answer, done) = oneshot::channel();
        let work = move |memory: &mut Memory| {
            // Whoever asked may have hung up.
            let _ = answer.send(work(memory));
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
