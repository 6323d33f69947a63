// Answers of a query as tables.
import {useSignal} from '@preact/signals';
import type {QueryResult, Sample, Series} from '../api';
import {dateTime, metricText, plural} from '../format';
import {ShowMore} from '../parts';

const kRows = 200;

function Metric({series}: {series: Series}) {
  const {__name__: name, ...rest} = series.metric;
  const labels = Object.entries(rest);
  if (!name && !labels.length) return <span class="muted">{'{}'}</span>;
  return (
    <code class="metric">
      {name && <b>{name}</b>}
      {labels.length > 0 && <>{'{'}{labels.map(([key, value], i) => <span key={key}>{i > 0 && ', '}<span class="name">{key}</span>=<span class="string">{JSON.stringify(value)}</span></span>)}{'}'}</>}
    </code>
  );
}

function Value({series}: {series: Series}) {
  if (series.value) return <>{series.value[1]}</>;
  if (series.histogram) return <>count {series.histogram[1].count}, sum {series.histogram[1].sum}</>;
  const samples = [...(series.values ?? []), ...(series.histograms ?? []).map(([time, h]) => [time, `count ${h.count}, sum ${h.sum}`] as Sample)];
  return <>{samples.map(([time, value]) => <span class="sample" key={time}>{value} <span class="muted">@{time}</span></span>)}</>;
}

export function ResultTable({answer}: {answer: QueryResult}) {
  const limit = useSignal(kRows);
  if (answer.resultType === 'scalar' || answer.resultType === 'string') {
    const [time, value] = answer.result;
    return <p class="pad scalar"><span class="muted">{answer.resultType}</span> <b class="number">{value}</b> <span class="muted">at {dateTime(time * 1000)}</span></p>;
  }
  const list = answer.result as Series[];
  if (!list.length) return <p class="pad muted">No series matches at this time.</p>;
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label="Result">
        <table class="result">
          <thead><tr><th>Series</th><th class="right">Value</th></tr></thead>
          <tbody>
            {list.slice(0, limit.value).map((series, index) => (
              <tr key={index}><td class="text"><Metric series={series} /></td><td class="right number"><Value series={series} /></td></tr>
            ))}
          </tbody>
        </table>
      </div>
      <ShowMore shown={limit.value} total={list.length} onMore={() => { limit.value += kRows; }} />
    </>
  );
}

function csvField(text: string): string {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

// One line per sample: series, time, value.
export function toCsv(series: Series[]): string {
  const lines = ['series,time,value'];
  for (const one of series) {
    for (const [time, value] of one.values ?? (one.value ? [one.value] : [])) lines.push(`${csvField(metricText(one.metric))},${new Date(time * 1000).toISOString()},${value}`);
  }
  return `${lines.join('\n')}\n`;
}

export function Summary({answer, ms}: {answer: QueryResult; ms: number}) {
  const series = Array.isArray(answer.result) && typeof answer.result[0] !== 'number' ? answer.result.length : 1;
  return <span class="muted" role="status">{plural(series, 'series', 'series')} in {ms.toFixed(0)} ms</span>;
}
