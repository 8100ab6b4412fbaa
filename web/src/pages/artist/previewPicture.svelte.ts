import { loadMedia, type Media } from '../../api/media';

/** The picture of the frame that is open. The last one stays until the next has come. */
export class PreviewPicture {
  #media = $state.raw<Media | undefined>();
  #of = '';
  #asked = 0;

  get url(): string | undefined {
    return this.#media?.url;
  }

  /** Loads `path`, a state of the frame that `frame` names. */
  async show(path: string, frame: string): Promise<void> {
    const turn = (this.#asked += 1);
    if (frame !== this.#of) this.#replace(undefined);
    this.#of = frame;
    try {
      const media = await loadMedia(path);
      if (turn === this.#asked) this.#replace(media);
      else media.release();
    } catch {
      // Nothing of the frame is verified yet: the tiles say it.
    }
  }

  dispose = (): void => {
    this.#asked += 1;
    this.#replace(undefined);
  };

  #replace(media: Media | undefined): void {
    const old = this.#media;
    this.#media = media;
    old?.release();
  }
}
