//! A job's receipts are fetched and checked by the command line, and whatever is changed in them is
//! found and named.

use crate::common::{Farm, said};
use std::path::{Path, PathBuf};
use tessera_film::pack;
use tessera_protocol::commit::{Commit, NodeKey};
use tessera_protocol::receipt::Receipt;
use tessera_protocol::submit::{self, SubmitHeader};
use tessera_protocol::terms::{Promise, Terms};
use tessera_protocol::verdict::{Verdict, Wrong, WrongPixel};
use tessera_protocol::{FrameNumber, PixelSum, SampleRange, SceneHash, tree};

/// A job of 48 frames, rendered, and its receipts in a folder.
async fn proven(farm: &Farm) -> PathBuf {
    let glb = tessera_scenes::conformance().swap_remove(0).glb;
    std::fs::write(farm.folder.path().join("room.glb"), &glb).unwrap();
    let submit =
        "submit room.glb --frames 0-47 --size 24x16 --spp 2 --max-bounces 2 --tile 8 --watch";
    let told = farm.json(&submit.split_whitespace().collect::<Vec<_>>()).await;
    let job = told[0]["id"].as_str().unwrap().to_owned();
    let fetched = farm.json(&["receipt", &job, "-o", "proof"]).await.remove(0);
    assert!(fetched["receipts"].as_u64().unwrap() >= 48, "{fetched}");
    farm.folder.path().join("proof")
}

/// What `farm verify` says, and whether it is content. It is told of no master at all.
async fn verify(farm: &Farm, more: &[&str]) -> (bool, String) {
    let arguments = [&["verify", "proof", "--pixels", "960"], more].concat();
    let output = farm.farm_with("http://127.0.0.1:1", "none", &arguments).await;
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &said(&output);
    (output.status.success(), text)
}

/// Changes a file for the time of one look at it, and expects that to be named.
async fn tampered(farm: &Farm, file: &Path, change: impl Fn(&mut Vec<u8>), named: &str) {
    let right = std::fs::read(file).unwrap();
    let mut wrong = right.clone();
    change(&mut wrong);
    assert_ne!(right, wrong, "nothing was changed in {}", file.display());
    std::fs::write(file, wrong).unwrap();
    let (content, text) = verify(farm, &[]).await;
    assert!(!content, "{} may be changed unseen: {named}", file.display());
    assert!(text.contains(named), "{named} is not named in:\n{text}");
    std::fs::write(file, right).unwrap();
}

fn replaced(from: &str, to: &str) -> impl Fn(&mut Vec<u8>) {
    let (from, to) = (from.to_owned(), to.to_owned());
    move |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        *bytes = text.replacen(&from, &to, 1).into_bytes();
    }
}

