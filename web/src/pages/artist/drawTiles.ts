import type { FrameTiles, Tile } from '../../api/types';
import { TILE_STATES, tileState } from '../../lib/states';

/** Draws how each tile stands over the picture: what is verified stays clear. */
export function drawTiles(
  canvas: HTMLCanvasElement,
  tiles: FrameTiles,
  chosen: number | undefined,
): void {
  const scale = window.devicePixelRatio;
  canvas.width = Math.round(canvas.clientWidth * scale);
  canvas.height = Math.round(canvas.clientHeight * scale);
  const pen = canvas.getContext('2d');
  if (!pen) return;
  const styles = getComputedStyle(canvas);
  const colour = (name: string) => styles.getPropertyValue(`--${name}`);
  const [across, down] = [canvas.width / tiles.width, canvas.height / tiles.height];
  const rectOf = (tile: Tile): [number, number, number, number] => [
    Math.round(tile.x * across),
    Math.round(tile.y * down),
    Math.round((tile.x + tile.width) * across) - Math.round(tile.x * across),
    Math.round((tile.y + tile.height) * down) - Math.round(tile.y * down),
  ];

  for (const tile of tiles.tiles) {
    const state = tileState(tile);
    if (state === 'verified') continue;
    const [x, y, width, height] = rectOf(tile);
    const tone = colour(TILE_STATES[state].tone);
    pen.globalAlpha = 0.9 - (0.75 * tile.verified) / Math.max(1, tile.units);
    pen.fillStyle = colour(`${TILE_STATES[state].tone}-wash`);
    pen.fillRect(x, y, width, height);
    pen.globalAlpha = state === 'free' ? 0.25 : 1;
    pen.strokeStyle = tone;
    pen.lineWidth = scale * (state === 'free' ? 1 : 1.5);
    const inset = pen.lineWidth / 2 + scale * 0.5;
    pen.strokeRect(x + inset, y + inset, width - 2 * inset, height - 2 * inset);
    if (state !== 'free') drawShare(pen, tile, x, y, width, height, tone);
  }
  pen.globalAlpha = 1;
  const marked = chosen === undefined ? undefined : tiles.tiles[chosen];
  if (marked) {
    pen.strokeStyle = colour('accent');
    pen.lineWidth = 3 * scale;
    const [x, y, width, height] = rectOf(marked);
    pen.strokeRect(x + 1.5 * scale, y + 1.5 * scale, width - 3 * scale, height - 3 * scale);
  }
}

/** A bar at a tile's foot: how much of it is verified already. */
function drawShare(
  pen: CanvasRenderingContext2D,
  tile: Tile,
  x: number,
  y: number,
  width: number,
  height: number,
  tone: string,
): void {
  const bar = Math.max(2, height * 0.07);
  pen.fillStyle = tone;
  pen.fillRect(x, y + height - bar, (width * tile.verified) / Math.max(1, tile.units), bar);
}
