// What keeps the pages live: a clock that ticks, and resources that are asked for again every few seconds.
import {signal, useSignal, type Signal} from '@preact/signals';
import {useEffect} from 'preact/hooks';
import {base} from './api';

const kPollMs = 5_000;
const kPollWhileStreamingMs = 15_000; // the stream says when there is something to ask for
const kSettleMs = 200; // changes come in bursts
const kStaleMs = 25_000;

export const now = signal(Date.now());
// When the server last answered any poll; 0 before the first answer.
export const lastAnswer = signal(0);
export const lastFailure = signal('');

// For what need not tick every second: a thousand rows of ages.
export const slow = signal(now.value);
setInterval(() => {
  if (document.hidden) return;
  now.value = Date.now();
  if (now.value - slow.value > 4_500) slow.value = now.value;
}, 1_000);
document.addEventListener('visibilitychange', () => { now.value = Date.now(); });

// Grows whenever the server says that the fleet has changed.
const changes = signal(0);
let source: EventSource | undefined;
let streaming = false;
let settling: ReturnType<typeof setTimeout> | undefined;

// One stream for all pages, while the tab is visible. Where it does not come through, polling alone must do.
function follow(): void {
  if (document.hidden) {
    source?.close();
    source = undefined;
    streaming = false;
    return;
  }
  if (source) return;
  source = new EventSource(`${base}api/v1/events/stream`);
  source.addEventListener('fleet', () => {
    streaming = true;
    clearTimeout(settling);
    settling = setTimeout(() => { changes.value += 1; }, kSettleMs);
  });
  source.onerror = () => { streaming = false; }; // it tries again by itself
}
document.addEventListener('visibilitychange', follow);

export type Freshness = 'starting' | 'live' | 'stale';
export function freshness(): Freshness {
  if (lastAnswer.value === 0) return lastFailure.value ? 'stale' : 'starting';
  return now.value - lastAnswer.value > kStaleMs ? 'stale' : 'live';
}

export interface Polled<T> { data?: T; error?: string; answeredAt: number }

// Asks now, when the fleet changes, and every few seconds while the tab is visible; keeps the last good answer when asking fails.
// `key` names what is asked; with `keep` the answer to the last key is shown until the next one is there.
export function usePolled<T>(key: string, load: (signal: AbortSignal) => Promise<T>, keep = false): Signal<Polled<T>> {
  const state = useSignal<Polled<T>>({answeredAt: 0});
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    if (!keep) state.value = {answeredAt: 0};
    follow();
    const poll = async () => {
      clearTimeout(timer);
      try {
        const data = await load(stop.signal);
        if (stop.signal.aborted) return;
        now.value = lastAnswer.value = Date.now();
        lastFailure.value = '';
        state.value = {data, answeredAt: lastAnswer.value};
      } catch (error) {
        if (stop.signal.aborted) return;
        lastFailure.value = String((error as Error).message);
        state.value = {...state.peek(), error: lastFailure.value};
      }
      if (!document.hidden) timer = setTimeout(poll, streaming ? kPollWhileStreamingMs : kPollMs);
    };
    const onVisible = () => { if (!document.hidden) void poll(); };
    document.addEventListener('visibilitychange', onVisible);
    void poll();
    let seen = changes.peek();
    const unsubscribe = changes.subscribe(value => { if (value !== seen) { seen = value; void poll(); } });
    return () => {
      unsubscribe();
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [key]);
  return state;
}
