//! Play money, where the chain is one of ours: other chains know no such question.

use super::{Chain, ChainError};
use solana_address::Address;
use solana_rpc_client::api::request::RpcRequest;

impl Chain {
    /// Has the faucet of a local chain give a wallet tokens in its associated account, which is made
    /// where it is missing, and lamports for fees.
    ///
    /// # Errors
    /// The chain has no faucet, or does not answer.
    pub async fn play_money(
        &self,
        wallet: &Address,
        tokens: u64,
        lamports: u64,
    ) -> Result<(), ChainError> {
        if lamports > 0 {
            self.question("lamports", || self.rpc().request_airdrop(wallet, lamports)).await?;
        }
        let faucet = RpcRequest::Custom { method: "tessera_faucet" };
        let asked = serde_json::json!([wallet.to_string(), tokens]);
        let told = || self.rpc().send::<serde_json::Value>(faucet, asked.clone());
        self.question("play money", told).await.map(drop)
    }
}
