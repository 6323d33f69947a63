// Bundles src/ into dist/: every file gzipped, names carry a hash of their content, index.html names the entry.
// Written only where the content differs, because zlib's output varies between Node versions while the content does not.
// `--check` writes nothing and exits 1 when dist/ is not what src/ gives.
import {build} from 'esbuild';
import {readFile, readdir, writeFile, mkdir, rm} from 'node:fs/promises';
import {existsSync} from 'node:fs';
import {gunzipSync, gzipSync} from 'node:zlib';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const root = path.dirname(fileURLToPath(import.meta.url));
const dist = path.join(root, 'dist');
const onlyCheck = process.argv.includes('--check');

async function bundle() {
  const result = await build({
    absWorkingDir: root, entryPoints: ['src/main.tsx'], bundle: true, minify: true, format: 'esm', splitting: true,
    target: ['chrome120', 'firefox120', 'safari17.5'], outdir: 'dist', write: false, metafile: true, charset: 'utf8',
    entryNames: 'assets/[name]-[hash]', chunkNames: 'assets/[name]-[hash]', assetNames: 'assets/[name]-[hash]',
    jsx: 'automatic', jsxImportSource: 'preact', alias: {'lru-cache': './src/query/lru_cache.ts'}, legalComments: 'none', logLevel: 'warning',
  });
  const files = new Map(result.outputFiles.map(f => [path.relative(dist, f.path), Buffer.from(f.contents)]));
  const entry = Object.entries(result.metafile.outputs).find(([, o]) => o.entryPoint === 'src/main.tsx');
  return {files, inputs: Object.keys(result.metafile.inputs), script: path.relative(dist, path.join(root, entry[0])),
          style: path.relative(dist, path.join(root, entry[1].cssBundle))};
}

// The licence text of every package that has code in the bundle.
async function notices(inputs) {
  const packages = new Set(inputs.map(i => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(i)?.[1]).filter(Boolean));
  const users = new Map(); // licence text -> packages: most differ in nothing but the copyright line
  for (const name of [...packages].sort()) {
    const folder = path.join(root, 'node_modules', name);
    const info = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8'));
    const file = (await readdir(folder)).find(f => /^licen[cs]e/i.test(f));
    const text = file ? (await readFile(path.join(folder, file), 'utf8')).trim() : 'The package has no licence file of its own.';
    users.set(text, [...(users.get(text) ?? []), `${name} ${info.version} (${info.license})`]);
  }
  const parts = ['The web pages of aerie contain code of these packages.\n'];
  for (const [text, names] of users) parts.push(`${'-'.repeat(78)}\n${names.join('\n')}\n\n${text}\n`);
  return Buffer.from(parts.join('\n'));
}

async function wanted() {
  const {files, inputs, script, style} = await bundle();
  const page = (await readFile(path.join(root, 'src/index.html'), 'utf8')).replace('%SCRIPT%', script).replace('%STYLE%', style);
  files.set('index.html', Buffer.from(page));
  files.set('licenses.txt', await notices(inputs));
  return files;
}

async function present() {
  const files = new Map();
  if (!existsSync(dist)) return files;
  for (const entry of await readdir(dist, {recursive: true})) {
    if (!entry.endsWith('.gz')) continue;
    files.set(entry.slice(0, -3), gunzipSync(await readFile(path.join(dist, entry))));
  }
  return files;
}

const [want, have] = [await wanted(), await present()];
const stale = [...want.keys()].filter(name => !have.get(name)?.equals(want.get(name)));
const extra = [...have.keys()].filter(name => !want.has(name));
if (onlyCheck) {
  for (const name of stale) console.log(`dist/${name}.gz is missing or stale`);
  for (const name of extra) console.log(`dist/${name}.gz has no source`);
  if (stale.length + extra.length) console.log('run `npm run build` in dashboards/web and commit dist/');
  process.exit(stale.length + extra.length ? 1 : 0);
}
for (const name of extra) await rm(path.join(dist, `${name}.gz`));
for (const name of stale) {
  await mkdir(path.dirname(path.join(dist, name)), {recursive: true});
  await writeFile(path.join(dist, `${name}.gz`), gzipSync(want.get(name), {level: 9}));
}
let raw = 0, packed = 0;
for (const [name, content] of want) {
  const size = (await readFile(path.join(dist, `${name}.gz`))).length;
  raw += content.length;
  packed += size;
  console.log(`${name.padEnd(40)} ${String(content.length).padStart(8)} ${String(size).padStart(8)} gz`);
}
console.log(`${'total'.padEnd(40)} ${String(raw).padStart(8)} ${String(packed).padStart(8)} gz`);
