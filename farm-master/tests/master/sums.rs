//! Where what leases brought is kept: small results in the database, large ones as files. Nobody sees which.

use crate::audits::one_frame;
use crate::store::{ask, end, new_job, open, result};
use crate::world::{Farm, Node, eventually, read, refused, spread};
use reqwest::StatusCode;
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tessera_client::{AuditorClient, MasterAddress, PlainHttp};
use tessera_farm_master::store::sqlite::Sqlite;
use tessera_farm_master::store::{CheckedResult, Entered, ProofStore as _, Store as _};
use tessera_protocol::job::{JobState, JobView};
use tessera_protocol::receipt::ReceiptPage;
use tessera_protocol::{CommitId, LeaseId};

/// Brings a small result and a large one; answers what was sent.
async fn bring_both(farm: &Farm, node: &Node) -> [(LeaseId, Vec<u8>); 2] {
    let (small, large) = (node.lease(1).await, node.lease(1).await);
    let body = node.work(&small, |_, _| {});
    let spread = spread(&node.work(&large, |_, _| {}));
    let both = [(small.lease, body), (large.lease, spread)];
    for (lease, body) in &both {
        let sent = node.send(*lease, body.clone()).await;
        assert_eq!(sent.status(), StatusCode::OK);
    }
    assert_eq!((farm.results_beside(), farm.result_files().len()), (1, 1));
    both
}

#[tokio::test]
async fn small_results_and_large_ones_are_kept_served_and_removed_alike() {
    let mut farm = Farm::start_with(|config| {
        config.audits_itself = false;
        config.keep_results = Duration::from_secs(3600);
    })
    .await;
    let job = farm.submit(one_frame).await;
    let mut node = farm.node(1).await;
    let brought = bring_both(&farm, &node).await;
    let master = MasterAddress::parse(&farm.url, PlainHttp::LoopbackOnly).unwrap();
    let auditor = AuditorClient::new(master, farm.token.clone()).unwrap();
    for (lease, body) in &brought {
        assert_eq!(auditor.result(*lease).await.unwrap().as_ref(), Some(body));
    }

    farm.config.audits_itself = true;
    farm.restart().await;
    node.at(&farm);
    farm.audited(&job, 2).await;
    let preview = farm.get(&format!("/v1/jobs/{}/frames/1/preview", job.id)).await;
    assert_eq!(preview.status(), StatusCode::OK);
    node.work_all(u64::MAX).await;
    farm.until(&job, JobState::Completed).await;
    let page = format!("/v1/jobs/{}/receipts", job.id);
    let receipts: ReceiptPage = read(farm.get(&page).await, StatusCode::OK).await;
    for (lease, body) in &brought {
        let receipt = receipts.data.iter().find(|receipt| receipt.commit.lease == *lease).unwrap();
        receipt.check().unwrap();
        let result = farm.get(&format!("/v1/leases/{lease}/result")).await;
        assert_eq!(result.status(), StatusCode::OK);
        assert_eq!(result.headers()["content-length"], body.len().to_string());
        assert_eq!(result.bytes().await.unwrap(), body);
    }

    // Their time is over.
    farm.config.keep_results = Duration::ZERO;
    farm.restart().await;
    eventually(async || (farm.stored_results() == 0).then_some(())).await;
    for (lease, _) in &brought {
        let result = farm.get(&format!("/v1/leases/{lease}/result")).await;
        assert_eq!(refused(result).await, "receipt-not-found");
    }
    let receipts: ReceiptPage = read(farm.get(&page).await, StatusCode::OK).await;
    assert_eq!(receipts.data, []);
}

#[tokio::test]
async fn what_is_refused_is_kept_nowhere() {
    let farm = Farm::start_with(|config| config.audits_itself = false).await;
    let job = farm.submit(one_frame).await;
    let node = farm.node(1).await;
    bring_both(&farm, &node).await;
    let grant = node.lease(1).await;
    farm.order(&job, "cancel").await;
    let body = node.work(&grant, |_, _| {});
    for body in [spread(&body), body] {
        assert_eq!(refused(node.send(grant.lease, body).await).await, "lease-ended");
        assert_eq!((farm.results_beside(), farm.result_files().len()), (1, 1));
    }
}

