import { expect, it } from 'vitest';
import type { StreamKey } from '../api/types';
import { ffmpegLine, obsEntry } from './ingest';

const made = {
  key: 'k1',
  ingest: [
    { protocol: 'srt', url: 'srt://here:9710?streamid=k1' },
    { protocol: 'rtmp', url: 'rtmp://here:1935/live/k1' },
  ],
} as StreamKey;

it('parts server and key for OBS', () => {
  expect(obsEntry(made)).toEqual({ server: 'rtmp://here:1935/live', key: 'k1' });
  expect(ffmpegLine(made)).toContain("-f flv 'rtmp://here:1935/live/k1'");
});

it('has nothing to enter without a gateway, or without the key', () => {
  expect(obsEntry({ ...made, ingest: [] })).toBeUndefined();
  expect(obsEntry({ ...made, key: '' })).toBeUndefined();
  expect(ffmpegLine({ ...made, ingest: [] })).toBeUndefined();
});
