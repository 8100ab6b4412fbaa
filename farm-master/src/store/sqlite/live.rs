//! The store of streams and webhooks: every call by its name.

use super::{Sqlite, segments, sessions, streams, webhooks, workers};
use crate::auth::TokenId;
use crate::store::Later;
use crate::store::live::*;
use crate::store::webhooks::{Attempt, Due, Webhook, WebhookStore};
use tessera_protocol::stream::SegmentNumber;
use tessera_protocol::stream::gateway::{AuditReport, GatewayDoors, GatewayView};
use tessera_protocol::stream::view::{HealthNote, SegmentView};
use tessera_protocol::stream::worker::WorkerView;
use tessera_protocol::webhook::DeliveryView;
use tessera_protocol::{DeliveryId, GatewayId, LeaseId, NodeId, SessionId, StreamId, WebhookId};
use tessera_verify::segment::record::Record;

impl LiveStore for Sqlite {
    fn create_stream(&self, stream: NewStream) -> Later<'_, StreamCreation> {
        self.write(move |db| streams::create(db, &stream))
    }
    fn stream(&self, id: StreamId) -> Later<'_, Option<StreamRecord>> {
        self.read(move |db| streams::find(db, id))
    }
    fn stream_by_key(&self, key: KeyHash) -> Later<'_, Option<StreamRecord>> {
        self.read(move |db| streams::by_key(db, key))
    }
    fn streams(
        &self,
        owner: Option<TokenId>,
        before: Option<i64>,
        limit: u32,
    ) -> Later<'_, Vec<StreamRecord>> {
        self.read(move |db| streams::list(db, owner, before, limit))
    }
    fn rotate_key(
        &self,
        id: StreamId,
        key: KeyHash,
        because: &'static str,
        now_ms: i64,
    ) -> Later<'_, bool> {
        self.write(move |db| streams::rotate_key(db, id, key, because, now_ms))
    }
    fn end_stream(&self, id: StreamId, because: &'static str, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| streams::end(db, id, because, now_ms))
    }

    fn sessions(
        &self,
        stream: StreamId,
        recorded: bool,
        before: Option<i64>,
        limit: u32,
    ) -> Later<'_, Vec<SessionRecord>> {
        self.read(move |db| sessions::list(db, stream, recorded, before, limit))
    }
    fn session(&self, id: SessionId) -> Later<'_, Option<SessionRecord>> {
        self.read(move |db| sessions::find(db, id))
    }
    fn has_held(&self, id: SessionId, gateway: GatewayId) -> Later<'_, bool> {
        self.read(move |db| sessions::has_held(db, id, gateway))
    }
    fn open_sessions(&self) -> Later<'_, Vec<OpenSession>> {
        self.read(sessions::open)
    }
    fn grant_session(&self, ask: SessionAsk) -> Later<'_, SessionAnswer> {
        self.write(move |db| sessions::grant(db, &ask))
    }
    fn note_session(
        &self,
        id: SessionId,
        source: Option<String>,
        pixels_per_s: u64,
    ) -> Later<'_, ()> {
        self.write(move |db| sessions::note(db, id, source, pixels_per_s))
    }
    fn tell_health(&self, id: SessionId, health: Vec<HealthNote>, now_ms: i64) -> Later<'_, ()> {
        self.write(move |db| sessions::tell_health(db, id, health, now_ms))
    }
    fn close_session(&self, close: SessionClose) -> Later<'_, Closed> {
        self.write(move |db| sessions::close(db, &close))
    }
    fn release_session(&self, id: SessionId) -> Later<'_, ()> {
        self.write(move |db| sessions::release(db, id))
    }

    fn enter_segments(
        &self,
        session: SessionId,
        gateway: GatewayId,
        entries: Vec<SegmentEntry>,
        now_ms: i64,
    ) -> Later<'_, Vec<SegmentAnswer>> {
        self.write(move |db| segments::enter_all(db, session, gateway, &entries, now_ms))
    }
    fn segments(
        &self,
        session: SessionId,
        from: SegmentNumber,
        limit: u32,
    ) -> Later<'_, Vec<SegmentView>> {
        self.read(move |db| segments::list(db, session, from, limit))
    }
    fn enter_audit(
        &self,
        session: SessionId,
        gateway: GatewayId,
        audit: AuditReport,
        now_ms: i64,
    ) -> Later<'_, Option<Record>> {
        self.write(move |db| segments::enter_audit(db, session, gateway, &audit, now_ms))
    }

    fn gateway_join(&self, joining: GatewayJoining) -> Later<'_, ()> {
        self.write(move |db| streams::gateway_join(db, &joining))
    }
    fn gateways(&self, after: Option<GatewayId>, limit: u32) -> Later<'_, Vec<GatewayView>> {
        self.read(move |db| streams::gateways(db, after, limit))
    }
    fn recent_doors(&self, limit: u32) -> Later<'_, Vec<GatewayDoors>> {
        self.read(move |db| streams::recent_doors(db, limit))
    }

    fn worker_join(&self, joining: WorkerJoining) -> Later<'_, ()> {
        self.write(move |db| workers::join(db, &joining))
    }
    fn workers(&self, after: Option<NodeId>, limit: u32) -> Later<'_, Vec<WorkerView>> {
        self.read(move |db| workers::list(db, after, limit))
    }
    fn worker_record(&self, node: NodeId) -> Later<'_, Option<Record>> {
        self.read(move |db| workers::record_of(db, node))
    }
    fn wanting(&self, workers: usize, barred_since_ms: i64) -> Later<'_, Vec<Wanting>> {
        self.read(move |db| workers::wanting(db, workers, barred_since_ms))
    }
    fn candidates(&self, nodes: Vec<NodeId>) -> Later<'_, Vec<Candidate>> {
        self.read(move |db| workers::candidates(db, &nodes))
    }
    fn grant_stream_lease(&self, ask: StreamLeaseAsk) -> Later<'_, Option<StreamLeaseGranted>> {
        self.write(move |db| workers::grant(db, &ask))
    }
    fn stream_lease(&self, id: LeaseId) -> Later<'_, Option<StreamLease>> {
        self.read(move |db| workers::find(db, id))
    }
    fn standing_stream_leases(&self) -> Later<'_, Vec<StreamLease>> {
        self.read(workers::standing)
    }
    fn leases_of_session(&self, id: SessionId) -> Later<'_, Vec<StreamLease>> {
        self.read(move |db| workers::of_session(db, id))
    }
    fn end_stream_lease(
        &self,
        id: LeaseId,
        of: Option<NodeId>,
        end: StreamLeaseEnd,
        now_ms: i64,
    ) -> Later<'_, bool> {
        self.write(move |db| workers::end(db, id, of, &end, now_ms))
    }
    fn note_failures(&self, id: LeaseId, failures: u64) -> Later<'_, ()> {
        self.write(move |db| workers::note_failures(db, id, failures))
    }

    fn live_totals(&self) -> Later<'_, LiveTotals> {
        self.read(workers::totals)
    }
}

