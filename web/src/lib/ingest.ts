import type { StreamKey } from '../api/types';

/** What is entered in OBS: the server, and the key apart from it. */
export interface ObsEntry {
  server: string;
  key: string;
}

export function obsEntry({ key, ingest }: StreamKey): ObsEntry | undefined {
  const rtmp = ingest.find((each) => each.protocol === 'rtmp');
  if (!rtmp || key === '') return undefined;
  const server = rtmp.url.endsWith(key) ? rtmp.url.slice(0, -key.length) : rtmp.url;
  return { server: server.replace(/\/$/, ''), key };
}

/** The same for ffmpeg: a file is sent as if it were live. */
export function ffmpegLine({ ingest }: StreamKey): string | undefined {
  const rtmp = ingest.find((each) => each.protocol === 'rtmp');
  if (!rtmp) return undefined;
  const keyframes = "-force_key_frames 'expr:gte(t,n_forced*2)'";
  return `ffmpeg -re -i FILE -c:v libx264 -preset veryfast ${keyframes} -c:a aac -f flv '${rtmp.url}'`;
}
