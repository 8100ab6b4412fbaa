import { expect, it } from 'vitest';
import { menuOf, placeOf } from './navigation';

it('a page belongs to the nearest place of the menu', () => {
  expect(placeOf('/')).toBe('/');
  expect(placeOf('/jobs')).toBe('/jobs');
  expect(placeOf('/jobs/new')).toBe('/jobs/new');
  expect(placeOf('/jobs/0123/film')).toBe('/jobs');
  expect(placeOf('/quotes/0123')).toBe('/jobs/new');
  expect(placeOf('/jobsworth')).toBe('/');
  expect(placeOf('/operate/ledger')).toBe('/operate/ledger');
});

it('webhooks are for whoever has jobs or streams', () => {
  const offers = (...roles: string[]) =>
    menuOf((role) => roles.includes(role))
      .flatMap((area) => area.places)
      .map((place) => place.href);
  expect(offers('artist')).toContain('/webhooks');
  expect(offers('broadcaster')).toContain('/webhooks');
  expect(offers('node_owner')).not.toContain('/webhooks');
  expect(offers('node_owner')).toContain('/account');
});
