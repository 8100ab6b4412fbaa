/** Where the visitor is. Routes are paths of the portal, kept by the history API. */
class Router {
  path = $state(window.location.pathname);
  query = $state(window.location.search);

  go(to: string): void {
    window.history.pushState(null, '', to);
    this.#read();
    window.scrollTo(0, 0);
  }

  replace(to: string): void {
    window.history.replaceState(null, '', to);
    this.#read();
  }

  /** Takes over clicks on links to the portal's own pages. */
  listen(): void {
    window.addEventListener('popstate', () => this.#read());
    document.addEventListener('click', (event) => {
      const link = event.target instanceof Element ? event.target.closest('a') : null;
      if (!link || !isPlainClick(event) || !isOwnPage(link)) return;
      event.preventDefault();
      const to = link.pathname + link.search;
      if (link.dataset['replace'] === undefined) this.go(to);
      else this.replace(to);
    });
  }

  #read(): void {
    this.path = window.location.pathname;
    this.query = window.location.search;
  }
}

export const router = new Router();

function isPlainClick(event: MouseEvent): boolean {
  const modified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  return event.button === 0 && !modified && !event.defaultPrevented;
}

function isOwnPage(link: HTMLAnchorElement): boolean {
  const own = link.origin === window.location.origin && !link.pathname.startsWith('/v1/');
  // A place of the same page is found, and focused, by the browser.
  const isPlace = link.hash !== '' && link.pathname === window.location.pathname;
  return own && !isPlace && !link.target && !link.hasAttribute('download');
}
