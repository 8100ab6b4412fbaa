import { EventStreamParser } from '../lib/sse';
import { ApiProblem, problemOf } from './problem';

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 15_000;

export interface Listener<Event> {
  onEvent: (event: Event) => void;
  /** Called whenever the stream comes up or goes down. */
  onLive: (live: boolean) => void;
}

/**
 * Follows an event stream and takes it up again where it broke, until `signal` aborts it. It is read by
 * `fetch`, because an `EventSource` hides why it was refused.
 */
export async function follow<Event>(
  path: string,
  { onEvent, onLive }: Listener<Event>,
  signal: AbortSignal,
): Promise<void> {
  let lastId: string | undefined;
  let waitMs = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      const headers = new Headers();
      if (lastId !== undefined) headers.set('Last-Event-ID', lastId);
      const response = await fetch(path, { headers, signal });
      if (!response.ok || !response.body) throw await problemOf(response);
      onLive(true);
      waitMs = FIRST_WAIT_MS;
      for await (const message of messagesOf(response.body)) {
        lastId = message.id;
        onEvent(JSON.parse(message.data) as Event);
      }
    } catch (error) {
      if (error instanceof ApiProblem && isFinal(error)) return;
    }
    if (signal.aborted) return;
    onLive(false);
    await pause(waitMs, signal);
    waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS);
  }
}

/** Whether asking again gets the same refusal. */
function isFinal({ status }: ApiProblem): boolean {
  return status >= 400 && status < 500 && status !== 408 && status !== 429;
}

async function* messagesOf(body: ReadableStream<Uint8Array>) {
  const parser = new EventStreamParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield* parser.push(decoder.decode(value, { stream: true }));
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
