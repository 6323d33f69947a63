// What keeps the pages live: a clock that ticks, and resources that are asked for again every few seconds.
import {signal, useSignal, type Signal} from '@preact/signals';
import {useEffect} from 'preact/hooks';

const kPollMs = 5_000;
const kStaleMs = 15_000;

export const now = signal(Date.now());
// When the server last answered any poll; 0 before the first answer.
export const lastAnswer = signal(0);
export const lastFailure = signal('');

setInterval(() => { if (!document.hidden) now.value = Date.now(); }, 1_000);
document.addEventListener('visibilitychange', () => { now.value = Date.now(); });

export type Freshness = 'starting' | 'live' | 'stale';
export function freshness(): Freshness {
  if (lastAnswer.value === 0) return lastFailure.value ? 'stale' : 'starting';
  return now.value - lastAnswer.value > kStaleMs ? 'stale' : 'live';
}

export interface Polled<T> { data?: T; error?: string; answeredAt: number }

// Asks now and every 5 s while the tab is visible; keeps the last good answer when asking fails. `key` names what is asked.
export function usePolled<T>(key: string, load: (signal: AbortSignal) => Promise<T>): Signal<Polled<T>> {
  const state = useSignal<Polled<T>>({answeredAt: 0});
  useEffect(() => {
    const stop = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    state.value = {answeredAt: 0};
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
      if (!document.hidden) timer = setTimeout(poll, kPollMs);
    };
    const onVisible = () => { if (!document.hidden) void poll(); };
    document.addEventListener('visibilitychange', onVisible);
    void poll();
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', onVisible);
    };
  }, [key]);
  return state;
}
