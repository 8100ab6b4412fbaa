const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';

/** Bytes as wallets write keys and signatures. */
export function base58(bytes: Uint8Array): string {
  let value = 0n;
  for (const byte of bytes) value = value * 256n + BigInt(byte);
  let digits = '';
  for (; value > 0n; value /= 58n) digits = ALPHABET[Number(value % 58n)] + digits;
  const leading = bytes.findIndex((byte) => byte !== 0);
  return '1'.repeat(leading < 0 ? bytes.length : leading) + digits;
}

/** An address that the API writes in hexadecimal, as wallets show it. */
export function walletAddress(hex: string): string {
  const pairs = hex.match(/../g) ?? [];
  return base58(Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16)));
}
