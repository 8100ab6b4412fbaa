import type { FrameTiles } from '../api/types';

type Grid = Pick<FrameTiles, 'width' | 'height' | 'tile'>;

export function columnsOf({ width, tile }: Grid): number {
  return Math.ceil(width / tile);
}

/** Which tile lies at a place that is given as shares of the frame's width and height. */
export function tileAt(grid: Grid, across: number, down: number): number | undefined {
  if (across < 0 || across >= 1 || down < 0 || down >= 1) return undefined;
  const column = Math.floor((across * grid.width) / grid.tile);
  const row = Math.floor((down * grid.height) / grid.tile);
  return row * columnsOf(grid) + column;
}

/** Where an arrow key leads from a tile; the tile itself at an edge, `undefined` for other keys. */
export function neighbour(grid: Grid, at: number, key: string): number | undefined {
  const columns = columnsOf(grid);
  const rows = Math.ceil(grid.height / grid.tile);
  const [column, row] = [at % columns, Math.floor(at / columns)];
  const to = (nextColumn: number, nextRow: number) =>
    Math.max(0, Math.min(rows - 1, nextRow)) * columns +
    Math.max(0, Math.min(columns - 1, nextColumn));
  switch (key) {
    case 'ArrowLeft':
      return to(column - 1, row);
    case 'ArrowRight':
      return to(column + 1, row);
    case 'ArrowUp':
      return to(column, row - 1);
    case 'ArrowDown':
      return to(column, row + 1);
    case 'Home':
      return 0;
    case 'End':
      return columns * rows - 1;
    default:
      return undefined;
  }
}
