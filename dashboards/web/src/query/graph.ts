// The line graph. A chunk of its own, like the editor.
import uPlot from 'uplot';
import {short} from '../format';

// Apart in hue and in lightness, readable on white and on black; past ten the dashes tell lines apart.
const kColours = ['#2f7fd6', '#d9622b', '#2a9d6f', '#b44bc2', '#c79a12', '#d8437f', '#3aa6b9', '#8a7a5c', '#7265d8', '#6d9b2f'];
const kDashes: number[][] = [[], [7, 4], [2, 3], [10, 3, 2, 3]];

export function colourOf(index: number): string { return kColours[index % kColours.length]; }
export function dashOf(index: number): number[] { return kDashes[Math.floor(index / kColours.length) % kDashes.length]; }

export interface GraphData { times: number[]; series: {name: string; values: (number | null)[]; hidden: boolean; index: number}[] }

export interface Graph { destroy(): void }

export function createGraph(parent: HTMLElement, data: GraphData, onCursor: (index: number | null) => void): Graph {
  const style = getComputedStyle(parent);
  const [text, grid] = [style.color, style.borderTopColor]; // resolved: a canvas does not know light-dark()
  const axis = {stroke: text, grid: {stroke: grid, width: 1}, ticks: {stroke: grid, width: 1}, font: '12px system-ui, sans-serif'};
  const size = () => ({width: Math.max(200, parent.clientWidth), height: parent.clientWidth < 600 ? 240 : 340});
  const plot = new uPlot({
    ...size(),
    legend: {show: false},
    cursor: {y: false, points: {size: 7}},
    scales: {x: {time: true}},
    series: [{}, ...data.series.map(s => ({
      label: s.name, stroke: colourOf(s.index), dash: dashOf(s.index), width: 1.6, show: !s.hidden, spanGaps: false,
      points: {show: data.times.length < 3},
    }))],
    axes: [
      {...axis, space: 70, values: timeLabels},
      {...axis, size: 62, values: (_: uPlot, ticks: number[]) => ticks.map(short)},
    ],
    hooks: {setCursor: [(u: uPlot) => onCursor(u.cursor.idx ?? null)]},
  }, [data.times, ...data.series.map(s => s.values)] as uPlot.AlignedData, parent);
  const watch = new ResizeObserver(() => plot.setSize(size()));
  watch.observe(parent);
  return {destroy: () => { watch.disconnect(); plot.destroy(); }};
}

// 24 h clock; the date where a day begins, or on every tick when ticks are days apart.
function timeLabels(_: uPlot, ticks: number[], __: number, ___: number, step: number): string[] {
  const two = (n: number) => String(n).padStart(2, '0');
  return ticks.map(tick => {
    const d = new Date(tick * 1000);
    const date = `${two(d.getMonth() + 1)}-${two(d.getDate())}`;
    if (step >= 86400 || (d.getHours() === 0 && d.getMinutes() === 0 && d.getSeconds() === 0)) return date;
    return `${two(d.getHours())}:${two(d.getMinutes())}${step < 60 ? `:${two(d.getSeconds())}` : ''}`;
  });
}