/// Changes the first receipt, whose line is read and written anew.
fn receipt(change: impl Fn(&mut Receipt)) -> impl Fn(&mut Vec<u8>) {
    move |bytes: &mut Vec<u8>| {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        let mut first: Receipt = serde_json::from_str(&lines[0]).unwrap();
        change(&mut first);
        lines[0] = serde_json::to_string(&first).unwrap();
        *bytes = (lines.join("\n") + "\n").into_bytes();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_forty_eight_frames_check_and_each_change_is_named() {
    let farm = Farm::start().await;
    let proof = proven(&farm).await;
    let (content, text) = verify(&farm, &[]).await;
    assert!(content, "{text}");
    assert!(text.contains("48 frames follow from their sums"), "{text}");
    assert!(text.contains("960 pixels"), "{text}");
    let receipts = std::fs::read_to_string(proof.join("receipts.jsonl")).unwrap();
    let first: Receipt = serde_json::from_str(receipts.lines().next().unwrap()).unwrap();
    let master = first.master().to_string();
    assert!(verify(&farm, &["--signed-by", &master]).await.0);
    let (content, text) = verify(&farm, &["--signed-by", &"1".repeat(64)]).await;
    assert!(!content && text.contains(&master), "{text}");

    let lines = proof.join("receipts.jsonl");
    tampered(&farm, &lines, receipt(|r| r.commit.results[0].rays += 1), "node's signature").await;
    tampered(&farm, &lines, receipt(|r| r.signature.0[9] ^= 1), "node's signature").await;
    tampered(&farm, &lines, receipt(|r| r.secret.0[9] ^= 1), "secret").await;
    tampered(&farm, &lines, receipt(|r| r.master_signature.0[9] ^= 1), "master's signature").await;
    let cut = |bytes: &mut Vec<u8>| {
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        bytes.drain(..end);
    };
    tampered(&farm, &lines, cut, "have no receipt that verifies them").await;
    let twice = |bytes: &mut Vec<u8>| {
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        bytes.extend_from_within(..end);
    };
    tampered(&farm, &lines, twice, "another one of the same lease").await;

    let sums = proof.join("results").join(first.commit.lease.to_string());
    let flipped = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    tampered(&farm, &sums, flipped, &first.commit.lease.to_string()).await;
    let scene = proof.join("scene.glb");
    tampered(&farm, &scene, |bytes| bytes[100] ^= 1, "scene.glb is not the job's").await;
    let rays = receipts_rays(&receipts);
    let job = proof.join("job.json");
    let told = (format!("\"rays\": {rays}"), format!("\"rays\": {}", rays + 1));
    tampered(&farm, &job, replaced(&told.0, &told.1), "rays").await;
    tampered(&farm, &job, replaced("\"seed\": 0", "\"seed\": 1"), "other settings").await;
    let hash = std::fs::read_to_string(proof.join("frames.json")).unwrap();
    let at = hash.find("\"hash\": \"").unwrap() + 9;
    let digit = if hash.as_bytes()[at] == b'0' { b'1' } else { b'0' };
    tampered(&farm, &proof.join("frames.json"), |b| b[at] = digit, "out of its sums").await;
    resigned(&farm, &proof).await;
    farm.stop().await;
}

/// A node and a master that conspire sign whatever they like, and the reader's own pixels show it.
async fn resigned(farm: &Farm, proof: &Path) {
    let key = |file: &str| {
        let mut secret = [0; 32];
        let text = std::fs::read_to_string(farm.folder.path().join(file)).unwrap();
        hex::decode_to_slice(text.trim(), &mut secret).unwrap();
        NodeKey::from_secret(&secret)
    };
    let (node, master) = (key("node/node.key"), key("master/master.key"));
    let lines = proof.join("receipts.jsonl");
    let text = std::fs::read_to_string(&lines).unwrap();
    let first: Receipt = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let issue = |commit: Commit, verdict: Verdict| {
        let signature = commit.sign(&node);
        let Terms { price, factor, .. } = first.terms;
        let terms = Promise::of(&commit, price, factor).sign(&master);
        let receipt = Receipt::issue(&master, commit, signature, terms, first.secret, verdict);
        assert_eq!(receipt.check(), Ok(()));
        receipt
    };

    // Every pixel of a lease false, and all of it signed, in the sums too.
    let file = proof.join("results").join(first.commit.lease.to_string());
    let body = std::fs::read(&file).unwrap();
    let (header, packed) = submit::decode(&body).unwrap();
    let (mut commit, mut sums) = (header.commit.clone(), vec![]);
    for (result, packed) in commit.results.iter_mut().zip(packed) {
        let mut pixels = pack::unpack(packed, 64, usize::MAX).unwrap();
        pixels.iter_mut().for_each(|pixel| pixel.r += 1);
        result.root = tree::root(&pixels);
        sums.push(pack::pack(&pixels));
    }
    let signature = commit.sign(&node);
    let packed_bytes = sums.iter().map(|sums| sums.len() as u64).collect();
    let header = SubmitHeader { commit: commit.clone(), signature, packed_bytes };
    std::fs::write(&file, submit::encode(&header, &sums)).unwrap();
    let falsified = issue(commit, first.verdict.clone());
    tampered(farm, &lines, receipt(|r| *r = falsified.clone()), "was verified as").await;
    tampered(farm, &lines, receipt(|r| *r = falsified.clone()), "out of its sums").await;
    std::fs::write(&file, body).unwrap();

    // Verified by fewer pixels than the rules say.
    let seldom = issue(first.commit.clone(), Verdict::Verified { pixels: 1 });
    tampered(farm, &lines, receipt(|r| *r = seldom.clone()), "and the rules draw").await;

    // Rejected for a scene that it never was, or for a pixel of another place.
    let commit = &first.commit;
    let scene = Wrong::Scene { signed: commit.scene, found: SceneHash([9; 32]) };
    let framed = issue(commit.clone(), Verdict::Rejected(Box::new(scene)));
    tampered(farm, &lines, receipt(|r| *r = framed.clone()), "was rejected, and its frame is")
        .await;
    let (_, packed) = submit::decode(&std::fs::read(&file).unwrap())
        .map(|(header, packed)| (header, packed[0].to_vec()))
        .unwrap();
    let pixels = pack::unpack(&packed, 64, usize::MAX).unwrap();
    let pixel = WrongPixel {
        unit: commit.results[0].unit,
        frame: FrameNumber(0),
        x: 23,
        y: 15,
        samples: SampleRange { start: 0, end: 2 },
        pixel: 0,
        proof: tree::prove(&pixels, 0).unwrap(),
        signed: pixels[0],
        found: PixelSum { r: pixels[0].r + 1, ..pixels[0] },
    };
    let elsewhere = Verdict::Rejected(Box::new(Wrong::Pixel(pixel.clone())));
    let elsewhere = issue(commit.clone(), elsewhere);
    tampered(farm, &lines, receipt(|r| *r = elsewhere.clone()), "not where it is said to be").await;
    let (x, y) = (0, 0);
    let here = Verdict::Rejected(Box::new(Wrong::Pixel(WrongPixel { x, y, ..pixel })));
    let here = issue(commit.clone(), here);
    tampered(farm, &lines, receipt(|r| *r = here.clone()), "something else of pixel").await;
}

fn receipts_rays(lines: &str) -> u64 {
    let of = |line: &str| -> u64 {
        let receipt: Receipt = serde_json::from_str(line).unwrap();
        receipt.commit.results.iter().map(|result| result.rays).sum()
    };
    lines.lines().map(of).sum()
}
