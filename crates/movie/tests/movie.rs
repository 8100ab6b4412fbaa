//! What went in comes out: count, size, rate, colours and their tags, read back through FFmpeg's
//! decoder and compared with BT.709's formulas, not with the writer's code.

use ffmpeg_next as ffmpeg;
use std::fs;
use std::path::Path;
use tessera_movie::{MovieError, MovieWriter};

type Rgb = [u8; 3];

/// Colours for a shot: no two alike, some saturated, so that a wrong matrix shows.
fn colours(count: usize) -> Vec<Rgb> {
    (0..count)
        .map(|n| [(n * 97 % 251) as u8, (n * 53 + 200) as u8, 255 - (n * 31 % 249) as u8])
        .collect()
}

/// A frame whose mean is `colour`, with stripes that are lighter and darker by up to 20.
fn striped(colour: Rgb, width: usize, height: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(3 * width * height);
    for pixel in 0..width * height {
        let up = (pixel % width / 8).is_multiple_of(2);
        for value in colour {
            let swing = 20.min(value).min(255 - value);
            bytes.push(if up { value + swing } else { value - swing });
        }
    }
    bytes
}

struct Movie {
    width: u32,
    height: u32,
    fps: f64,
    seconds: f64,
    tags: (ffmpeg::color::Space, ffmpeg::color::Range),
    /// Mean Y, Cb and Cr of each frame.
    means: Vec<[f64; 3]>,
}

fn read(path: &Path) -> Movie {
    ffmpeg::init().unwrap();
    let mut input = ffmpeg::format::input(path).unwrap();
    let stream = input.streams().best(ffmpeg::media::Type::Video).unwrap();
    let fps = f64::from(stream.avg_frame_rate());
    let seconds = stream.duration() as f64 * f64::from(stream.time_base());
    let context = ffmpeg::codec::context::Context::from_parameters(stream.parameters()).unwrap();
    let mut decoder = context.decoder().video().unwrap();
    assert_eq!(decoder.id(), ffmpeg::codec::Id::H264);

    let mut means = Vec::new();
    let mut frame = ffmpeg::frame::Video::empty();
    let mut tags = None;
    let packets: Vec<_> = input.packets().map(|(_, packet)| packet).collect();
    for packet in packets.iter().map(Some).chain([None]) {
        match packet {
            Some(packet) => decoder.send_packet(packet).unwrap(),
            None => decoder.send_eof().unwrap(),
        }
        while decoder.receive_frame(&mut frame).is_ok() {
            assert_eq!(frame.format(), ffmpeg::format::Pixel::YUV420P);
            tags = Some((frame.color_space(), frame.color_range()));
            means.push([0, 1, 2].map(|plane| mean(&frame, plane)));
        }
    }
    let (width, height) = (decoder.width(), decoder.height());
    Movie { width, height, fps, seconds, tags: tags.unwrap(), means }
}

fn mean(frame: &ffmpeg::frame::Video, plane: usize) -> f64 {
    let (width, height) = (frame.plane_width(plane) as usize, frame.plane_height(plane) as usize);
    let rows = frame.data(plane).chunks(frame.stride(plane)).take(height);
    let sum: f64 = rows.flat_map(|row| &row[..width]).map(|&value| f64::from(value)).sum();
    sum / (width * height) as f64
}

/// Y, Cb and Cr in limited range, for a matrix given by its shares of red and blue.
fn yuv([r, g, b]: Rgb, red: f64, blue: f64) -> [f64; 3] {
    let [r, g, b] = [r, g, b].map(|value| f64::from(value) / 255.0);
    let y = red * r + (1.0 - red - blue) * g + blue * b;
    [
        16.0 + 219.0 * y,
        128.0 + 112.0 * (b - y) / (1.0 - blue),
        128.0 + 112.0 * (r - y) / (1.0 - red),
    ]
}

const BT_709: (f64, f64) = (0.2126, 0.0722);
const BT_601: (f64, f64) = (0.299, 0.114);

/// How far the frames are from colours, in levels: the worst of all.
fn worst_difference(movie: &Movie, colours: &[Rgb], (red, blue): (f64, f64)) -> f64 {
    assert_eq!(movie.means.len(), colours.len());
    let pairs = movie.means.iter().zip(colours);
    pairs
        .flat_map(|(mean, &colour)| {
            let expected = yuv(colour, red, blue);
            mean.iter().zip(expected).map(|(a, b)| (a - b).abs()).collect::<Vec<_>>()
        })
        .fold(0.0, f64::max)
}

