import { expect, it } from 'vitest';
import { matchPath } from './paths';

it('names the parts of a path', () => {
  expect(matchPath('/', '/')).toEqual({});
  expect(matchPath('/jobs', '/jobs/')).toEqual({});
  expect(matchPath('/jobs/:job', '/jobs/a%20b')).toEqual({ job: 'a b' });
  expect(matchPath('/jobs/:job/:tab', '/jobs/7/film')).toEqual({ job: '7', tab: 'film' });
});

it('fits nothing longer, shorter or other', () => {
  expect(matchPath('/jobs/:job', '/jobs')).toBeUndefined();
  expect(matchPath('/jobs/:job', '/jobs/')).toBeUndefined();
  expect(matchPath('/jobs/:job', '/jobs/7/film')).toBeUndefined();
  expect(matchPath('/jobs', '/nodes')).toBeUndefined();
});
