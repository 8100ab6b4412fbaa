import { expect, it } from 'vitest';
import { placeOf } from './navigation';

it('a page belongs to the nearest place of the menu', () => {
  expect(placeOf('/')).toBe('/');
  expect(placeOf('/jobs')).toBe('/jobs');
  expect(placeOf('/jobs/new')).toBe('/jobs/new');
  expect(placeOf('/jobs/0123/film')).toBe('/jobs');
  expect(placeOf('/quotes/0123')).toBe('/jobs/new');
  expect(placeOf('/jobsworth')).toBe('/');
  expect(placeOf('/operate/ledger')).toBe('/operate/ledger');
});
