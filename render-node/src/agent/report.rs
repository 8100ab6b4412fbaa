//! Tells the master how the machine is, for its owner to see.

use crate::house::House;
use tessera_client::NodeClient;
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

/// How often, while nothing begins or ends. A master shows the last report for a minute.
const EVERY: Duration = Duration::from_secs(10);
/// How soon after the last one at the earliest: a machine that trembles between warm and hot is told of calmly.
const PAUSE: Duration = Duration::from_secs(1);

/// Reports for as long as this lives.
pub(super) struct Reports(JoinHandle<()>);

impl Reports {
    pub(super) fn begin(client: NodeClient, house: House) -> Self {
        Self(tokio::spawn(report(client, house)))
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn report(client: NodeClient, mut house: House) {
    loop {
        let said = house.report();
        if let Err(error) = client.report(&said).await {
            // That its owner does not see it is no reason to work less.
            tracing::debug!(%error, "the master does not hear how the machine is");
        }
        sleep(PAUSE).await;
        let begins_or_ends = async {
            while house.report().rests.is_some() == said.rests.is_some() {
                house.until_news().await;
            }
        };
        let _ = tokio::time::timeout(EVERY, begins_or_ends).await;
    }
}
