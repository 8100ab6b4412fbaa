import { expect, it } from 'vitest';
import { columnsOf, neighbour, tileAt } from './tileGrid';

const grid = { width: 100, height: 70, tile: 32 };

it('finds the tile under a place', () => {
  expect(columnsOf(grid)).toBe(4);
  expect(tileAt(grid, 0, 0)).toBe(0);
  expect(tileAt(grid, 0.999, 0.999)).toBe(11);
  expect(tileAt(grid, 0.5, 0.5)).toBe(5);
  expect(tileAt(grid, 1, 0)).toBeUndefined();
  expect(tileAt(grid, 0, -0.1)).toBeUndefined();
});

it('arrows lead to neighbours and stop at edges', () => {
  expect(neighbour(grid, 5, 'ArrowRight')).toBe(6);
  expect(neighbour(grid, 5, 'ArrowLeft')).toBe(4);
  expect(neighbour(grid, 5, 'ArrowUp')).toBe(1);
  expect(neighbour(grid, 5, 'ArrowDown')).toBe(9);
  expect(neighbour(grid, 3, 'ArrowRight')).toBe(3);
  expect(neighbour(grid, 9, 'ArrowDown')).toBe(9);
  expect(neighbour(grid, 9, 'Home')).toBe(0);
  expect(neighbour(grid, 0, 'End')).toBe(11);
  expect(neighbour(grid, 0, 'a')).toBeUndefined();
});
