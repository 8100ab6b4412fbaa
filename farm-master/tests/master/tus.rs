//! Uploads that go on after whatever broke them.

use crate::world::{Farm, eventually, read, refused, spec};
use reqwest::{Method, Response, StatusCode};
use tessera_protocol::job::UploadView;
use tessera_protocol::token::{TokenRequest, TokenScope, TokenView};
use tessera_protocol::{BlobHash, tus};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

/// Somebody who uploads.
struct Sender<'a> {
    farm: &'a Farm,
    token: String,
}

impl<'a> Sender<'a> {
    async fn artist(farm: &'a Farm) -> Self {
        let request = TokenRequest { scope: TokenScope::Artist };
        let view = farm.post("/v1/tokens", &request).await;
        let TokenView { token, .. } = read(view, StatusCode::CREATED).await;
        Self { farm, token }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.farm.http.request(method, self.farm.at(path)).bearer_auth(&self.token);
        request.header(tus::RESUMABLE, tus::VERSION)
    }

    async fn begin(&self, bytes: usize, metadata: &str) -> Response {
        let request = self.request(Method::POST, "/v1/tus").header(tus::LENGTH, bytes);
        request.header(tus::METADATA, metadata).send().await.unwrap()
    }

    /// Begins an upload of these bytes, which are announced, and says where it goes.
    async fn begun(&self, bytes: &[u8]) -> (String, u64) {
        let begun = self.begin(bytes.len(), &tus::metadata(hash(bytes))).await;
        assert_eq!(begun.status(), StatusCode::CREATED);
        (begun.headers()["location"].to_str().unwrap().to_owned(), offset(&begun))
    }

    async fn head(&self, place: &str) -> Response {
        self.request(Method::HEAD, place).send().await.unwrap()
    }

    async fn patch(&self, place: &str, at: u64, bytes: &[u8]) -> Response {
        let request = self.request(Method::PATCH, place).header(tus::OFFSET, at);
        request.header("content-type", tus::PIECE).body(bytes.to_vec()).send().await.unwrap()
    }

    /// A connection over which `bytes` of `announced` bytes came, and which stands still then.
    async fn stuck(&self, place: &str, at: u64, bytes: &[u8], announced: usize) -> TcpStream {
        let host = self.farm.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).await.unwrap();
        let head = format!(
            "PATCH {place} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
             tus-resumable: 1.0.0\r\ncontent-type: {}\r\nupload-offset: {at}\r\n\
             content-length: {announced}\r\n\r\n",
            self.token,
            tus::PIECE
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }
}

fn hash(bytes: &[u8]) -> BlobHash {
    BlobHash(*blake3::hash(bytes).as_bytes())
}

fn offset(response: &Response) -> u64 {
    response.headers()[tus::OFFSET].to_str().unwrap().parse().unwrap()
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise
}

