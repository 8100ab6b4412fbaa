//! Multivariant playlists: a stream's renditions, of which a player takes the one that fits.

use super::Address;
use std::fmt;
use tessera_media::Ticks;

/// A stream's renditions.
#[derive(Debug, Clone, PartialEq)]
pub struct MultivariantPlaylist {
    /// The pictures; the first is what a player begins with that knows nothing else.
    pub variants: Vec<Variant>,
    /// The sound that goes with each of them, if there is sound.
    pub audio: Option<AudioRendition>,
}

/// One rendition of the pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    /// The address of its media playlist.
    pub uri: String,
    /// The most bits a second that any segment of its pictures takes.
    pub peak_bits_per_s: u64,
    /// Bits a second that its pictures take on average.
    pub average_bits_per_s: u64,
    /// What [`codec_string`](crate::codec_string) says of it.
    pub codec: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// How long a frame lasts, where the rate is steady.
    pub frame: Option<Ticks>,
}

/// The sound, which all renditions share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioRendition {
    /// The address of its media playlist.
    pub uri: String,
    /// Bits a second.
    pub bits_per_s: u64,
    /// What [`codec_string`](crate::codec_string) says of it.
    pub codec: String,
    /// Channels.
    pub channels: u16,
}

impl fmt::Display for MultivariantPlaylist {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS")?;
        if let Some(audio) = &self.audio {
            writeln!(
                f,
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound\",DEFAULT=YES,\
                 AUTOSELECT=YES,CHANNELS=\"{}\",URI=\"{}\"",
                audio.channels,
                Address(&audio.uri)
            )?;
        }
        self.variants.iter().try_for_each(|variant| variant.write(f, self.audio.as_ref()))
    }
}

impl Variant {
    /// Bits a second are those of pictures and sound together.
    fn write(&self, f: &mut fmt::Formatter<'_>, audio: Option<&AudioRendition>) -> fmt::Result {
        let sound = audio.map_or(0, |audio| audio.bits_per_s);
        let peak = self.peak_bits_per_s.max(self.average_bits_per_s) + sound;
        let average = self.average_bits_per_s + sound;
        write!(f, "#EXT-X-STREAM-INF:BANDWIDTH={peak},AVERAGE-BANDWIDTH={average}")?;
        write!(f, ",CODECS=\"{}", Address(&self.codec))?;
        if let Some(audio) = audio {
            write!(f, ",{}", Address(&audio.codec))?;
        }
        write!(f, "\",RESOLUTION={}x{}", self.width, self.height)?;
        if let Some(frame) = self.frame.filter(|frame| frame.0 > 0) {
            write!(f, ",FRAME-RATE={:.3}", Ticks::PER_SECOND as f64 / frame.0 as f64)?;
        }
        if audio.is_some() {
            write!(f, ",AUDIO=\"sound\"")?;
        }
        writeln!(f, "\n{}", Address(&self.uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variants() -> Vec<Variant> {
        let of = |height: u32, bits: u64, frame| Variant {
            uri: format!("{height}p/live.m3u8"),
            peak_bits_per_s: bits * 3 / 2,
            average_bits_per_s: bits,
            codec: "avc1.64001F".to_owned(),
            width: height * 16 / 9,
            height,
            frame,
        };
        vec![of(720, 2_800_000, Some(Ticks(3003))), of(360, 800_000, None)]
    }

    #[test]
    fn renditions_are_listed_with_the_sound_they_share() {
        let audio = AudioRendition {
            uri: "sound/live.m3u8".to_owned(),
            bits_per_s: 128_000,
            codec: "mp4a.40.2".to_owned(),
            channels: 2,
        };
        let playlist = MultivariantPlaylist { variants: variants(), audio: Some(audio) };
        assert_eq!(
            playlist.to_string().lines().collect::<Vec<_>>(),
            [
                "#EXTM3U",
                "#EXT-X-VERSION:7",
                "#EXT-X-INDEPENDENT-SEGMENTS",
                "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Sound\",DEFAULT=YES,\
                 AUTOSELECT=YES,CHANNELS=\"2\",URI=\"sound/live.m3u8\"",
                "#EXT-X-STREAM-INF:BANDWIDTH=4328000,AVERAGE-BANDWIDTH=2928000,\
                 CODECS=\"avc1.64001F,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=29.970,\
                 AUDIO=\"sound\"",
                "720p/live.m3u8",
                "#EXT-X-STREAM-INF:BANDWIDTH=1328000,AVERAGE-BANDWIDTH=928000,\
                 CODECS=\"avc1.64001F,mp4a.40.2\",RESOLUTION=640x360,AUDIO=\"sound\"",
                "360p/live.m3u8",
            ]
        );
    }

    #[test]
    fn a_silent_stream_has_no_group_of_sound() {
        let text = MultivariantPlaylist { variants: variants(), audio: None }.to_string();
        assert!(!text.contains("AUDIO") && !text.contains("mp4a"));
        assert!(
            text.contains("BANDWIDTH=4200000,AVERAGE-BANDWIDTH=2800000,CODECS=\"avc1.64001F\",")
        );
    }
}