fn write(path: &Path, width: u32, height: u32, fps: u32, colours: &[Rgb]) {
    let mut movie = MovieWriter::create(path, width, height, fps).unwrap();
    for &colour in colours {
        movie.push(&striped(colour, width as usize, height as usize)).unwrap();
    }
    movie.finish().unwrap();
}

#[test]
fn twelve_frames_come_back_in_order_and_in_colour() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("shot: take 1.mp4");
    let colours = colours(12);
    write(&path, 96, 64, 24, &colours);

    let movie = read(&path);
    assert_eq!((movie.width, movie.height, movie.fps), (96, 64, 24.0));
    assert!((movie.seconds - 0.5).abs() < 1e-6, "{} s", movie.seconds);
    assert_eq!(movie.tags, (ffmpeg::color::Space::BT709, ffmpeg::color::Range::MPEG));
    let difference = worst_difference(&movie, &colours, BT_709);
    assert!(difference < 1.5, "{difference} levels off");

    // The same comparison notices two frames changed over, and the matrix of another standard.
    let mut shuffled = colours.clone();
    shuffled.swap(4, 5);
    assert!(worst_difference(&movie, &shuffled, BT_709) > 10.0);
    assert!(worst_difference(&movie, &colours, BT_601) > 5.0);
}

#[test]
fn the_index_comes_before_the_pictures() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("movie");
    write(&path, 32, 32, 30, &colours(3));
    let bytes = fs::read(&path).unwrap();
    let mut boxes = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        boxes.push(String::from_utf8_lossy(&bytes[at + 4..at + 8]).into_owned());
        at += length as usize;
    }
    let place = |name| boxes.iter().position(|b| b == name).unwrap();
    assert!(place("moov") < place("mdat"), "{boxes:?}");
}

#[test]
fn one_frame_of_odd_size_is_a_movie() {
    let scratch = tempfile::tempdir().unwrap();
    for (width, height, even) in [(33, 17, (34, 18)), (1, 1, (2, 2)), (640, 359, (640, 360))] {
        let path = scratch.path().join(format!("{width}x{height}.mp4"));
        let colour = [200, 40, 90];
        let mut movie = MovieWriter::create(&path, width, height, 25).unwrap();
        movie.push(&colour.repeat((width * height) as usize)).unwrap();
        movie.finish().unwrap();
        let movie = read(&path);
        assert_eq!((movie.width, movie.height), even);
        // Were the edge padded with anything but itself, the mean would show it.
        let difference = worst_difference(&movie, &[colour], BT_709);
        assert!(difference < 1.5, "{width}×{height}: {difference} levels off");
        assert!((movie.seconds - 0.04).abs() < 1e-6, "{} s", movie.seconds);
    }
}

#[test]
fn what_makes_no_movie_is_refused_in_words() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("movie.mp4");
    for (width, height, fps) in [(0, 2, 24), (2, 0, 24), (2, 2, 0), (20_000, 2, 24)] {
        let refused = MovieWriter::create(&path, width, height, fps).err().unwrap();
        assert!(matches!(refused, MovieError::Shape { .. }), "{refused}");
    }
    let nowhere = scratch.path().join("missing/movie.mp4");
    let refused = MovieWriter::create(&nowhere, 2, 2, 24).err().unwrap().to_string();
    assert_eq!(refused, "could not create the movie's file: No such file or directory");
    let refused = MovieWriter::create(Path::new("a\0b"), 2, 2, 24).err().unwrap();
    assert!(matches!(refused, MovieError::Path(_)), "{refused}");

    let mut movie = MovieWriter::create(&path, 4, 4, 24).unwrap();
    let refused = movie.push(&[0; 47]).unwrap_err().to_string();
    assert_eq!(refused, "a frame of 47 bytes came where 48 were expected");
    assert!(matches!(movie.finish(), Err(MovieError::NoFrames)));
}

#[test]
fn a_writer_can_be_handed_to_a_thread() {
    fn is_send<T: Send>() {}
    is_send::<MovieWriter>();
}
