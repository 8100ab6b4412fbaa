import { expect, it } from 'vitest';
import { EventStreamParser } from './sse';

it('gives messages once they are whole, wherever the text was cut', () => {
  const text = ': hello\n\nid: 7\ndata: {"a":1}\n\nid:8\r\ndata: x\r\ndata: y\r\n\r\n';
  const wanted = [
    { id: '7', data: '{"a":1}' },
    { id: '8', data: 'x\ny' },
  ];
  for (let cut = 0; cut <= text.length; cut += 1) {
    const parser = new EventStreamParser();
    const messages = [...parser.push(text.slice(0, cut)), ...parser.push(text.slice(cut))];
    expect(messages).toEqual(wanted);
  }
});

it('keeps the last id for messages without one', () => {
  const parser = new EventStreamParser();
  expect(parser.push('id: 3\ndata: a\n\ndata: b\n\ndata: c')).toEqual([
    { id: '3', data: 'a' },
    { id: '3', data: 'b' },
  ]);
});