#[tokio::test]
async fn an_upload_comes_in_pieces_and_is_a_file_at_its_end() {
    let farm = Farm::start().await;
    let artist = Sender::artist(&farm).await;
    let options = farm.http.request(Method::OPTIONS, farm.at("/v1/tus")).send().await.unwrap();
    assert_eq!(options.headers()["tus-version"], tus::VERSION);
    assert_eq!(options.headers()["tus-extension"], "creation,termination");

    let bytes = noise(100_000);
    let (place, here) = artist.begun(&bytes).await;
    assert_eq!(here, 0);
    let sent = artist.patch(&place, 0, &bytes[..40_000]).await;
    assert_eq!((sent.status(), offset(&sent)), (StatusCode::NO_CONTENT, 40_000));
    assert_eq!(sent.headers()[tus::RESUMABLE], tus::VERSION);
    assert!(!sent.headers().contains_key(tus::BLOB));
    let head = artist.head(&place).await;
    assert_eq!((head.status(), offset(&head)), (StatusCode::OK, 40_000));
    assert_eq!(head.headers()[tus::LENGTH], "100000");
    assert_eq!(head.headers()["cache-control"], "no-store");

    let sent = artist.patch(&place, 40_000, &bytes[40_000..]).await;
    let blob = hash(&bytes).to_string();
    assert_eq!(sent.headers()[tus::BLOB], blob.as_str());
    assert_eq!(artist.head(&place).await.headers()[tus::BLOB], blob.as_str());
    let job = artist.request(Method::POST, "/v1/jobs").json(&spec(hash(&bytes)));
    assert_eq!(job.send().await.unwrap().status(), StatusCode::CREATED);

    // The same file again: nothing has to travel, nor by the other door.
    let (again, here) = artist.begun(&bytes).await;
    assert_eq!(here, 100_000);
    assert_eq!(artist.head(&again).await.headers()[tus::BLOB], blob.as_str());
    let whole = artist.request(Method::POST, "/v1/uploads").body(bytes).send().await.unwrap();
    assert!(read::<UploadView>(whole, StatusCode::CREATED).await.known);
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_costs_the_upload_nothing() {
    let farm = Farm::start_with(|config| config.upload_bytes_max = 1000).await;
    let artist = Sender::artist(&farm).await;
    assert_eq!(refused(artist.begin(1001, "").await).await, "body-too-large");
    assert_eq!(refused(artist.begin(10, "blake3 c2hvdA==").await).await, "request-malformed");
    let no_length = artist.request(Method::POST, "/v1/tus").send().await.unwrap();
    assert_eq!(refused(no_length).await, "request-malformed");
    let (place, _) = artist.begun(b"0123456789").await;
    let with = |name: &str, value: &str| {
        let request = artist.farm.http.patch(farm.at(&place)).bearer_auth(&artist.token);
        let mut headers = reqwest::header::HeaderMap::new();
        for (name, value) in [
            (tus::RESUMABLE, tus::VERSION),
            (tus::OFFSET, "0"),
            ("content-type", tus::PIECE),
            (name, value),
        ] {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            headers.insert(name, value.parse().unwrap());
        }
        request.headers(headers).body("0123456789").send()
    };
    for (name, value, code) in [
        (tus::RESUMABLE, "0.2.2", "tus-version-differs"),
        (tus::OFFSET, "4", "offset-differs"),
        (tus::OFFSET, "-1", "request-malformed"),
        ("content-type", "application/octet-stream", "media-type-refused"),
    ] {
        assert_eq!(refused(with(name, value).await.unwrap()).await, code, "{name}: {value}");
    }
    let beyond = artist.patch(&place, 0, b"0123456789a").await;
    assert_eq!(refused(beyond).await, "body-too-large");
    // Whatever that left, the rest completes it.
    let here = offset(&artist.head(&place).await);
    assert!(here <= 10);
    let rest = &b"0123456789"[usize::try_from(here).unwrap()..];
    let sent = artist.patch(&place, here, rest).await;
    assert_eq!(sent.headers()[tus::BLOB], hash(b"0123456789").to_string().as_str());

    let (other, _) = artist.begun(b"these").await;
    assert_eq!(refused(artist.patch(&other, 0, b"those").await).await, "upload-differs");
    assert_eq!(artist.head(&other).await.status(), StatusCode::NOT_FOUND);
    let (given_up, _) = artist.begun(b"nobody wants it").await;
    let deleted = artist.request(Method::DELETE, &given_up).send().await.unwrap();
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(artist.head(&given_up).await.status(), StatusCode::NOT_FOUND);

    for _ in 0..64 {
        assert_eq!(artist.begin(10, "").await.status(), StatusCode::CREATED);
    }
    assert_eq!(refused(artist.begin(10, "").await).await, "too-many-uploads");
    let another = Sender::artist(&farm).await;
    assert_eq!(another.begin(10, "").await.status(), StatusCode::CREATED);
}

#[tokio::test]
async fn an_upload_and_a_file_are_only_their_owners() {
    let farm = Farm::start().await;
    let (owner, other) = (Sender::artist(&farm).await, Sender::artist(&farm).await);
    let (place, _) = owner.begun(b"a scene").await;
    assert_eq!(other.head(&place).await.status(), StatusCode::NOT_FOUND);
    let deleted = other.request(Method::DELETE, &place).send().await.unwrap();
    for refusal in [other.patch(&place, 0, b"a scene").await, deleted] {
        assert_eq!(refused(refusal).await, "upload-not-found");
    }
    owner.patch(&place, 0, b"a scene").await;
    // Every receipt and every picture names the scene's hash: it opens nothing.
    let job = async |who: &Sender<'_>| {
        let request = who.request(Method::POST, "/v1/jobs").json(&spec(hash(b"a scene")));
        request.send().await.unwrap()
    };
    assert_eq!(refused(job(&other).await).await, "upload-missing");
    let (copy, here) = other.begun(b"a scene").await;
    assert_eq!(here, 0, "nobody learns what others have");
    other.patch(&copy, 0, b"a scene").await;
    for who in [&owner, &other, &Sender { farm: &farm, token: farm.token.clone() }] {
        assert_eq!(job(who).await.status(), StatusCode::CREATED);
    }
}

#[tokio::test]
async fn a_dead_connection_holds_nobody_up() {
    let farm = Farm::start().await;
    let artist = Sender::artist(&farm).await;
    let bytes = noise(200_000);
    let (place, _) = artist.begun(&bytes).await;
    let stuck = artist.stuck(&place, 0, &bytes[..150_000], bytes.len()).await;
    let file = farm.config.state.join("blobs/partial").join(place.rsplit('/').next().unwrap());
    let came = || std::fs::metadata(&file).unwrap().len();
    eventually(async || (came() == 150_000).then_some(())).await;
    // The master hears of its end only after half a minute; whoever comes next does not wait for that.
    let here = offset(&artist.head(&place).await);
    assert_eq!(here, 150_000);
    let from = usize::try_from(here).unwrap();
    let sent = artist.patch(&place, here, &bytes[from..]).await;
    assert_eq!(sent.headers()[tus::BLOB], hash(&bytes).to_string().as_str());
    drop(stuck);
}

#[tokio::test]
async fn a_hundred_cuts_and_five_restarts_lose_no_byte() {
    let mut farm = Farm::start().await;
    let token = Sender::artist(&farm).await.token;
    let bytes = noise(3_000_000);
    let (place, _) = Sender { farm: &farm, token: token.clone() }.begun(&bytes).await;
    let mut cuts = blake3::Hasher::new_derive_key("where connections are cut").finalize_xof();
    for cut in 0..100 {
        let artist = Sender { farm: &farm, token: token.clone() };
        let here = offset(&artist.head(&place).await);
        let from = usize::try_from(here).unwrap();
        let mut draw = [0; 4];
        cuts.fill(&mut draw);
        let left = bytes.len() - from;
        let piece = (u32::from_le_bytes(draw) as usize % 50_000).min(left - 1);
        let mut stream =
            artist.stuck(&place, here, &bytes[from..from + piece], bytes.len() - from).await;
        stream.shutdown().await.unwrap();
        drop(stream);
        if cut % 20 == 19 {
            farm.restart().await;
        }
    }
    let artist = Sender { farm: &farm, token };
    let here = offset(&artist.head(&place).await);
    assert!(here > 0 && here < bytes.len() as u64);
    let from = usize::try_from(here).unwrap();
    let sent = artist.patch(&place, here, &bytes[from..]).await;
    assert_eq!(sent.headers()[tus::BLOB], hash(&bytes).to_string().as_str());
}
