import { Meter, type Pace } from '../lib/meter';
import { credentialHeaders } from './credentials';
import { ApiProblem, asProblem, problemFrom } from './problem';
import type { Upload } from './types';

/** How an upload gets on. */
export interface UploadProgress extends Pace {
  sent: number;
  total: number;
}

export class UploadCancelled extends Error {}

/** Sends a file as one stream. Aborting `signal` stops it; the farm keeps nothing of what it has. */
export function upload(
  file: File,
  onProgress: (progress: UploadProgress) => void,
  signal: AbortSignal,
): Promise<Upload> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const meter = new Meter(5000);
    request.open('POST', '/v1/uploads');
    request.responseType = 'json';
    request.setRequestHeader('Content-Type', 'application/octet-stream');
    for (const [name, value] of Object.entries(credentialHeaders('POST'))) {
      request.setRequestHeader(name, value);
    }
    request.upload.onprogress = ({ loaded }) => {
      const pace = meter.at(performance.now(), loaded, file.size);
      onProgress({ sent: loaded, total: file.size, ...pace });
    };
    request.onload = () => {
      if (request.status === 201) resolve(request.response as Upload);
      else reject(refused(request));
    };
    request.onerror = () => reject(asProblem(undefined));
    request.onabort = () => reject(new UploadCancelled());
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(file);
  });
}

function refused(request: XMLHttpRequest): ApiProblem {
  return problemFrom(request.response, request.status, request.getResponseHeader('Retry-After'));
}
