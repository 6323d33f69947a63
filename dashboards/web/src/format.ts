// Texts for times, numbers and series.
import type {LabelSet} from './api';

// 45 s, 12 min, 3 h 20 min, 4 d: short, and never more than two units.
export function duration(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 90) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 && hours < 10 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} d`;
}

// 2026-11-20 14:03:07, local, 24 h.
export function dateTime(ms: number): string {
  const d = new Date(ms);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export function count(n: number): string {
  return n.toString().replace(/\B(?=(\d{3})+$)/g, '\u202f');
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

// Four significant digits with an SI prefix: what a legend has room for.
export function short(value: number): string {
  if (!Number.isFinite(value)) return String(value).replace('Infinity', 'Inf');
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e15)) return value.toExponential(3);
  for (const [unit, suffix] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e4, 'k']] as const) {
    if (size >= unit) return `${Number((value / (unit === 1e4 ? 1e3 : unit)).toPrecision(4))}${suffix}`;
  }
  return String(Number(value.toPrecision(4)));
}

export function metricText(labels: LabelSet): string {
  const {__name__: name = '', ...rest} = labels;
  const inside = Object.entries(rest).map(([k, v]) => `${k}=${JSON.stringify(v)}`).join(', ');
  return name && !inside ? name : `${name}{${inside}}`;
}

const kUnits: Record<string, number> = {ms: 0.001, s: 1, m: 60, h: 3600, d: 86400, w: 604800, y: 31536000};

// Seconds of a Prometheus duration (`1h30m`), or undefined.
export function parseDuration(text: string): number | undefined {
  const parts = [...text.trim().matchAll(/(\d+)(ms|[smhdwy])/g)];
  if (!parts.length || parts.map(p => p[0]).join('') !== text.trim()) return undefined;
  return parts.reduce((sum, p) => sum + Number(p[1]) * kUnits[p[2]], 0);
}
