//! What workers might send: honest encodes of many kinds, and cheats.

/// A step of the ladder.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rung {
    pub(super) height: u32,
    pub(super) kbits_per_s: u32,
}

pub(super) const LADDER: [Rung; 4] = [
    Rung { height: 720, kbits_per_s: 2800 },
    Rung { height: 480, kbits_per_s: 1400 },
    Rung { height: 360, kbits_per_s: 800 },
    Rung { height: 240, kbits_per_s: 400 },
];

/// One way to make a rendition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encode {
    pub(super) name: &'static str,
    /// Which step of the ladder.
    pub(super) rung: usize,
    /// Filters of ffmpeg; capitals stand for the rung's size and for what `trial` names.
    pub(super) filter: &'static str,
    /// Which pictures are fed to it.
    pub(super) input: Input,
    pub(super) encoder: Encoder,
    /// The bitrate that was asked, as a share of the ladder's.
    pub(super) asked: f64,
    /// The bitrate that the encoder was told, as a share of the one asked.
    pub(super) told: f64,
}

impl Encode {
    /// Whether it shows pictures of other moments, which are the same where nothing moves.
    pub(super) fn is_of_time(&self) -> bool {
        let of_time = ["select=", "tpad=", "reverse", "FREEZE"];
        self.input == Input::Before || of_time.iter().any(|filter| self.filter.contains(filter))
    }
}

/// A filter that shows the first picture's lowest quarter throughout.
pub(super) const FREEZE: &str = "split[a][b];[b]trim=end_frame=1,crop=iw:ih/4:0:ih*3/4,\
     loop=loop=-1:size=1[c];[a][c]overlay=0:H*3/4";

/// What an encode is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Input {
    /// The segment that was asked.
    Segment,
    /// The one before.
    Before,
    /// Another stream's.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Encoder {
    X264(&'static str),
    X265,
    SvtAv1,
}

impl Encoder {
    /// ffmpeg's arguments for so many kbit/s.
    pub(super) fn arguments(self, kbits_per_s: u32) -> String {
        match self {
            Self::X264(preset) => {
                format!("-c:v libx264 -preset {preset} -b:v {kbits_per_s}k -g 600 -sc_threshold 0")
            }
            Self::X265 => format!(
                "-c:v libx265 -preset superfast -b:v {kbits_per_s}k \
                 -x265-params log-level=none:pools=1:frame-threads=1"
            ),
            Self::SvtAv1 => {
                format!("-c:v libsvtav1 -preset 10 -b:v {kbits_per_s}k -svtav1-params lp=1")
            }
        }
    }
}

const PLAIN: &str = "scale=SIZE:flags=bicubic";
/// A badge of a fourteenth of the width, half translucent, dark in a light frame.
pub(super) const BADGE: &str = "drawbox=x=iw*0.88:y=ih*0.05:w=iw*0.07:h=ih*0.07:c=white@0.5:t=fill,\
     drawbox=x=iw*0.895:y=ih*0.065:w=iw*0.04:h=ih*0.04:c=black@0.5:t=fill";

/// Encodes that nobody may refuse. All scale by a cubic filter or a sharper one, as the engine
/// does: a bilinear one is a blur.
pub(super) fn honest() -> Vec<Encode> {
    use Encoder::{SvtAv1, X264, X265};
    const CASCADE: &str =
        "scale=1280:720:flags=bicubic,scale=854:480:flags=bicubic,scale=SIZE:flags=bicubic";
    const LANCZOS: &str = "scale=SIZE:flags=lanczos";
    let list: [(&str, usize, Encoder, f64, &str); 15] = [
        ("x264 veryfast", 0, X264("veryfast"), 1.0, PLAIN),
        ("x264 veryfast, 60 % bitrate", 0, X264("veryfast"), 0.6, PLAIN),
        ("x264 ultrafast", 0, X264("ultrafast"), 1.0, PLAIN),
        ("x264 fast", 0, X264("fast"), 1.0, LANCZOS),
        ("SVT-AV1, 60 % bitrate", 1, SvtAv1, 0.6, PLAIN),
        ("x264 superfast", 1, X264("superfast"), 1.0, PLAIN),
        ("x264 ultrafast, 70 % bitrate", 1, X264("ultrafast"), 0.7, PLAIN),
        ("x264 live", 1, X264("superfast -tune zerolatency"), 1.0, PLAIN),
        ("x265, 70 % bitrate", 1, X265, 0.7, PLAIN),
        ("x264 veryfast, cascade", 2, X264("veryfast"), 1.0, CASCADE),
        ("x264 veryfast, Lanczos", 2, X264("veryfast"), 1.0, LANCZOS),
        ("x264 live, 70 % bitrate", 2, X264("superfast -tune zerolatency"), 0.7, PLAIN),
        ("SVT-AV1, 70 % bitrate", 2, SvtAv1, 0.7, PLAIN),
        ("x264 veryfast, cascade", 3, X264("veryfast"), 1.0, CASCADE),
        ("x265, 80 % bitrate", 3, X265, 0.8, PLAIN),
    ];
    let of = |(name, rung, encoder, asked, filter)| Encode {
        name,
        rung,
        filter,
        input: Input::Segment,
        encoder,
        asked,
        told: 1.0,
    };
    list.map(of).into()
}

