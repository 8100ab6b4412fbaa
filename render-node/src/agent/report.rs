//! Tells the master how the machine is, for its owner to see, and hears what hours the owner set there.

use crate::house::House;
use tessera_client::NodeClient;
use tessera_protocol::house::{NodeReport, SetHours};
use tokio::task::JoinHandle;
use tokio::time::{Duration, sleep};

/// How often, while nothing changes that has to be told at once. A master shows the last report for a minute.
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
    let mut orders = Orders::default();
    loop {
        let said = NodeReport { cannot_set_hours: orders.failed.is_some(), ..house.report() };
        match client.report(&said).await {
            Ok(answer) => orders.take(&house, &said, answer.hours).await,
            // That its owner does not see it is no reason to work less.
            Err(error) => tracing::debug!(%error, "telling the master how the machine is"),
        }
        sleep(PAUSE).await;
        let is_news = |now: &NodeReport| {
            now.rests.is_some() != said.rests.is_some()
                || now.hours != said.hours
                || orders.failed.is_some() != said.cannot_set_hours
        };
        let news = async {
            while !is_news(&house.report()) {
                house.until_news().await;
            }
        };
        let _ = tokio::time::timeout(EVERY, news).await;
    }
}

/// What became of the hours that were set at the master.
#[derive(Default)]
struct Orders {
    /// Those that could not be written down.
    failed: Option<SetHours>,
}

impl Orders {
    /// Has hours written down that are newer than those that are kept.
    async fn take(&mut self, house: &House, said: &NodeReport, order: Option<SetHours>) {
        let kept_ms = said.hours.as_ref().map_or(i64::MIN, |kept| kept.set_ms);
        let Some(order) = order.filter(|order| order.set_ms > kept_ms) else {
            self.failed = None;
            return;
        };
        let (house, taken) = (house.clone(), order.clone());
        let written = tokio::task::spawn_blocking(move || house.take_order(taken)).await;
        match written.unwrap_or_else(|panic| Err(panic.to_string())) {
            Ok(()) => self.failed = None,
            Err(error) => {
                // It is tried again with each report, and said once.
                if self.failed.as_ref() != Some(&order) {
                    tracing::warn!(
                        "the hours stay as they were, and not as its owner set them at the master: {error}"
                    );
                }
                self.failed = Some(order);
            }
        }
    }
}
