//! Streams in words.

use crate::show::numbers::{ago, count, duration, now_ms};
use std::time::Duration;
use tessera_protocol::Amount;
use tessera_protocol::stream::view::{
    HealthLevel, HealthNote, Latency, SessionView, StreamKeyView, StreamState, StreamView,
};
use tessera_protocol::stream::{Ladder, VideoCodec};

/// How to send with a new key: for OBS, for ffmpeg, and by the other doors.
pub(crate) fn how_to_send(made: &StreamKeyView) -> String {
    let mut text = format!(
        "  key      {}\n           shown this once; `farm stream rotate-key {}` makes another\n",
        made.key, made.stream.id
    );
    for ingest in &made.ingest {
        let url = &ingest.url;
        match ingest.protocol.as_str() {
            "rtmp" => {
                let server = url.strip_suffix(&made.key).unwrap_or(url).trim_end_matches('/');
                text.push_str(&format!(
                    "  OBS      Settings > Stream > Custom: server {server}\n           and the key above; \
                     Output: H.264, AAC, a keyframe every 2 s\n  ffmpeg   ffmpeg -re -i FILE -c:v \
                     libx264 -preset veryfast -force_key_frames 'expr:gte(t,n_forced*2)' -c:a aac \
                     -f flv '{url}'\n"
                ));
            }
            "srt" => text.push_str(&format!("  SRT      -f mpegts '{url}'\n")),
            "http" => {
                let folder = url.trim_end_matches('/');
                text.push_str(&format!("  HTTP     -f mpegts -method PUT '{folder}/stream.ts'\n"));
            }
            other => text.push_str(&format!("  {other:<8} {url}\n")),
        }
    }
    if made.ingest.is_empty() {
        text.push_str(
            "  no gateway is there yet; `farm stream rotate-key` says later where to send\n",
        );
    }
    match &made.stream.playback_url {
        Some(url) => text.push_str(&format!("  play     {url}\n")),
        None => {
            text.push_str("  play     `farm stream watch` says where, once something is sent\n");
        }
    }
    text
}

/// A stream, and the session under way or the last one.
pub(crate) fn describe(stream: &StreamView, session: Option<&SessionView>) -> String {
    let spec = &stream.spec;
    let latency = match spec.latency {
        Latency::Standard => "standard: segments of about 2 s",
        Latency::Short => "short: segments of about 1 s",
        Latency::Low => "low: parts of about a third of a second",
    };
    let mut text = format!(
        "{} · {}\n  state    {}\n  ladder   {}\n  latency  {latency}\n  made     {}\n",
        spec.name,
        stream.id,
        state(stream.state),
        ladder(&spec.ladder),
        ago(stream.created_ms, now_ms()),
    );
    let mut line = |name: &str, value: &str| text.push_str(&format!("  {name:<8} {value}\n"));
    if let Some(money) = money_line(stream) {
        line("money", &money);
    }
    if spec.record {
        line("records", "each session is kept");
    }
    if let Some(url) = &spec.restream {
        line("goes on", host(url));
    }
    if let Some(url) = &stream.playback_url {
        line("play", url);
    }
    if let Some(page) = watch_page(stream) {
        line("watch", &page);
    }
    if let Some(session) = session {
        line("session", &session_line(session));
        if let Some(source) = &session.source {
            line("source", source);
        }
        if let Some(why) = &session.ended_because {
            line("ended", why);
        }
        if let Some(recording) = &session.recording {
            line("recorded", &recording.playlist_url);
            line("", &recording.mp4_url);
        }
    }
    for note in &stream.health {
        line(level(note), &note.text);
    }
    text
}

/// What workers are paid, and what is left for them; `None` where nobody pays.
pub(crate) fn money_line(stream: &StreamView) -> Option<String> {
    let (money, most) = stream.money.zip(stream.spec.max_price)?;
    Some(format!(
        "{} of {} left; workers earned {}, at {most} for 10^12 pixels at most",
        money.left,
        money.deposited,
        money.charged.checked_add(money.pending).unwrap_or(Amount::MAX),
    ))
}

/// The page on which a browser plays a stream.
pub(crate) fn watch_page(stream: &StreamView) -> Option<String> {
    let (gateway, _) = stream.playback_url.as_ref()?.split_once("/live/")?;
    Some(format!("{gateway}/watch/{}", stream.playback_id))
}

