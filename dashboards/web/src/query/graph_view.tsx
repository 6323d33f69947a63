// The graph with its legend, which is also its data as a table.
import {useEffect, useRef} from 'preact/hooks';
import {useSignal} from '@preact/signals';
import type {Series} from '../api';
import {dateTime, metricText, plural, short} from '../format';
import {theme} from '../theme';
import {toCsv} from './results';
import {colourOf, createGraph, dashOf} from './graph';

const kDrawn = 100; // more lines than this nobody can tell apart, and drawing them takes seconds
const kTableRows = 500;

interface Line { name: string; values: (number | null)[]; min: number; max: number; mean: number; last: number }

function align(series: Series[], start: number, end: number, step: number): {times: number[]; lines: Line[]} {
  const times: number[] = [];
  for (let t = start; t <= end + step / 1e3; t += step) times.push(Math.round(t * 1e3) / 1e3);
  const lines = series.map(one => {
    const values: (number | null)[] = new Array(times.length).fill(null);
    let [min, max, sum, n, last] = [Infinity, -Infinity, 0, 0, NaN];
    for (const [time, text] of one.values ?? []) {
      const value = Number(text.replace('Inf', 'Infinity'));
      const index = Math.round((time - start) / step);
      last = value;
      if (!Number.isFinite(value) || index < 0 || index >= times.length) continue;
      values[index] = value;
      min = Math.min(min, value);
      max = Math.max(max, value);
      sum += value;
      ++n;
    }
    return {name: metricText(one.metric), values, min, max, mean: n ? sum / n : NaN, last};
  });
  return {times, lines};
}

function Swatch({index}: {index: number}) {
  return <svg class="swatch" viewBox="0 0 22 6" aria-hidden="true"><path d="M0 3h22" stroke={colourOf(index)} stroke-dasharray={dashOf(index).join(' ')} /></svg>;
}

function download(series: Series[]) {
  const anchor = document.createElement('a');
  anchor.href = URL.createObjectURL(new Blob([toCsv(series)], {type: 'text/csv'}));
  anchor.download = 'query.csv';
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(anchor.href), 10_000);
}

export function GraphView({series, start, end, step}: {series: Series[]; start: number; end: number; step: number}) {
  const box = useRef<HTMLDivElement>(null);
  const hidden = useSignal<ReadonlySet<number>>(new Set());
  const cursor = useSignal<number | null>(null);
  const {times, lines} = align(series.slice(0, kDrawn), start, end, step);
  useEffect(() => {
    const data = lines.map((line, index) => ({name: line.name, values: line.values, hidden: hidden.value.has(index), index}));
    const graph = createGraph(box.current!, {times, series: data}, index => { cursor.value = index; });
    return () => graph.destroy();
  }, [series, start, end, step, hidden.value, theme.value]);
  const toggle = (index: number) => {
    const next = new Set(hidden.value);
    if (!next.delete(index)) next.add(index);
    hidden.value = next;
  };
  const at = cursor.value;
  return (
    <>
      {series.length > kDrawn && <p class="muted pad">The first {kDrawn} of {plural(series.length, 'series', 'series')} are drawn; aggregate, or use the table for all.</p>}
      <div ref={box} class="graph" role="img" aria-label={`Lines of ${plural(lines.length, 'series', 'series')} from ${dateTime(start * 1000)} to ${dateTime(end * 1000)}; the table below has the same values`} />
      <div class="scroll" tabIndex={0} role="region" aria-label="Legend and values">
        <table class="legend">
          <thead><tr><th>Series</th><th class="right">{at !== null && times[at] ? dateTime(times[at] * 1000).slice(11) : 'Last'}</th><th class="right wide">Min</th><th class="right wide">Mean</th><th class="right">Max</th></tr></thead>
          <tbody>
            {lines.map((line, index) => (
              <tr key={index}>
                <td class="text"><button type="button" class="plain line" aria-pressed={!hidden.value.has(index)} onClick={() => toggle(index)} title="Show or hide"><Swatch index={index} /> <code>{line.name}</code></button></td>
                <td class="right number">{at !== null ? (line.values[at] ?? null) === null ? '–' : short(line.values[at]!) : short(line.last)}</td>
                <td class="right wide number">{Number.isFinite(line.min) ? short(line.min) : '–'}</td>
                <td class="right wide number">{short(line.mean)}</td>
                <td class="right number">{Number.isFinite(line.max) ? short(line.max) : '–'}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <details class="pad">
        <summary>Data as a table</summary>
        <p><button type="button" onClick={() => download(series)}>Download CSV</button></p>
        <DataTable times={times} lines={lines} />
      </details>
    </>
  );
}

function DataTable({times, lines}: {times: number[]; lines: Line[]}) {
  const step = Math.max(1, Math.ceil(times.length * Math.min(lines.length, 20) / (kTableRows * 10)));
  const shown = lines.slice(0, 20);
  return (
    <div class="scroll tall" tabIndex={0} role="region" aria-label="Values by time">
      <table>
        <thead><tr><th>Time</th>{shown.map((line, i) => <th class="right" key={i}><code>{line.name}</code></th>)}</tr></thead>
        <tbody>
          {times.map((time, i) => i % step === 0 && (
            <tr key={time}><th scope="row" class="number">{dateTime(time * 1000)}</th>{shown.map((line, j) => <td class="right number" key={j}>{line.values[i] ?? '–'}</td>)}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
