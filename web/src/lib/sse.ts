/** One message of an event stream. */
export interface StreamMessage {
  id: string | undefined;
  data: string;
}

/** Takes the text of an event stream in pieces and gives back the messages that became whole. */
export class EventStreamParser {
  #rest = '';
  #data: string[] = [];
  #id: string | undefined;

  push(piece: string): StreamMessage[] {
    const messages: StreamMessage[] = [];
    const lines = (this.#rest + piece).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = this.#take(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (message) messages.push(message);
    }
    return messages;
  }

  #take(line: string): StreamMessage | undefined {
    if (line === '') {
      const data = this.#data;
      this.#data = [];
      return data.length > 0 ? { id: this.#id, data: data.join('\n') } : undefined;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    if (field === 'id') this.#id = value;
    return undefined;
  }
}
