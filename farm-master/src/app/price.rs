//! What the farm suggests that 10^9 factored rays cost: the operator's base price, moved along the published
//! curve by how busy the nodes are. Quotes and leases that are signed keep their price.

use super::App;
use crate::problem::Refusal;
use crate::settlement::Settlement;
use crate::store::StoreError;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tessera_market::suggest;
use tessera_protocol::RayPrice;

/// How often it may move.
const MOVE_EVERY: Duration = Duration::from_secs(60);
/// A node is counted that was heard within this time.
const HEARD_WITHIN_MS: i64 = 60_000;

impl App {
    /// What somebody said, or what is suggested now.
    pub(crate) async fn price_or_suggested(
        &self,
        said: Option<RayPrice>,
    ) -> Result<RayPrice, Refusal> {
        match said {
            Some(price) => Ok(price),
            None => self.suggested_price().await,
        }
    }

    /// What is suggested now.
    pub(crate) async fn suggested_price(&self) -> Result<RayPrice, Refusal> {
        let known = self.store.suggested().await?;
        Ok(known.map_or(self.config.suggested_price, |(price, _)| price))
    }

    /// Moves it again and again, until the master stops. By itself: a chain that is away does not hold it
    /// up.
    pub(crate) async fn move_prices(self: Arc<Self>) {
        let Some(every) = self.settlement.as_ref().map(Settlement::every) else { return };
        loop {
            if let Err(error) = self.move_price().await {
                tracing::warn!(%error, "could not move the suggested price; trying again");
            }
            tokio::select! {
                () = tokio::time::sleep(every.min(MOVE_EVERY)) => {}
                () = self.stopping.cancelled() => return,
            }
        }
    }

    /// Moves it a little, where nodes are there to be busy or idle.
    async fn move_price(&self) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let base = self.config.suggested_price;
        let Some((price, changed_ms)) = self.store.suggested().await? else {
            return self.store.suggest(base, now_ms).await;
        };
        let online = self.heard.nodes_since(now_ms - HEARD_WITHIN_MS);
        if online == 0 {
            return Ok(());
        }
        let leases = self.store.standing_leases().await?;
        let busy: HashSet<_> = leases.iter().map(|(lease, _)| lease.node).collect();
        let permille = busy.len().min(online) * 1000 / online;
        let elapsed_ms = u64::try_from(now_ms - changed_ms).unwrap_or(0);
        let moved = suggest(Some(price), base, u32::try_from(permille).unwrap_or(1000), elapsed_ms);
        if moved == price {
            return Ok(());
        }
        tracing::info!(%moved, busy = busy.len(), online, "the suggested price moves");
        self.store.suggest(moved, now_ms).await
    }
}
