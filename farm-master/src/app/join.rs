//! How nodes come in.

use super::{App, to_the_end};
use crate::auth::{Token, TokenId};
use crate::problem::{Code, Refusal};
use crate::store::{Joining, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tessera_protocol::NodeId;
use tessera_protocol::commit::{SignatureBytes, join_message, verify};
use tessera_protocol::node::{
    ChallengeView, ConformanceHash, DeviceClass, JoinRequest, JoinView, NodeView,
};
use tessera_protocol::token::{TokenRequest, TokenScope, TokenView};

/// How long a challenge is good.
const CHALLENGE_MS: i64 = 60_000;
/// Most challenges that are good at once.
const CHALLENGES: usize = 10_000;
/// Most conformance hashes of a device, and longest texts about it, in characters.
const MAX_HASHES: usize = 256;
pub(super) const MAX_NAME: usize = 100;
const MAX_DEVICE: usize = 300;

/// Challenges that were given and not used: gone after a restart, and nodes ask again.
#[derive(Default)]
pub(super) struct Challenges(Mutex<HashMap<[u8; 32], i64>>);

impl Challenges {
    fn give(&self, challenge: [u8; 32], now_ms: i64) -> Result<(), Refusal> {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, good_until| *good_until > now_ms);
        if given.len() >= CHALLENGES {
            return Err(Refusal::overloaded("Too many nodes are joining"));
        }
        given.insert(challenge, now_ms + CHALLENGE_MS);
        Ok(())
    }

    fn take(&self, challenge: &[u8; 32], now_ms: i64) -> bool {
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.remove(challenge).is_some_and(|good_until| good_until > now_ms)
    }
}

/// What nodes may have, by what they showed when they joined: each one's device is read once.
#[derive(Default)]
pub(super) struct Classes(Mutex<Known>);

#[derive(Default)]
struct Known {
    classes: HashMap<NodeId, DeviceClass>,
    joins: Joins,
}

/// How often nodes joined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Joins(u64);

impl Classes {
    /// A node's; where it is not known, what to [keep](Self::keep) it with once it is looked up.
    fn get(&self, node: NodeId) -> Result<DeviceClass, Joins> {
        let known = self.lock();
        known.classes.get(&node).copied().ok_or(known.joins)
    }

    /// Keeps what was found, unless a node joined meanwhile: it may be that one.
    fn keep(&self, node: NodeId, class: DeviceClass, asked_at: Joins) {
        let mut known = self.lock();
        if known.joins == asked_at {
            known.classes.insert(node, class);
        }
    }

