// The JSON that the server answers, and how to ask for it.

// Where the pages live, with a slash at the end: every chunk lies in assets/ below it, so a path prefix needs no setting.
export const base = new URL('..', import.meta.url).href;

export const phases = ['Stalled', 'Degraded', 'NotPropagated', 'Unknown', 'Progressing', 'NotDesired', 'Complete', 'Idle'] as const;
export type Phase = (typeof phases)[number]; // worst first

export interface Cluster {
  cluster: string;
  environment?: string;
  zone?: string;
  state: 'fresh' | 'lagging' | 'silent' | 'warming' | 'never';
  lastArrivalSeconds?: number | null; // age at the time of the answer
  lagSeconds?: number | null;
  flapping?: boolean;
  activeSeries?: number;
  note?: string; // what is unusual about it, and the fix
  deployments?: Partial<Record<Phase, number>>;
}

export interface Cause { reason: string; count: number; message?: string }

export interface Pod { name: string; node: string; phase: string; ready: boolean; newest: boolean; reason: string; message: string; restarts10m: number }

export interface Deployment {
  cluster: string;
  namespace: string;
  name: string;
  kind?: string;
  phase: Phase;
  reason?: string;
  message?: string;
  desired?: number | null;
  updated?: number | null;
  ready?: number | null;
  available?: number | null;
  since?: number | null; // Unix seconds
  evidenceAgeSeconds?: number | null;
  causes?: Cause[];
  created?: number | null;
  spec?: number | null;
  images?: string[];
  warnings?: string[];
  pods?: Pod[];
  lastKnown?: string;
}

export interface Workload {
  namespace: string;
  name: string;
  phase: Phase;
  reason?: string;
  desiredReplicas?: number | null;
  readyReplicas?: number | null;
  unknownReplicas?: number | null;
  kind?: string;
  clusters: Deployment[];
  drift?: Drift[];
}

export interface Drift { cluster: string; field: string; own: string; most: string }

export interface TimelineEvent {
  number: number;
  at: number; // Unix seconds
  event: string;
  cluster: string;
  phase: Phase;
  reason: string;
  message: string;
  tookSeconds: number | null;
}

export type LabelSet = Record<string, string>;
export type Sample = [number, string];

export interface Alert { labels: LabelSet; annotations: LabelSet; state: string; activeAt?: string; value: string }

export interface Rule {
  type: 'alerting' | 'recording';
  name: string;
  query: string;
  state?: string;
  duration?: number;
  health: string;
  lastError?: string;
  evaluationTime?: number;
  lastEvaluation?: string;
  labels?: LabelSet;
  alerts?: Alert[];
}

export interface RuleGroup { name: string; file: string; interval: number; rules: Rule[] }

export interface Series { metric: LabelSet; value?: Sample; values?: Sample[]; histogram?: [number, Histogram]; histograms?: [number, Histogram][] }
export interface Histogram { count: string; sum: string }

export type QueryResult =
  | {resultType: 'vector' | 'matrix'; result: Series[]}
  | {resultType: 'scalar' | 'string'; result: Sample};

export interface Answer<T> { data: T; warnings: string[]; infos: string[] }

export class ApiError extends Error {
  constructor(message: string, readonly kind: string) { super(message); }
}

function parse(text: string): any {
  try { return JSON.parse(text); } catch { return null; }
}

type Params = Record<string, string | number | undefined>;

// GET, or POST as a form where the parameters may be long.
export async function ask<T>(path: string, params: Params = {}, options: {signal?: AbortSignal; post?: boolean} = {}): Promise<Answer<T>> {
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) if (value !== undefined && value !== '') form.set(name, String(value));
  const query = form.size && !options.post ? `?${form}` : '';
  let response: Response;
  try {
    response = await fetch(`${base}api/v1/${path}${query}`, {
      method: options.post ? 'POST' : 'GET', body: options.post ? form : undefined, signal: options.signal,
      headers: {Accept: 'application/json'},
    });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError('aerie cannot be reached', 'network');
  }
  const text = await response.text();
  const body = parse(text);
  if (body?.status === 'success') return {data: body.data, warnings: body.warnings ?? [], infos: body.infos ?? []};
  throw new ApiError(body?.error ?? `the server answered ${response.status}${text && text.length < 200 && !text.includes('<') ? `: ${text.trim()}` : ''}`, body?.errorType ?? String(response.status));
}