/// Encodes that are not what was asked. All of them have the structure that was asked.
pub(super) fn cheats() -> Vec<Encode> {
    let list: [(&str, usize, &str); 31] = [
        ("480 enlarged to 720", 0, "scale=854:480:flags=bicubic,scale=SIZE:flags=bicubic"),
        ("480 enlarged to 720, Lanczos", 0, "scale=854:480:flags=area,scale=SIZE:flags=lanczos"),
        (
            "480 enlarged to 720, sharpened",
            0,
            "scale=854:480:flags=bicubic,scale=SIZE:flags=bicubic,unsharp=5:5:1",
        ),
        ("360 enlarged to 720", 0, "scale=640:360:flags=bicubic,scale=SIZE:flags=bicubic"),
        ("360 enlarged to 480", 1, "scale=640:360:flags=bicubic,scale=SIZE:flags=bicubic"),
        ("240 enlarged to 480", 1, "scale=426:240:flags=bicubic,scale=SIZE:flags=bicubic"),
        ("240 enlarged to 360", 2, "scale=426:240:flags=bicubic,scale=SIZE:flags=bicubic"),
        ("half frame rate", 0, "select=not(mod(n\\,2)),HOLD,scale=SIZE:flags=bicubic"),
        ("half frame rate", 2, "select=not(mod(n\\,2)),HOLD,scale=SIZE:flags=bicubic"),
        ("two thirds of the frame rate", 1, "select=mod(n\\,3),HOLD,scale=SIZE:flags=bicubic"),
        ("one picture throughout", 1, "select=eq(n\\,0),HOLD,scale=SIZE:flags=bicubic"),
        ("frozen second half", 2, "select=lt(t\\,1),HOLD,scale=SIZE:flags=bicubic"),
        ("one frame late", 1, "tpad=start=1:start_mode=clone,scale=SIZE:flags=bicubic"),
        ("four frames late", 3, "tpad=start=4:start_mode=clone,scale=SIZE:flags=bicubic"),
        ("backwards", 2, "scale=SIZE:flags=bicubic,reverse"),
        ("blurred", 0, "scale=SIZE:flags=bicubic,gblur=sigma=1.2"),
        ("blurred", 2, "scale=SIZE:flags=bicubic,gblur=sigma=1"),
        ("blurred much", 1, "scale=SIZE:flags=bicubic,gblur=sigma=3"),
        ("small watermark", 0, "scale=SIZE:flags=bicubic,BADGE"),
        ("small watermark", 2, "scale=SIZE:flags=bicubic,BADGE"),
        (
            "words over it",
            1,
            "scale=SIZE:flags=bicubic,drawtext=text=SAMPLE:fontsize=h/18:fontcolor=white@0.6:\
             borderw=1:x=w*0.8:y=h*0.9",
        ),
        ("black", 2, "scale=SIZE,drawbox=c=black:t=fill"),
        ("grey", 1, "scale=SIZE:flags=bicubic,hue=s=0"),
        ("pale", 2, "scale=SIZE:flags=bicubic,hue=s=0.6"),
        ("hue turned", 0, "scale=SIZE:flags=bicubic,hue=h=20"),
        ("red for blue", 3, "scale=SIZE:flags=bicubic,shuffleplanes=0:2:1"),
        ("lighter", 1, "scale=SIZE:flags=bicubic,eq=brightness=0.06"),
        ("mirrored", 2, "scale=SIZE:flags=bicubic,hflip"),
        ("cropped by 4 % and enlarged", 1, "crop=iw*0.96:ih*0.96,scale=SIZE:flags=bicubic"),
        (
            "lowest quarter black",
            3,
            "scale=SIZE:flags=bicubic,drawbox=y=ih*0.75:h=ih*0.25:w=iw:c=black:t=fill",
        ),
        ("lowest quarter frozen", 0, "scale=SIZE:flags=bicubic,FREEZE"),
    ];
    let of = |(name, rung, filter)| Encode {
        name,
        rung,
        filter,
        input: Input::Segment,
        encoder: Encoder::X264("veryfast"),
        asked: 1.0,
        told: 1.0,
    };
    let spare = |told, name, rung| Encode { told, ..of((name, rung, PLAIN)) };
    let mut cheats: Vec<_> = list.map(of).into();
    cheats.extend([0, 1, 2].map(|rung| spare(0.25, "a quarter of the bitrate", rung)));
    cheats.push(spare(0.5, "half of the bitrate", 1));
    cheats.push(Encode { input: Input::Before, ..of(("the segment before", 1, PLAIN)) });
    cheats.push(Encode {
        input: Input::Other,
        ..of(("another stream", 2, "HOLD,scale=SIZE:flags=bicubic"))
    });
    cheats
}
