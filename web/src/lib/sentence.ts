export interface Piece {
  text: string;
  isCode: boolean;
}

/** Cuts a sentence of the API at its backticks: what stands between two of them is to be typed. */
export function piecesOf(sentence: string): Piece[] {
  const parts = sentence.split('`');
  const isPaired = parts.length % 2 === 1;
  if (!isPaired) return [{ text: sentence, isCode: false }];
  return parts
    .map((text, index) => ({ text, isCode: index % 2 === 1 }))
    .filter((piece) => piece.text !== '');
}
