import { tick } from 'svelte';

/** Puts the focus to where a page begins. */
export function focusHeading(): void {
  document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true });
}

/** Whether nothing has the focus: what had it is disabled or gone. */
function isLost(): boolean {
  return document.activeElement === null || document.activeElement === document.body;
}

/**
 * Remembers what has the focus. What it returns gives the focus back where it was lost meanwhile: to the same
 * control, or to the heading where that is gone, so that who has only a keyboard need not begin anew.
 */
export function keepFocus(): () => Promise<void> {
  const held = isLost() ? undefined : document.activeElement;
  return async () => {
    await tick();
    if (!(held instanceof HTMLElement) || !isLost()) return;
    if (held.isConnected && !held.matches(':disabled')) held.focus({ preventScroll: true });
    else focusHeading();
  };
}

/** For what comes in the place of what had the focus: takes it, where it was lost. */
export function takeFocus(element: HTMLElement): void {
  if (isLost()) element.focus({ preventScroll: true });
}
