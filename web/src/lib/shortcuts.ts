export interface Shortcut {
  key: string;
  says: string;
}

export const SHORTCUTS: Shortcut[] = [
  { key: '?', says: 'Show these keys' },
  { key: '/', says: 'Search in this list' },
  { key: 'j', says: 'Next row' },
  { key: 'k', says: 'Previous row' },
  { key: 'x', says: 'Choose this row' },
  { key: 'n', says: 'New job' },
  { key: 't', says: 'Light or dark' },
  { key: 'Esc', says: 'Close, or leave a field' },
];

const TEXT_FIELDS = 'input:not([type=checkbox], [type=radio]), select, textarea';

interface Actions {
  help: () => void;
  theme: () => void;
  newJob: () => void;
}

/** Listens for the portal's keys; they rest while somebody types. */
export function listenForKeys({ help, theme, newJob }: Actions): () => void {
  const onKey = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape') {
      leaveField();
      return;
    }
    if (isTyping(event.target) || document.querySelector('dialog[open]')) return;
    const action: Record<string, () => void> = {
      '?': help,
      '/': () => document.querySelector<HTMLElement>('[data-search]')?.focus(),
      j: () => moveRow(1),
      k: () => moveRow(-1),
      x: chooseRow,
      n: newJob,
      t: theme,
    };
    if (!action[event.key]) return;
    event.preventDefault();
    action[event.key]?.();
  };
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest(TEXT_FIELDS) !== null;
}

function leaveField(): void {
  if (isTyping(document.activeElement)) (document.activeElement as HTMLElement).blur();
}

/** Moves the focus between the links of a table's rows, which carry `data-row`. */
function moveRow(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  const at = rows.findIndex((row) => row === document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by;
  rows[Math.max(0, Math.min(rows.length - 1, next))]?.focus();
}

function chooseRow(): void {
  const row = document.activeElement?.closest('tr');
  row?.querySelector<HTMLInputElement>('input[type=checkbox]')?.click();
}
