// Which page is shown, and everything about it that a link can carry. All pages lie one level below the base, so that relative
// addresses hold on each of them.
import {signal} from '@preact/signals';
import {base} from './api';

export interface Place { page: string; params: URLSearchParams }

function current(): Place {
  const path = location.href.split(/[?#]/)[0];
  return {page: path.startsWith(base) ? path.slice(base.length) : '', params: new URLSearchParams(location.search)};
}

export const place = signal(current());

addEventListener('popstate', () => { place.value = current(); });

export function go(to: string, how: 'push' | 'replace' = 'push') {
  const url = base + to;
  if (how === 'push') history.pushState(null, '', url); else history.replaceState(null, '', url);
  place.value = current();
}

// Changes parameters of this page without a new history entry; empty values are removed.
export function setParams(changes: Record<string, string | undefined>) {
  const params = new URLSearchParams(place.peek().params);
  for (const [name, value] of Object.entries(changes)) if (value) params.set(name, value); else params.delete(name);
  go(params.size ? `${place.peek().page}?${params}` : place.peek().page, 'replace');
}

export function link(page: string, params: Record<string, string>): string {
  return `${page}?${new URLSearchParams(params)}`;
}

document.addEventListener('click', event => {
  const anchor = (event.target as Element).closest?.('a');
  if (!anchor || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || anchor.target) return;
  if (!anchor.href.startsWith(base) || anchor.hasAttribute('download') || anchor.hash || anchor.pathname.endsWith('.txt')) return;
  event.preventDefault();
  go(anchor.href.slice(base.length));
});
