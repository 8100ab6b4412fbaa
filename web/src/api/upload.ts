import type { Upload as Tus } from 'tus-js-client';
import { Meter, type Pace } from '../lib/meter';
import { credentialHeaders } from './credentials';
import { ApiProblem, asProblem, problemFrom } from './problem';

/** How an upload gets on. */
export interface UploadProgress extends Pace {
  sent: number;
  total: number;
  /** The connection is lost, and it is tried again. */
  waits: boolean;
}

/** Nobody waits for the upload any more. */
export class UploadLeft extends Error {}

/** Why an upload is aborted: what the farm has of it is deleted. Otherwise it can be gone on with. */
export const FORGET = Symbol('forget');

/** Between tries: soon, then every few seconds for about an hour. */
const RETRIES_MS = [0, 1000, 2000, ...Array<number>(1200).fill(3000)];
const METADATA_NAME = 'filename';

/**
 * Sends a file by the tus protocol, and says what it is stored under. It goes on after a broken
 * connection by itself, and after a reload when the same file is sent again.
 */
export async function upload(
  file: File,
  onProgress: (progress: UploadProgress) => void,
  signal: AbortSignal,
): Promise<string> {
  const tus = await import('tus-js-client');
  const meter = new Meter(5000);
  let blob: string | null | undefined;
  let sent = 0;
  const report = (waits: boolean) => {
    const pace = meter.at(performance.now(), sent, file.size);
    onProgress({ sent, total: file.size, waits, ...pace });
  };
  return new Promise((resolve, reject) => {
    const sending: Tus = new tus.Upload(file, {
      endpoint: '/v1/tus',
      retryDelays: RETRIES_MS,
      removeFingerprintOnSuccess: true,
      metadata: { [METADATA_NAME]: file.name },
      onBeforeRequest: (request) => {
        for (const [name, value] of Object.entries(credentialHeaders(request.getMethod()))) {
          request.setHeader(name, value);
        }
      },
      onAfterResponse: (_, response) => {
        blob = response.getHeader('Tessera-Blob') ?? blob;
      },
      onProgress: (bytes) => {
        sent = bytes;
        report(false);
      },
      onShouldRetry: (error) => {
        const passes = mayPass(statusOf(error));
        if (passes) report(true);
        return passes;
      },
      onSuccess: () => (blob ? resolve(blob) : reject(asProblem(undefined))),
      onError: (error) => reject(refused(error)),
    });
    signal.addEventListener('abort', () => {
      // What cannot be deleted now is forgotten by the farm in a day.
      sending.abort(signal.reason === FORGET).catch(() => undefined);
      reject(new UploadLeft());
    });
    void sending
      .findPreviousUploads()
      .catch(() => [])
      .then(([previous]) => {
        if (signal.aborted) return;
        if (previous) sending.resumeFromPreviousUpload(previous);
        sending.start();
      });
  });
}

/** The names of files that this browser has sent a part of. */
export async function unfinished(): Promise<string[]> {
  const { defaultOptions } = await import('tus-js-client');
  const all = await defaultOptions.urlStorage?.findAllUploads().catch(() => []);
  return (all ?? []).flatMap(({ metadata }) => metadata[METADATA_NAME] ?? []);
}

/** 0 is a broken connection; 409 says that another connection was not over yet. */
function mayPass(status: number): boolean {
  return status === 0 || status === 408 || status === 409 || status === 429 || status >= 500;
}

function statusOf(error: Error): number {
  return responseOf(error)?.getStatus() ?? 0;
}

function responseOf(error: Error) {
  return (error as Partial<import('tus-js-client').DetailedError>).originalResponse;
}

function refused(error: Error): ApiProblem {
  const response = responseOf(error);
  if (!response) return asProblem(undefined);
  let body: unknown;
  try {
    body = JSON.parse(response.getBody());
  } catch {
    // The answer to HEAD, or of something before the farm: its status has to do.
  }
  return problemFrom(body, response.getStatus(), response.getHeader('Retry-After') ?? null);
}
