//! A keyframe to a small picture.

use crate::child::Engine;
use crate::clips::{Source, ffmpeg};
use tessera_media::task::Task;
use tessera_media::wire::{Body, TrackKind};

#[test]
fn a_keyframe_becomes_a_jpeg_of_its_colours() {
    // One colour: what it is can be asked of the picture again.
    let red =
        ffmpeg("-f lavfi -i color=red:size=640x360:rate=25:duration=1 -c:v libx264 -f mpegts", &[]);
    let source = Source::demuxed(tessera_media::task::Container::MpegTs, &red);
    let task = Task::Thumbnail { source: source.video.clone(), width: 160 };
    let unit = Body::Source(TrackKind::Video, source.pictures[0].clone());
    let said = Engine::start().run(task, [unit]);
    let [Body::Bytes(jpeg), Body::Finished] = &said[..] else { panic!("{said:?}") };
    let rgb = ffmpeg("-f mjpeg -i pipe:0 -f rawvideo -pix_fmt rgb24", jpeg);
    assert_eq!(rgb.len(), 160 * 90 * 3);
    assert!(rgb[0] > 245 && rgb[1] < 10 && rgb[2] < 10, "{:?}", &rgb[..3]);
}
