import { expect, it } from 'vitest';
import { piecesOf } from './sentence';

it('finds what is to be typed', () => {
  expect(piecesOf('Look with `farm download`.')).toEqual([
    { text: 'Look with ', isCode: false },
    { text: 'farm download', isCode: true },
    { text: '.', isCode: false },
  ]);
  expect(piecesOf('`farm up` does it')[0]).toEqual({ text: 'farm up', isCode: true });
});

it('leaves a sentence alone whose backticks do not pair', () => {
  expect(piecesOf('a ` b')).toEqual([{ text: 'a ` b', isCode: false }]);
  expect(piecesOf('plain')).toEqual([{ text: 'plain', isCode: false }]);
});