impl WebhookStore for Sqlite {
    fn create_webhook(&self, webhook: Webhook, most: u64) -> Later<'_, bool> {
        self.write(move |db| webhooks::create(db, &webhook, most))
    }
    fn webhook(&self, id: WebhookId) -> Later<'_, Option<Webhook>> {
        self.read(move |db| webhooks::webhook(db, id))
    }
    fn webhooks(&self, owner: Option<TokenId>) -> Later<'_, Vec<Webhook>> {
        self.read(move |db| webhooks::list(db, owner))
    }
    fn delete_webhook(&self, id: WebhookId) -> Later<'_, ()> {
        self.write(move |db| webhooks::delete(db, id))
    }
    fn ping(&self, id: WebhookId, now_ms: i64) -> Later<'_, DeliveryView> {
        self.write(move |db| webhooks::ping(db, id, now_ms))
    }
    fn deliveries(
        &self,
        webhook: WebhookId,
        before: Option<i64>,
        limit: u32,
    ) -> Later<'_, Vec<(i64, DeliveryView)>> {
        self.read(move |db| webhooks::deliveries(db, webhook, before, limit))
    }
    fn resend(
        &self,
        webhook: WebhookId,
        delivery: DeliveryId,
        now_ms: i64,
    ) -> Later<'_, Option<DeliveryView>> {
        self.write(move |db| webhooks::resend(db, webhook, delivery, now_ms))
    }
    fn due(&self, now_ms: i64, each: u32) -> Later<'_, Vec<Due>> {
        self.read(move |db| webhooks::due(db, now_ms, each))
    }
    fn attempted(&self, attempt: Attempt) -> Later<'_, ()> {
        self.write(move |db| webhooks::attempted(db, &attempt))
    }
    fn forget_deliveries(&self, before_ms: i64) -> Later<'_, ()> {
        self.write(move |db| webhooks::forget(db, before_ms))
    }
}
