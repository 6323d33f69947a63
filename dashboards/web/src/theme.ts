// Light or dark: as the system says until the reader chooses.
import {signal} from '@preact/signals';

const kKey = 'aerie.theme';
const system = matchMedia('(prefers-color-scheme: dark)');

function stored(): string { try { return localStorage.getItem(kKey) ?? ''; } catch { return ''; } }

function resolve(): 'light' | 'dark' {
  const chosen = document.documentElement.dataset.theme;
  return chosen === 'light' || chosen === 'dark' ? chosen : system.matches ? 'dark' : 'light';
}

if (stored()) document.documentElement.dataset.theme = stored();
export const theme = signal(resolve());
system.addEventListener('change', () => { theme.value = resolve(); });

export function toggleTheme() {
  const next = theme.value === 'dark' ? 'light' : 'dark';
  document.documentElement.dataset.theme = next;
  try { localStorage.setItem(kKey, next); } catch { /* private windows may refuse: the choice then lasts until reload */ }
  theme.value = next;
}
