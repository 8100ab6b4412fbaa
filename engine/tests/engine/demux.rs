//! Containers to units.

use crate::clips::{Source, ffmpeg, transport_stream};
use tessera_media::task::Container;

#[test]
fn a_transport_stream_gives_its_pictures_and_sound() {
    let source = Source::clip("320x180", "25", 2, "-bf 2");
    assert_eq!((source.video.width, source.video.height), (320, 180));
    assert_eq!(source.pictures.len(), 50);
    assert_eq!(source.segments().len(), 2);
    assert!(source.pictures.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    assert!(source.pictures.iter().all(|unit| unit.dts <= unit.pts));
    let mut times: Vec<_> = source.pictures.iter().map(|unit| unit.pts.0).collect();
    times.sort_unstable();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] == 3600));
    let audio = source.audio.unwrap();
    assert_eq!((audio.sample_rate, audio.channels), (48_000, 1));
    assert_eq!(source.sound.len(), 95);
}

#[test]
fn all_containers_give_the_same_units() {
    let ts = transport_stream("320x180", "25", 1, "-bf 2");
    let of = |container, muxer: &str| {
        Source::demuxed(
            container,
            &ffmpeg(&format!("-i pipe:0 -c copy -bsf:a aac_adtstoasc -f {muxer}"), &ts),
        )
    };
    let ts = Source::demuxed(Container::MpegTs, &ts);
    let flv = of(Container::Flv, "flv");
    let mp4 = of(Container::Mp4, "mp4 -movflags frag_keyframe+empty_moov+default_base_moof");
    let data = |source: &Source| -> Vec<_> {
        source.pictures.iter().map(|u| (u.keyframe, u.data.clone())).collect()
    };
    assert_eq!(data(&ts), data(&flv));
    assert_eq!(data(&ts), data(&mp4));
    assert_eq!(ts.video, flv.video);
    assert_eq!(ts.video, mp4.video);
}
