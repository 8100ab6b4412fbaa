import { api, take } from '../../api/client';
import { follow } from '../../api/events';
import type { Frame, Job, JobEvent, Why } from '../../api/types';
import { announce } from '../../lib/announcer.svelte';
import { Meter } from '../../lib/meter';
import { pages } from '../../lib/pages.svelte';
import { resource } from '../../lib/resource.svelte';
import { JOB_STATES } from '../../lib/states';
import { downStreams } from '../../lib/streams.svelte';
import { throttled } from '../../lib/throttle';
import { withVerified } from './units';

/** How often a job, its frames and its reasons are read again while events arrive. */
const READ_EVERY_MS = 2000;
/** The same where nothing arrives: reasons change without events. */
const LOOK_EVERY_MS = 15_000;
const PAGE = 200;

/** A job that is followed while its page is open. Make it while a component is set up. */
export class JobWatch {
  readonly id: string;
  /** How long the rest will take at the pace of the last minute. */
  leftMs = $state<number | undefined>();
  readonly #meter = new Meter(60_000);
  job;
  why;
  frames;
  /** Grows whenever units were verified: what shows tiles looks again. */
  ticks = $state(0);

  constructor(id: string) {
    this.id = id;
    const path = { job: id };
    this.job = resource<Job>(
      () => take(api.GET('/v1/jobs/{job}', { params: { path } })),
      LOOK_EVERY_MS,
    );
    this.why = resource<Why[]>(
      () => take(api.GET('/v1/jobs/{job}/why', { params: { path } })),
      LOOK_EVERY_MS,
    );
    this.frames = pages<Frame>(
      (cursor) =>
        take(
          api.GET('/v1/jobs/{job}/frames', {
            params: { path, query: { limit: PAGE, ...(cursor && { cursor }) } },
          }),
        ),
      (frame) => frame.frame,
    );
    $effect(() => this.#follow());
  }

  refresh = async (): Promise<void> => {
    await Promise.all([this.job.refresh(), this.why.refresh(), this.frames.refresh()]);
  };

  #follow(): () => void {
    const stop = new AbortController();
    const banner = downStreams.reporter();
    const read = throttled(this.refresh, READ_EVERY_MS);
    const tick = throttled(() => (this.ticks += 1), READ_EVERY_MS / 2);
    const onEvent = (event: JobEvent) => {
      this.#apply(event);
      read.call();
      tick.call();
    };
    void follow<JobEvent>(
      `/v1/jobs/${this.id}/events`,
      { onEvent, onLive: banner.report },
      stop.signal,
    );
    return () => {
      stop.abort();
      banner.close();
      read.stop();
      tick.stop();
    };
  }

  /** Shows at once what an event says, before the job is read again. */
  #apply(event: JobEvent): void {
    const job = this.job.data;
    if (!job) return;
    if (event.type === 'state' && event.state !== job.state) {
      announce(`${job.spec.name}: ${JOB_STATES[event.state].text}`);
      this.job.data = { ...job, state: event.state, reason: event.reason ?? null };
    }
    if (event.type === 'units') {
      this.leftMs = this.#meter.at(performance.now(), event.verified, event.total).leftMs;
      this.job.data = {
        ...job,
        rays: event.rays,
        units: withVerified(job.units, event.verified),
      };
    }
  }
}