#[tokio::test]
async fn results_of_an_earlier_master_are_assembled_with_new_ones() {
    let mut farm = Farm::start_with(|config| config.audits_itself = false).await;
    let job = farm.submit(one_frame).await;
    let mut node = farm.node(1).await;
    // All that it kept were files.
    node.submit_large(&node.lease(700).await).await;
    assert_eq!(farm.results_beside(), 0);
    farm.stop().await;
    take_back(&farm.database(), "0018_sums.sql").await;

    farm.config.audits_itself = true;
    farm.begin().await;
    node.at(&farm);
    node.submit(&node.lease(1).await).await;
    assert_eq!((farm.results_beside(), farm.result_files().len()), (1, 1));
    node.work_all(u64::MAX).await;
    let done: JobView = farm.until(&job, JobState::Completed).await;
    assert_eq!(done.units.verified, 8);
    eventually(async || (farm.stored_results() == 0).then_some(())).await;
}

/// Makes of a database what a master from before this migration would have written.
async fn take_back(file: &Path, before: &str) {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let migrations = std::fs::read_dir(migrations).unwrap().map(|entry| entry.unwrap().path());
    let mut earlier: Vec<PathBuf> =
        migrations.filter(|path| path.file_name().unwrap().to_str().unwrap() < before).collect();
    earlier.sort();
    // The master has let go of it once the log is gone, which whoever closes it last takes away.
    let log = file.with_extension("sqlite-wal");
    eventually(async || {
        let last = Connection::open(file).unwrap();
        last.query_row("SELECT COUNT(*) FROM job", (), |row| row.get::<_, u32>(0)).unwrap();
        drop(last);
        (!log.exists()).then_some(())
    })
    .await;

    let back = file.with_extension("back");
    let db = Connection::open(&back).unwrap();
    for path in &earlier {
        db.execute_batch(&std::fs::read_to_string(path).unwrap()).unwrap();
    }
    db.execute_batch(&format!("PRAGMA user_version = {}", earlier.len())).unwrap();
    db.execute("ATTACH ?1 AS later", [file.to_str().unwrap()]).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut names = db.prepare(sql).unwrap();
        names.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    for table in names("SELECT name FROM main.sqlite_schema WHERE type = 'table'") {
        let columns = names(&format!("SELECT name FROM pragma_table_info('{table}', 'main')"));
        let columns = columns.join(", ");
        db.execute_batch(&format!(
            "DELETE FROM main.{table}; \
             INSERT INTO main.{table} ({columns}) SELECT {columns} FROM later.{table}"
        ))
        .unwrap();
    }
    drop(db);
    assert!(!log.exists());
    std::fs::rename(&back, file).unwrap();
}

#[tokio::test]
async fn sums_lie_beside_their_result_until_they_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    store.create_job(new_job(1, |_| {})).await.unwrap();
    let with = |lease, commit, sums: &[u8]| CheckedResult {
        sums: Some(sums.to_vec()),
        ..result(lease, commit)
    };
    let lease =
        async |number| store.lease(ask(number, 1, 1)).await.unwrap().granted().unwrap().lease.id;
    let [one, other, file, ended] =
        [lease(0).await, lease(1).await, lease(2).await, lease(3).await];
    assert!(end(&store, ended).await);
    store.enter(with(one, 1, b"one")).await.unwrap();
    store.enter(with(other, 1, b"other")).await.unwrap();
    store.enter(result(file, 1)).await.unwrap();
    // What is not entered leaves nothing, and changes nothing.
    let entered = store.enter(with(one, 2, b"another")).await.unwrap();
    assert_eq!(entered, Entered::AnotherCommit);
    let entered = store.enter(with(one, 1, b"again")).await.unwrap();
    assert!(matches!(entered, Entered::Before(_)));
    let entered = store.enter(with(ended, 1, b"late")).await.unwrap();
    assert_eq!(entered, Entered::LeaseEnded);
    let kept = |store: &Sqlite| [one, other, file, ended].map(|id| store.sums(id).unwrap());
    let both = [Some(b"one".to_vec()), Some(b"other".to_vec()), None, None];
    assert_eq!(kept(&store), both);
    let commit = CommitId([1; 32]);
    assert!(!store.is_file_kept(one, commit).await.unwrap());
    assert!(store.is_file_kept(file, commit).await.unwrap());
    for lease in [one, other, file] {
        let waits = store.waiting_result(lease).await.unwrap().unwrap();
        assert_eq!(waits.beside, lease != file);
    }
    drop(store);

    let store = open(&folder);
    assert_eq!(kept(&store), both, "they are durable with their result");
    store.forget_results(vec![one, file, ended]).await.unwrap();
    assert_eq!(kept(&store), [None, Some(b"other".to_vec()), None, None]);
}
