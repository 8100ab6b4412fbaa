import type Hls from 'hls.js';

const NATIVE = 'application/vnd.apple.mpegurl';
/** How long the player waits before it begins anew after a fault it cannot mend. */
const ANEW_AFTER_MS = 2000;

const LOOK_EVERY_MS = 1000;

export interface Watcher {
  /** What is wrong, in a sentence, or that nothing is any more. */
  onFault: (text: string | undefined) => void;
  /** How far the picture is behind what is sent, in seconds. */
  onBehind: (seconds: number) => void;
}

/** Plays a playlist in `video` until the function it gives back is called. */
export function playHls(
  video: HTMLVideoElement,
  url: string,
  isLowLatency: boolean,
  { onFault, onBehind }: Watcher,
): () => void {
  let player: Hls | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;

  const begin = async () => {
    const { default: Player } = await import('hls.js');
    if (isOver) return;
    if (!Player.isSupported()) {
      if (video.canPlayType(NATIVE)) video.src = url;
      else onFault('This browser cannot play HLS.');
      return;
    }
    player = new Player({ lowLatencyMode: isLowLatency, backBufferLength: 30 });
    player.on(Player.Events.FRAG_BUFFERED, () => onFault(undefined));
    player.on(Player.Events.ERROR, (_, { fatal, type }) => {
      if (!fatal) return;
      if (type === Player.ErrorTypes.MEDIA_ERROR) {
        player?.recoverMediaError();
        return;
      }
      onFault('The gateway does not answer. The player tries again.');
      player?.destroy();
      timer = setTimeout(() => void begin(), ANEW_AFTER_MS);
    });
    player.loadSource(url);
    player.attachMedia(video);
  };
  void begin();
  const look = setInterval(() => {
    if (player && player.latency > 0) onBehind(player.latency);
  }, LOOK_EVERY_MS);

  return () => {
    isOver = true;
    clearInterval(look);
    clearTimeout(timer);
    player?.destroy();
    video.removeAttribute('src');
  };
}
