// Shortcuts that need no modifier: `/` to the filter, `g` and a letter to a page, `j` and `k` through rows, `?` for help.
import {signal} from '@preact/signals';
import {go} from './router';
import {toggleTheme} from './theme';

export const helpOpen = signal(false);

export const shortcuts: [string, string][] = [
  ['/', 'Go to the filter or the query'],
  ['g f', 'Fleet'],
  ['g d', 'Deployments'],
  ['g q', 'Query'],
  ['g a', 'Alerts'],
  ['j  k', 'Next, previous row'],
  ['Enter', 'Open the row; run the query'],
  ['Shift Enter', 'New line in the query'],
  ['Esc', 'Leave a field, close this'],
  ['t', 'Light or dark'],
  ['?', 'This help'],
];

const kPages: Record<string, string> = {f: 'fleet', d: 'deployments', q: 'query', a: 'alerts'};
let afterG = 0;

function moveRow(step: number) {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  if (!rows.length) return;
  const at = rows.findIndex(row => row === document.activeElement);
  rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))].focus();
}

addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const target = event.target as HTMLElement;
  const writing = target.closest?.('input, textarea, select, [contenteditable="true"]');
  if (event.key === 'Escape' && writing && !event.defaultPrevented) { target.blur(); return; }
  if (writing || helpOpen.value) return;
  if (Date.now() - afterG < 1_500 && kPages[event.key]) {
    event.preventDefault();
    afterG = 0;
    go(kPages[event.key]);
    return;
  }
  afterG = event.key === 'g' ? Date.now() : 0;
  switch (event.key) {
    case '/':
      event.preventDefault();
      document.querySelector<HTMLElement>('[data-filter] .cm-content, input[data-filter]')?.focus();
      break;
    case '?': event.preventDefault(); helpOpen.value = true; break;
    case 'j': moveRow(1); break;
    case 'k': moveRow(-1); break;
    case 't': toggleTheme(); break;
  }
});
