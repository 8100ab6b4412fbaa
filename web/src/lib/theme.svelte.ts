export type Theme = 'light' | 'dark';

const STORED = 'tessera-theme';

/** Light or dark: what the system says, until the visitor chooses. */
class ThemeChoice {
  current = $state<Theme>('light');

  start(): void {
    const system = window.matchMedia('(prefers-color-scheme: dark)');
    const chosen = localStorage.getItem(STORED);
    this.#show(chosen === 'light' || chosen === 'dark' ? chosen : themeOf(system));
    system.addEventListener('change', () => {
      if (localStorage.getItem(STORED) === null) this.#show(themeOf(system));
    });
  }

  toggle = (): void => {
    const next = this.current === 'dark' ? 'light' : 'dark';
    localStorage.setItem(STORED, next);
    this.#show(next);
  };

  #show(theme: Theme): void {
    this.current = theme;
    document.documentElement.dataset['theme'] = theme;
  }
}

export const theme = new ThemeChoice();

function themeOf(system: MediaQueryList): Theme {
  return system.matches ? 'dark' : 'light';
}
