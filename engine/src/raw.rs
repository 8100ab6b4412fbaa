//! The few fields of FFmpeg's structures that its safe wrapper does not offer.

use bytes::Bytes;
use ffmpeg::codec::{Context, Parameters};
use ffmpeg::software::scaling::Flags;
use ffmpeg::software::scaling::context::Definition;
use ffmpeg::{ffi, frame};
use ffmpeg_next as ffmpeg;
use std::ptr::{self, NonNull};

/// Most pixels of a picture that is decoded: 8K. Beyond, a few bytes could claim gigabytes.
const MAX_PIXELS: i64 = 7680 * 4320;

/// Gives a decoder that is not open yet its configuration record.
pub(crate) fn set_extradata(context: &mut Context, config: &[u8]) -> Result<(), ffmpeg::Error> {
    let size = i32::try_from(config.len()).map_err(|_| ffmpeg::Error::InvalidData)?;
    let padded = config.len() + ffi::AV_INPUT_BUFFER_PADDING_SIZE as usize;
    // SAFETY: `context` is a live context that nobody else refers to. The buffer is zeroed, has
    // room for `config` and the padding that FFmpeg reads over, and is allocated as FFmpeg wants
    // it, who frees it with the context; whatever was there before is freed first.
    unsafe {
        let context = context.as_mut_ptr();
        ffi::av_freep((&raw mut (*context).extradata).cast());
        (*context).extradata_size = 0;
        let buffer = ffi::av_mallocz(padded).cast::<u8>();
        if buffer.is_null() {
            return Err(ffmpeg::Error::Other { errno: ffi::ENOMEM });
        }
        ptr::copy_nonoverlapping(config.as_ptr(), buffer, config.len());
        (*context).extradata = buffer;
        (*context).extradata_size = size;
    }
    Ok(())
}

/// What an open encoder says of its stream: with global headers, the parameter sets.
pub(crate) fn extradata(context: &Context) -> Bytes {
    // SAFETY: while the context lives and is borrowed, `extradata` is null or points to
    // `extradata_size` bytes.
    unsafe {
        let context = context.as_ptr();
        bytes_at((*context).extradata, (*context).extradata_size)
    }
}

/// Pictures that an open encoder gives out of their order at most.
pub(crate) fn reorder_depth(context: &Context) -> usize {
    // SAFETY: a plain number of a live context.
    let depth = unsafe { (*context.as_ptr()).has_b_frames };
    usize::try_from(depth).unwrap_or(0)
}

/// Pictures that a decoder holds back at least to bring them into order; it may find that it needs
/// more.
pub(crate) fn set_reorder_depth(context: &mut Context, depth: u8) {
    // SAFETY: a plain number of a live context, which FFmpeg's own demuxing code sets likewise.
    unsafe { (*context.as_mut_ptr()).has_b_frames = i32::from(depth) }
}

/// Refuses pictures beyond [`MAX_PIXELS`].
pub(crate) fn limit_pixels(context: &mut Context) {
    // SAFETY: a plain number of a live context.
    unsafe { (*context.as_mut_ptr()).max_pixels = MAX_PIXELS }
}

/// Another frame that shares the samples of this one; its time and kind are its own.
pub(crate) fn share(frame: &frame::Video) -> Result<frame::Video, ffmpeg::Error> {
    let mut other = frame::Video::empty();
    // SAFETY: both are live; `other` is blank, as a new reference must be. The samples are counted,
    // and nobody writes to a frame after it was made.
    match unsafe { ffi::av_frame_ref(other.as_mut_ptr(), frame.as_ptr()) } {
        0 => Ok(other),
        error => Err(ffmpeg::Error::from(error)),
    }
}

/// What a container says of a stream's codec: a configuration record, or nothing.
pub(crate) fn configuration(parameters: &Parameters) -> Bytes {
    // SAFETY: while the parameters live and are borrowed, `extradata` is null or points to
    // `extradata_size` bytes.
    unsafe {
        let parameters = parameters.as_ptr();
        bytes_at((*parameters).extradata, (*parameters).extradata_size)
    }
}

/// # Safety
/// `data` is null, or points to `size` bytes.
unsafe fn bytes_at(data: *const u8, size: i32) -> Bytes {
    match usize::try_from(size) {
        // SAFETY: as the caller says.
        Ok(size) if !data.is_null() => unsafe {
            Bytes::copy_from_slice(std::slice::from_raw_parts(data, size))
        },
        _ => Bytes::new(),
    }
}

/// Pixels of a picture, by what a decoder was told.
pub(crate) fn pixels(context: &Context) -> u32 {
    // SAFETY: plain numbers of a live context.
    let (width, height) = unsafe { ((*context.as_ptr()).width, (*context.as_ptr()).height) };
    u32::try_from(i64::from(width) * i64::from(height)).unwrap_or(u32::MAX)
}

/// Scales pictures of one size and form to another, which FFmpeg's wrapper does by its own choice of
/// curve only.
pub(crate) struct Scaling {
    context: NonNull<ffi::SwsContext>,
    from: Definition,
    to: Definition,
}

impl Scaling {
    /// With a cubic curve of B = 0 and this C: how sharp it is.
    pub(crate) fn cubic(from: Definition, to: Definition, c: f64) -> Option<Self> {
        let side = |n: u32| i32::try_from(n).ok();
        let (from_width, from_height) = (side(from.width)?, side(from.height)?);
        let (to_width, to_height) = (side(to.width)?, side(to.height)?);
        let curve = [0.0, c];
        // SAFETY: FFmpeg copies the two numbers of the curve, and refuses sizes and forms that it
        // cannot scale by returning null; filters may be null.
        let context = unsafe {
            ffi::sws_getContext(
                from_width,
                from_height,
                from.format.into(),
                to_width,
                to_height,
                to.format.into(),
                Flags::BICUBIC.bits(),
                ptr::null_mut(),
                ptr::null_mut(),
                curve.as_ptr(),
            )
        };
        NonNull::new(context).map(|context| Self { context, from, to })
    }

    pub(crate) fn from(&self) -> &Definition {
        &self.from
    }

    /// A new picture; `None` if `frame` is of another size or form, or memory is short.
    pub(crate) fn scale(&mut self, frame: &frame::Video) -> Option<frame::Video> {
        if definition(frame) != self.from {
            return None;
        }
        let height = i32::try_from(self.from.height).ok()?;
        let mut scaled = frame::Video::new(self.to.format, self.to.width, self.to.height);
        if definition(&scaled) != self.to || scaled.planes() == 0 {
            return None;
        }
        // SAFETY: both are live, have the sizes and forms that the context was made for, and their
        // own buffers; nobody else uses the context, since `self` is borrowed alone.
        let rows = unsafe {
            let (from, to) = (frame.as_ptr(), scaled.as_mut_ptr());
            ffi::sws_scale(
                self.context.as_ptr(),
                (&raw const (*from).data).cast(),
                (*from).linesize.as_ptr(),
                0,
                height,
                (*to).data.as_ptr(),
                (*to).linesize.as_ptr(),
            )
        };
        (rows > 0).then_some(scaled)
    }
}

impl Drop for Scaling {
    fn drop(&mut self) {
        // SAFETY: the context is ours, and not used afterwards.
        unsafe { ffi::sws_freeContext(self.context.as_ptr()) }
    }
}

/// A picture's size and form.
pub(crate) fn definition(frame: &frame::Video) -> Definition {
    Definition { format: frame.format(), width: frame.width(), height: frame.height() }
}