    /// A node has joined: it may be another device by now.
    fn forget(&self, node: NodeId) {
        let mut known = self.lock();
        known.classes.remove(&node);
        known.joins.0 += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// A challenge to sign.
    pub(crate) fn challenge(&self) -> Result<ChallengeView, Refusal> {
        let mut challenge = [0; 32];
        getrandom::fill(&mut challenge).map_err(Refusal::internal)?;
        self.challenges.give(challenge, self.clock.now_ms())?;
        Ok(ChallengeView { challenge: hex::encode(challenge) })
    }

    /// Lets a node of this owner in that shows it has its key.
    pub(crate) async fn join(
        self: &Arc<Self>,
        owner: Option<TokenId>,
        request: JoinRequest,
    ) -> Result<JoinView, Refusal> {
        check_texts(&request)?;
        self.need_answer(request.node, &request.challenge, &request.signature)?;
        self.need_kernel(request.device.kernel)?;
        let class = class_of(&self.config.conformance, &request.device.conformance);
        let (text, token) =
            Token::generate(TokenScope::Node, Some(request.node)).map_err(Refusal::internal)?;
        let joining = Joining {
            node: request.node,
            name: request.name,
            device: request.device,
            class,
            owner,
            token,
            now_ms: self.clock.now_ms(),
        };
        let app = self.clone();
        to_the_end(async move {
            app.store.join(joining).await?;
            app.tokens.forget_node(request.node);
            app.classes.forget(request.node);
            Ok(())
        })
        .await?;
        let heartbeat_ms = u64::try_from(self.config.heartbeat.as_millis()).unwrap_or(u64::MAX);
        Ok(JoinView { token: text, master: self.master(), class, heartbeat_ms })
    }

    /// Lets go on who answers a challenge of ours with the key named.
    pub(super) fn need_answer(
        &self,
        key: NodeId,
        given: &str,
        signature: &SignatureBytes,
    ) -> Result<(), Refusal> {
        let mut challenge = [0; 32];
        let readable = hex::decode_to_slice(given, &mut challenge).is_ok();
        if !readable || !self.challenges.take(&challenge, self.clock.now_ms()) {
            return Err(Refusal::new(
                Code::ChallengeRefused,
                "A challenge is good once and for a minute; ask for a new one.",
            ));
        }
        if !verify(key, &join_message(key, &challenge), signature) {
            return Err(Refusal::new(
                Code::SignatureRefused,
                format!("The challenge is not signed by {key}."),
            ));
        }
        Ok(())
    }

    /// Makes a token.
    pub(crate) async fn create_token(&self, request: TokenRequest) -> Result<TokenView, Refusal> {
        if matches!(request.scope, TokenScope::Node | TokenScope::Gateway) {
            return Err(Refusal::new(
                Code::RequestMalformed,
                "Nodes and gateways get their tokens by joining; ask for a token to enrol instead.",
            ));
        }
        let (text, token) = Token::generate(request.scope, None).map_err(Refusal::internal)?;
        self.store.add_token(token, self.clock.now_ms()).await?;
        Ok(TokenView { scope: request.scope, token: text })
    }

    /// When a node was last heard, by memory or by store.
    pub(super) fn last_seen(&self, node: &NodeView) -> i64 {
        node.last_seen_ms.max(self.heard.node(node.id).unwrap_or(i64::MIN))
    }

    /// What a node may have now, if it has this master's kernel: it may have joined a master with
    /// other hashes.
    pub(super) fn class_now(&self, node: &NodeView) -> Option<DeviceClass> {
        (node.device.kernel == self.config.kernel)
            .then(|| class_of(&self.config.conformance, &node.device.conformance))
    }

    /// The same of a node that is known by its key, if it ever joined.
    pub(super) async fn class_of_node(
        &self,
        node: NodeId,
    ) -> Result<Option<DeviceClass>, StoreError> {
        let asked_at = match self.classes.get(node) {
            Ok(class) => return Ok(Some(class)),
            Err(joins) => joins,
        };
        let known = self.store.node(node).await?;
        let class = known.and_then(|known| self.class_now(&known));
        if let Some(class) = class {
            self.classes.keep(node, class, asked_at);
        }
        Ok(class)
    }

    pub(super) fn need_kernel(&self, kernel: tessera_protocol::KernelId) -> Result<(), Refusal> {
        if kernel == self.config.kernel {
            return Ok(());
        }
        Err(Refusal::new(
            Code::KernelDiffers,
            format!(
                "The node has kernel {kernel} and this farm renders with {}: use the node's version \
                 that belongs to this master.",
                self.config.kernel
            ),
        ))
    }
}

fn check_texts(request: &JoinRequest) -> Result<(), Refusal> {
    let device = &request.device;
    let fits = request.name.chars().count() <= MAX_NAME
        && device.backend.chars().count() <= MAX_DEVICE
        && device.device.chars().count() <= MAX_DEVICE
        && device.conformance.len() <= MAX_HASHES
        && device.conformance.iter().all(|shown| shown.scene.chars().count() <= MAX_NAME);
    if fits {
        return Ok(());
    }
    Err(Refusal::new(
        Code::RequestMalformed,
        format!(
            "A name has at most {MAX_NAME} characters, a device's words {MAX_DEVICE}, and there \
             are at most {MAX_HASHES} hashes."
        ),
    ))
}

/// Exact is who shows the hashes that are expected, all of them and no others. Where none are
/// expected nothing is shown by showing them.
fn class_of(expected: &[ConformanceHash], shown: &[ConformanceHash]) -> DeviceClass {
    let sorted = |hashes: &[ConformanceHash]| {
        let mut pairs: Vec<_> =
            hashes.iter().map(|shown| (shown.scene.clone(), shown.hash)).collect();
        pairs.sort();
        pairs
    };
    if !expected.is_empty() && sorted(expected) == sorted(shown) {
        DeviceClass::Exact
    } else {
        DeviceClass::Tolerant
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::ResultHash;

    fn shows(scene: &str, byte: u8) -> ConformanceHash {
        ConformanceHash { scene: scene.into(), hash: ResultHash([byte; 32]) }
    }

    #[test]
    fn only_the_expected_hashes_make_a_node_exact() {
        let expected = [shows("a", 1), shows("b", 2)];
        assert_eq!(class_of(&expected, &[shows("b", 2), shows("a", 1)]), DeviceClass::Exact);
        for shown in [
            vec![],
            vec![shows("a", 1)],
            vec![shows("a", 1), shows("b", 3)],
            vec![shows("a", 1), shows("b", 2), shows("c", 3)],
            vec![shows("a", 1), shows("a", 1)],
        ] {
            assert_eq!(class_of(&expected, &shown), DeviceClass::Tolerant, "{shown:?}");
        }
        assert_eq!(class_of(&[], &[]), DeviceClass::Tolerant, "nothing to show proves nothing");
    }

    #[test]
    fn what_a_node_may_have_is_forgotten_when_it_joins_and_not_kept_from_before() {
        let classes = Classes::default();
        let (one, other) = (NodeId([1; 32]), NodeId([2; 32]));
        let asked_at = classes.get(one).unwrap_err();
        // The store has answered, and now the node joins with another device.
        classes.forget(one);
        classes.keep(one, DeviceClass::Exact, asked_at);
        let asked_at = classes.get(one).unwrap_err();
        classes.keep(one, DeviceClass::Tolerant, asked_at);
        assert_eq!(classes.get(one), Ok(DeviceClass::Tolerant));
        classes.forget(other);
        assert_eq!(classes.get(one), Ok(DeviceClass::Tolerant), "another one joined");
        classes.forget(one);
        assert!(classes.get(one).is_err());
    }

    #[test]
    fn a_challenge_is_good_once_and_for_a_minute() {
        let challenges = Challenges::default();
        challenges.give([1; 32], 0).unwrap();
        assert!(challenges.take(&[1; 32], 59_999));
        assert!(!challenges.take(&[1; 32], 59_999), "once");
        challenges.give([2; 32], 0).unwrap();
        assert!(!challenges.take(&[2; 32], 60_000), "for a minute");
        assert!(!challenges.take(&[3; 32], 0), "only a given one");
    }
}
