/** What screen readers are told of changes nobody looks at. */
class Announcer {
  text = $state('');
}

export const announcer = new Announcer();

export function announce(text: string): void {
  announcer.text = text;
}
