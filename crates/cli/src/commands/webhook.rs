//! `farm webhook …`.

use crate::args::WebhookCommand;
use crate::show::Voice;
use crate::show::numbers::{ago, now_ms};
use crate::show::table::Column::{Left, Right};
use crate::show::table::table;
use serde_json::json;
use tessera_client::Client;
use tessera_protocol::webhook::{
    DeliveryState, DeliveryView, Happening, SIGNATURE_HEADER, WebhookView,
};

/// Does what was asked.
pub(crate) async fn run(
    client: &Client,
    command: WebhookCommand,
    voice: Voice,
) -> anyhow::Result<()> {
    match command {
        WebhookCommand::Add { url } => {
            let made = client.create_webhook(&url).await?;
            voice.result(&made, || {
                format!(
                    "webhook {} is made\n  secret   {}\n           shown this once; the header \
                     {SIGNATURE_HEADER} of each message is made with it\n",
                    made.id,
                    made.secret.as_deref().unwrap_or("not told"),
                )
            })
        }
        WebhookCommand::List => {
            let hooks = client.webhooks().await?;
            voice.result(&hooks, || {
                if hooks.is_empty() {
                    return "no webhooks yet; `farm webhook add URL` makes one".into();
                }
                let now = now_ms();
                let rows: Vec<_> = hooks
                    .iter()
                    .map(|hook| {
                        vec![
                            hook.id.to_string(),
                            hears(hook),
                            hook.url.clone(),
                            ago(hook.created_ms, now),
                        ]
                    })
                    .collect();
                table(&[Left("webhook"), Left("hears of"), Left("url"), Left("made")], &rows)
            })
        }
        WebhookCommand::Remove { webhook } => {
            client.delete_webhook(webhook).await?;
            voice.result(&json!({"removed": webhook}), || format!("webhook {webhook} is removed"))
        }
        WebhookCommand::Deliveries { webhook } => {
            let deliveries = client.deliveries(webhook).await?;
            voice.result(&deliveries, || deliveries_table(&deliveries))
        }
        WebhookCommand::Resend { webhook, delivery } => {
            let delivery = client.resend(webhook, delivery).await?;
            voice.result(&delivery, || format!("delivery {} is sent again", delivery.id))
        }
        WebhookCommand::Ping { webhook } => {
            let delivery = client.ping_webhook(webhook).await?;
            voice.result(&delivery, || {
                format!(
                    "delivery {} is on its way; `farm webhook deliveries {webhook}` shows \
                     what became of it",
                    delivery.id
                )
            })
        }
    }
}

fn hears(hook: &WebhookView) -> String {
    let of = [(hook.jobs, "jobs"), (hook.streams, "streams")];
    of.iter().filter(|(hears, _)| *hears).map(|(_, what)| *what).collect::<Vec<_>>().join(", ")
}

fn deliveries_table(deliveries: &[DeliveryView]) -> String {
    if deliveries.is_empty() {
        return "nothing was sent yet; `farm webhook ping` sends a message".into();
    }
    let now = now_ms();
    let rows: Vec<_> = deliveries
        .iter()
        .map(|delivery| {
            let state = match delivery.state {
                DeliveryState::Pending => "pending",
                DeliveryState::Delivered => "delivered",
                DeliveryState::Failed => "failed",
            };
            vec![
                delivery.id.to_string(),
                kind(&delivery.event.event).into(),
                ago(delivery.event.at_ms, now),
                state.into(),
                delivery.attempts.to_string(),
                delivery.last_answer.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let columns = [
        Left("delivery"),
        Left("event"),
        Left("happened"),
        Left("state"),
        Right("attempts"),
        Left("answer"),
    ];
    table(&columns, &rows)
}

fn kind(event: &Happening) -> &'static str {
    match event {
        Happening::SessionStarted { .. } => "session.started",
        Happening::SessionEnded { .. } => "session.ended",
        Happening::RecordingReady { .. } => "recording.ready",
        Happening::HealthChanged { .. } => "health.changed",
        Happening::JobChanged { .. } => "job.changed",
        Happening::Ping => "ping",
    }
}
