import { api, take } from '../../api/client';
import { loadBlob } from '../../api/media';
import { asProblem, type ApiProblem } from '../../api/problem';
import type { Job, JobSpec, Quote } from '../../api/types';
import { FORGET, upload, UploadLeft, type UploadProgress } from '../../api/upload';
import { draftOf, faultsOf, newDraft, quoteRequestOf, specOf } from '../../lib/draft';
import { framesOfClip, writeFrames } from '../../lib/frames';
import { SceneFault } from '../../lib/gltf';
import { type Chosen, openScene, packScene, refusalOf, type Scene } from '../../lib/openScene';

/** One file on its way to the farm. */
export class Sending {
  file = $state.raw<File | undefined>();
  blob = $state<string | undefined>();
  progress = $state.raw<UploadProgress | undefined>();
  problem = $state.raw<ApiProblem | undefined>();
  #stop: AbortController | undefined;

  async send(file: File): Promise<void> {
    this.cancel();
    this.file = file;
    const pace = { perS: undefined, leftMs: undefined };
    this.progress = { sent: 0, total: file.size, waits: false, ...pace };
    const stop = new AbortController();
    this.#stop = stop;
    try {
      this.blob = await upload(file, (progress) => (this.progress = progress), stop.signal);
    } catch (error) {
      if (!(error instanceof UploadLeft)) this.problem = asProblem(error);
    } finally {
      if (this.#stop === stop) this.progress = undefined;
    }
  }

  /** Takes a file that the farm has already. */
  keep(file: File, blob: string): void {
    this.cancel();
    this.file = file;
    this.blob = blob;
  }

  /** Stops, so that the same file can be gone on with later. */
  leave(): void {
    this.#stop?.abort();
  }

  cancel = (): void => {
    this.#stop?.abort(FORGET);
    this.#stop = undefined;
    this.file = undefined;
    this.blob = undefined;
    this.progress = undefined;
    this.problem = undefined;
  };
}

/** A job that is being put together: its files, its settings, and what it would cost. */
export class NewJob {
  draft = $state(newDraft());
  scene = new Sending();
  environment = new Sending();
  /** What is in the scene's file. */
  opened = $state.raw<Scene | undefined>();
  /** How many files are being packed into one. */
  packing = $state<number | undefined>();
  sceneFault = $state<string | undefined>();
  #quoted = $state.raw<{ quote: Quote; asked: string } | undefined>();
  /** Another choice, or leaving the page, overtakes what is still being read. */
  #choice = 0;
  /** Makes a repeated submit of the same job one job. */
  #key = crypto.randomUUID();

  faults = $derived.by(() => faultsOf(this.draft));
  hasFaults = $derived.by(() => Object.keys(this.faults).length > 0);

  /** The job, once its files are there and its settings are right. */
  spec = $derived.by((): JobSpec | undefined => {
    const waits = this.environment.file !== undefined && this.environment.blob === undefined;
    if (this.scene.blob === undefined || waits || this.hasFaults) return undefined;
    return specOf(this.draft, this.scene.blob, this.environment.blob);
  });

  #asking = $derived.by(() => this.spec && JSON.stringify(quoteRequestOf(this.draft, this.spec)));

  /** The quote for exactly these settings. */
  get quote(): Quote | undefined {
    return this.#quoted?.asked === this.#asking ? this.#quoted?.quote : undefined;
  }

  /** Whether there was a quote, and settings have changed since. */
  get isQuoteStale(): boolean {
    return this.#quoted !== undefined && this.quote === undefined;
  }

  async takeScene(chosen: Chosen[]): Promise<void> {
    const choice = (this.#choice += 1);
    this.sceneFault = undefined;
    this.opened = undefined;
    this.packing = undefined;
    this.scene.cancel();
    try {
      const opened = await openScene(chosen);
      const refusal = refusalOf(opened);
      if (refusal) throw new SceneFault(refusal);
      if (choice !== this.#choice) return;
      if (!opened.whole) this.packing = opened.files.size + 1;
      const file = opened.whole ?? (await packScene(opened));
      if (choice === this.#choice) await this.#send(opened, file);
    } catch (error) {
      if (choice !== this.#choice) return;
      this.packing = undefined;
      this.sceneFault = error instanceof Error ? error.message : 'The file cannot be read.';
    }
  }

  async #send(opened: Scene, file: File): Promise<void> {
    this.packing = undefined;
    this.opened = opened;
    this.draft.name = file.name.replace(/\.(glb|gltf|zip)$/i, '');
    this.draft.camera = undefined;
    const seconds = Math.max(0, ...opened.summary.clips.map((clip) => clip.seconds));
    this.draft.frames = writeFrames(framesOfClip(seconds, this.draft.fps));
    await this.scene.send(file);
  }

  /** Begins with the files and settings of a job that was sent before. */
  async takeJob(id: string): Promise<void> {
    const { spec } = await take(api.GET('/v1/jobs/{job}', { params: { path: { job: id } } }));
    const fetched = async (blob: string, name: string) =>
      new File([await loadBlob(`/v1/jobs/${id}/files/${blob}`)], name);
    const scene = await fetched(spec.scene, spec.name);
    this.opened = await openScene([{ path: scene.name, file: scene }]);
    this.draft = draftOf(spec);
    this.scene.keep(scene, spec.scene);
    const light = spec.settings.environment;
    if (light) this.environment.keep(await fetched(light.blob, 'light.hdr'), light.blob);
  }

  /** Stops what is on its way, so that the same files can be gone on with later. */
  leave(): void {
    this.#choice += 1;
    this.scene.leave();
    this.environment.leave();
  }

  async askForQuote(): Promise<void> {
    if (!this.spec || this.#asking === undefined) return;
    const asked = this.#asking;
    const body = quoteRequestOf(this.draft, this.spec);
    this.#quoted = { quote: await take(api.POST('/v1/quotes', { body })), asked };
  }

  async submit(): Promise<Job> {
    if (!this.spec) throw new Error('The job is not complete.');
    const params = { header: { 'Idempotency-Key': this.#key } };
    try {
      return await take(api.POST('/v1/jobs', { params, body: this.spec }));
    } catch (error) {
      this.#key = crypto.randomUUID();
      throw error;
    }
  }
}

/** Files that were dropped on another page, for the page that takes them up. */
let handed: Chosen[] | undefined;

export function handOver(chosen: Chosen[]): void {
  handed = chosen;
}

export function takeHanded(): Chosen[] | undefined {
  const chosen = handed;
  handed = undefined;
  return chosen;
}
