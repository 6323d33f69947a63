// Drives the pages in a real browser: node tests/web/e2e.mjs BASE_URL OUTPUT_FOLDER [--empty]
// Checks every page for console errors, failed requests and axe violations, walks through by keyboard alone, and leaves
// screenshots (light and dark, 1280 and 400 px wide). Needs the dev dependencies of dashboards/web and Debian's chromium.
// Exits 1 with a list of what failed.
import {createRequire} from 'node:module';
import {mkdir} from 'node:fs/promises';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const require = createRequire(path.join(here, '../../dashboards/web/package.json'));
const {chromium} = require('playwright-core');
const axePath = require.resolve('axe-core/axe.min.js');

const [base = 'http://127.0.0.1:9707/', out = 'build/web', mode = ''] = process.argv.slice(2);
const root = base.endsWith('/') ? base : `${base}/`;
const empty = mode === '--empty';
const failures = [];
const check = (what, ok, detail = '') => { console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}${ok || !detail ? '' : `: ${detail}`}`); if (!ok) failures.push(what); };

const kPages = [
  ['fleet', 'fleet'],
  ['deployments', 'deployments'],
  ['query-table', 'graph?g0.expr=up&g0.tab=1'],
  ['query-graph', 'graph?g0.expr=up&g0.tab=0&g0.range_input=15m'],
  ['query-empty', 'query'],
  ['alerts', 'alerts'],
];

async function watched(context) {
  const page = await context.newPage();
  const problems = [];
  page.on('console', message => { if (message.type() === 'error') problems.push(message.text()); });
  page.on('pageerror', error => problems.push(String(error)));
  page.on('response', response => { if (response.status() >= 500) problems.push(`${response.status()} ${response.url()}`); });
  return {page, problems};
}

async function settled(page, name) {
  page.setDefaultTimeout(10_000);
  await page.locator('h1').first().waitFor({state: 'attached'});
  await page.locator('text=Asking…').waitFor({state: 'detached'});
  if (name.startsWith('query')) await page.locator('.cm-content').waitFor();
  if (name === 'query-graph' && !empty) await page.locator('.uplot canvas').waitFor();
  if (name === 'query-table' && !empty) await page.locator('table.result').waitFor();
}

async function axe(page) {
  // page.evaluate is not bound by the page's policy, so the scripts' own rule stays under test.
  await page.evaluate(await (await import('node:fs/promises')).readFile(axePath, 'utf8'));
  const result = await page.evaluate(() => axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice']}));
  return result.violations.map(v => `${v.id} (${v.nodes.map(n => n.target.join(' ')).slice(0, 3).join('; ')})`);
}

async function looks(browser) {
  for (const colorScheme of ['light', 'dark']) {
    for (const width of [1280, 400]) {
      const context = await browser.newContext({colorScheme, viewport: {width, height: width === 400 ? 800 : 860}, reducedMotion: 'reduce'});
      const {page, problems} = await watched(context);
      const pages = [...kPages];
      if (!empty) {
        await page.goto(`${root}deployments`);
        await settled(page, 'deployments');
        const first = await page.locator('a[data-row]').first().getAttribute('href').catch(() => null);
        if (first) pages.push(['workload', first.slice(root.length)]);
      }
      for (const [name, where] of pages) {
        problems.length = 0;
        await page.goto(root + where);
        const label = `${name} ${colorScheme} ${width}`;
        const shown = await settled(page, name).then(() => '', error => String(error).split('\n')[0]);
        check(`${label}: shows its content`, shown === '', shown);
        const violations = await axe(page);
        check(`${label}: no axe violation`, violations.length === 0, violations.join(', '));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        check(`${label}: fits the width`, wide <= 0, `${wide} px too wide`);
        await page.screenshot({path: path.join(out, `${name}-${colorScheme}-${width}${empty ? '-empty' : ''}.png`), fullPage: true});
        check(`${label}: no console error`, problems.length === 0, problems.join(' | '));
      }
      await context.close();
    }
  }
}

async function keyboard(browser) {
  const context = await browser.newContext({viewport: {width: 1280, height: 860}});
  const {page, problems} = await watched(context);
  const title = () => page.title();
  await page.goto(root);
  await settled(page, 'fleet');
  const go = async (key, expected) => {
    await page.keyboard.press('g');
    await page.keyboard.press(key);
    await page.waitForFunction(text => document.title.startsWith(text), expected, {timeout: 3000}).catch(() => {});
    check(`g ${key} goes to ${expected}`, (await title()).startsWith(expected), await title());
  };
  await go('d', 'Deployments');
  await settled(page, 'deployments');
  if (!empty) {
    await page.locator('input[data-filter]').waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('nginx');
    check('/ goes to the filter', page.url().includes('filter=nginx'), page.url());
    await page.keyboard.press('Escape');
    await page.keyboard.press('j');
    await page.keyboard.press('Enter');
    await page.locator('.crumbs').waitFor({timeout: 3000}).catch(() => {});
    check('j and Enter open the first row', page.url().includes('name=nginx'), page.url());
  }
  await go('a', 'Alerts');
  await go('f', 'Fleet');
  await page.keyboard.press('?');
  await page.locator('dialog[open]').waitFor({timeout: 3000}).catch(() => {});
  check('? opens the help', await page.locator('dialog[open]').count() === 1);
  await page.keyboard.press('Escape');
  check('Escape closes the help', await page.locator('dialog[open]').count() === 0);
  await go('q', 'Query');
  await page.locator('.cm-content').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('1 + 1');
  await page.keyboard.press('Enter');
  await page.locator('.scalar').waitFor({timeout: 5000}).catch(() => {});
  check('Enter runs the query', (await page.locator('.scalar').textContent().catch(() => '')).includes('2'));
  if (!empty) {
    await page.keyboard.press('Control+a');
    await page.keyboard.type('u', {delay: 30});
    await page.keyboard.type('p', {delay: 30});
    await page.locator('.cm-tooltip-autocomplete').waitFor({timeout: 5000}).catch(() => {});
    check('typing offers metric names', await page.locator('.cm-tooltip-autocomplete li').count() > 0);
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+Enter');
    await page.locator('table.result').waitFor({timeout: 5000}).catch(() => {});
    check('Ctrl+Enter runs the query', await page.locator('table.result tbody tr').count() > 0);
  }
  await page.keyboard.press('Escape');
  await page.keyboard.press('Tab');
  check('Tab leaves the editor', await page.evaluate(() => !document.activeElement.closest('.cm-editor')));
  check('keyboard walk: no console error', problems.length === 0, problems.join(' | '));
  await context.close();
}

await mkdir(out, {recursive: true});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
try {
  await looks(browser);
  await keyboard(browser);
} finally {
  await browser.close();
}
console.log(failures.length ? `${failures.length} checks failed:\n${failures.join('\n')}` : `all checks passed; screenshots in ${out}`);
process.exit(failures.length ? 1 : 0);
