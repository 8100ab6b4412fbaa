import { describe, expect, it } from 'vitest';
import { fileOfUri, NameFault, plainPath } from './sceneNames';

describe('a path', () => {
  it.each([
    ['a.png', 'a.png'],
    ['./a/./b//c.bin', 'a/b/c.bin'],
    ['a\\b.png', 'a/b.png'],
    ['a/../b.png', 'b.png'],
    ['a/..b/c', 'a/..b/c'],
  ])('%s is made plain', (path, plain) => expect(plainPath(path)).toBe(plain));

  it.each([
    ['../a', 'leads out'],
    ['a/../../b', 'leads out'],
    ['..\\a', 'leads out'],
    ['/etc/passwd', 'absolute'],
    ['C:\\a', 'absolute'],
    ['c:a', 'absolute'],
    ['', 'empty'],
    ['a/..', 'empty'],
    ['a\0b', 'control'],
    ['a/'.repeat(33), 'folders'],
    ['ä'.repeat(513), 'longer'],
  ])('%j is refused', (path, why) => expect(() => plainPath(path)).toThrow(why));
});

describe('a URI', () => {
  it.each([
    ['My%20scene/gr%C3%BCn.bin', 'My scene/grün.bin'],
    ['100%.png', '100%.png'],
    ['a%2fb.png', 'a/b.png'],
    ['a?b#c', 'a?b#c'],
    ['data:application/octet-stream;base64,AQID', undefined],
    ['DATA:;base64,AQ', undefined],
  ])('%s is decoded', (uri, file) => expect(fileOfUri(uri)).toBe(file));

  it.each([
    ['https://example.org/a.bin', 'https:'],
    ['file:///a.bin', 'file:'],
    ['blob:a', 'blob:'],
    ['%2e%2e/a.bin', 'leads out'],
    ['%2Fa.bin', 'absolute'],
    ['//example.org/a.bin', 'absolute'],
    ['a%00b', 'control'],
    ['a%FFb', 'UTF-8'],
  ])('%s is refused', (uri, why) => {
    expect(() => fileOfUri(uri)).toThrow(why);
    expect(() => fileOfUri(uri)).toThrow(NameFault);
  });
});