/// A session's figures.
pub(crate) fn session_line(session: &SessionView) -> String {
    let end = session.ended_ms.unwrap_or_else(now_ms);
    let lasted = Duration::from_millis(end.saturating_sub(session.started_ms).max(0) as u64);
    let stood_in = match session.segments_from_source {
        0 => String::new(),
        count => format!(" ({count} of them the source itself)"),
    };
    format!(
        "{} by {}, {} segments{stood_in}, {} pixels encoded",
        duration(lasted),
        session.protocol,
        session.segments,
        count(session.pixels as f64),
    )
}

/// A stream's state in a word or two.
pub(crate) fn state(state: StreamState) -> &'static str {
    match state {
        StreamState::Idle => "idle",
        StreamState::Live => "live",
        StreamState::Ended => "ended",
    }
}

/// How bad a note is, in a word.
pub(crate) fn level(note: &HealthNote) -> &'static str {
    match note.level {
        HealthLevel::Info => "note",
        HealthLevel::Warning => "warning",
        HealthLevel::Error => "error",
    }
}

fn ladder(ladder: &Ladder) -> String {
    let steps = ladder.renditions().iter().map(|rendition| {
        let codec = match rendition.codec {
            VideoCodec::H264 => "",
            VideoCodec::H265 => " H.265",
            VideoCodec::Av1 => " AV1",
        };
        format!("{}{codec} {}bit/s", rendition.name, count(f64::from(rendition.bits_per_s)))
    });
    steps.collect::<Vec<_>>().join(", ")
}

/// Scheme and host of a URL: what follows may hold somebody's key.
fn host(url: &str) -> &str {
    let start = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[start..].find('/').map_or(url.len(), |path| start + path);
    &url[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use tessera_protocol::stream::view::{IngestUrl, StreamSpec};
    use tessera_protocol::{PlaybackId, StreamId};

    fn stream() -> StreamView {
        StreamView {
            id: StreamId([1; 16]),
            spec: StreamSpec {
                name: "concert".into(),
                ladder: "720p:2800k,360p:1M:av1".parse().unwrap(),
                latency: Latency::Low,
                record: true,
                restream: Some("rtmp://elsewhere/live/their-secret".into()),
                max_price: None,
            },
            state: StreamState::Idle,
            playback_id: PlaybackId([2; 16]),
            playback_url: None,
            session: None,
            health: vec![HealthNote {
                code: "x".into(),
                level: HealthLevel::Warning,
                text: "slow".into(),
            }],
            money: None,
            created_ms: now_ms(),
        }
    }

    #[test]
    fn who_sends_is_told_how_by_each_door() {
        let ingest =
            |protocol: &str, url: &str| IngestUrl { protocol: protocol.into(), url: url.into() };
        let made = StreamKeyView {
            stream: stream(),
            key: "k1".into(),
            ingest: vec![
                ingest("rtmp", "rtmp://here:1935/live/k1"),
                ingest("srt", "srt://here:9710?streamid=k1"),
                ingest("http", "http://here:8080/live/k1/"),
            ],
        };
        let text = how_to_send(&made);
        assert!(text.contains("server rtmp://here:1935/live\n"), "{text}");
        assert!(text.contains("-f flv 'rtmp://here:1935/live/k1'"), "{text}");
        assert!(text.contains("'srt://here:9710?streamid=k1'"), "{text}");
        assert!(text.contains("'http://here:8080/live/k1/stream.ts'"), "{text}");
        let played = StreamView {
            playback_url: Some("http://here:8080/live/0202/index.m3u8".into()),
            ..stream()
        };
        let page = format!("http://here:8080/watch/{}", "02".repeat(16));
        assert_eq!(watch_page(&played), Some(page));
        let nowhere = how_to_send(&StreamKeyView { ingest: vec![], ..made });
        assert!(nowhere.contains("no gateway"), "{nowhere}");
    }

    #[test]
    fn a_stream_is_described_without_others_keys() {
        let text = describe(&stream(), None);
        assert!(text.contains("720p 2.80 Mbit/s, 360p-av1 AV1 1.00 Mbit/s"), "{text}");
        assert!(text.contains("warning  slow"), "{text}");
        assert!(text.contains("rtmp://elsewhere\n") && !text.contains("their-secret"), "{text}");
    }
}
