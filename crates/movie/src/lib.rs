//! A sequence of frames to an MP4, through FFmpeg.
