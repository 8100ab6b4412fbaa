import { beforeEach, expect, it } from 'vitest';
import { credentialHeaders, forgetCredentials, useCookie } from './credentials';

beforeEach(forgetCredentials);

it('a session adds its word to what changes something, and to nothing else', () => {
  useCookie('abc');
  expect(credentialHeaders('GET')).toEqual({});
  expect(credentialHeaders('POST')).toEqual({ 'X-Tessera-Csrf': 'abc' });
  expect(credentialHeaders('DELETE')).toEqual({ 'X-Tessera-Csrf': 'abc' });
});

it('nothing is sent once it is forgotten', () => {
  useCookie('abc');
  forgetCredentials();
  expect(credentialHeaders('POST')).toEqual({});
});
