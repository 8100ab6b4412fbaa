/** Event streams that are down at the moment, for the banner that says so. */
class DownStreams {
  #down = $state(0);

  get any(): boolean {
    return this.#down > 0;
  }

  /** A reporter for one stream: tell it whether the stream is live, and `close` it in the end. */
  reporter(): { report: (live: boolean) => void; close: () => void } {
    let isDown = false;
    const report = (live: boolean) => {
      if (live === isDown) this.#down += live ? -1 : 1;
      isDown = !live;
    };
    return { report, close: () => report(true) };
  }
}

export const downStreams = new DownStreams();
