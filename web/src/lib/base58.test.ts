import { expect, it } from 'vitest';
import { base58, walletAddress } from './base58';

it('writes bytes as wallets do', () => {
  expect(base58(new TextEncoder().encode('Hello World!'))).toBe('2NEpo7TZRRrLZSi2U');
  expect(base58(Uint8Array.of(0, 0, 1))).toBe('112');
  expect(base58(new Uint8Array(32))).toBe('1'.repeat(32));
  expect(base58(new Uint8Array())).toBe('');
});

it('turns the hexadecimal of the API into an address', () => {
  const token = '06ddf6e1d765a193d9cbe146ceeb79ac1cb485ed5f5b37913a8cf5857eff00a9';
  expect(walletAddress(token)).toBe('TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA');
});
