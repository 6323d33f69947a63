// Small pieces that several pages show.
import type {ComponentChildren} from 'preact';
import {useRef} from 'preact/hooks';
import {useSignal} from '@preact/signals';
import {phases, type Cluster, type Phase} from './api';
import {now, slow} from './live';
import {count, dateTime, duration, plural} from './format';

type Tone = 'ok' | 'busy' | 'warn' | 'bad' | 'unknown' | 'idle';

// Every state has a shape of its own besides its colour.
const kShapes: Record<string, string> = {
  check: 'M3 8.5 6.5 12 13 4.5',
  turn: 'M13 8a5 5 0 1 1-1.6-3.7M13 2.5v3h-3',
  cross: 'M4 4l8 8M12 4l-8 8',
  down: 'M8 3v9M4 8.5 8 12.5 12 8.5',
  ask: 'M5.5 6a2.5 2.5 0 1 1 3.6 2.2C8.3 8.6 8 9 8 10M8 12.6v.1',
  ring: 'M8 4.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7',
  gone: 'M3 8h6M7 5l3 3-3 3M13 4v8',
  bell: 'M4 11h8l-1-1.5V7a3 3 0 0 0-6 0v2.5zM7 13h2',
  clock: 'M8 3a5 5 0 1 0 0 10A5 5 0 0 0 8 3M8 5.5V8l2 1.5',
  mute: 'M3 8h2M7 8h2M11 8h2',
};

export function Icon({shape}: {shape: string}) {
  return <svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d={kShapes[shape]} /></svg>;
}

const kPhaseLook: Record<Phase, [Tone, string]> = {
  Complete: ['ok', 'check'], Progressing: ['busy', 'turn'], Stalled: ['bad', 'cross'], Degraded: ['warn', 'down'],
  Idle: ['idle', 'ring'], Unknown: ['unknown', 'ask'], NotPropagated: ['bad', 'gone'], NotDesired: ['warn', 'gone'],
};

export function phaseTone(phase: Phase): Tone { return kPhaseLook[phase]?.[0] ?? 'unknown'; }

export function PhaseChip({phase}: {phase: Phase}) {
  const [tone, shape] = kPhaseLook[phase] ?? ['unknown', 'ask'];
  return <span class={`chip ${tone}`}><Icon shape={shape} />{phase}</span>;
}

export function PhaseCounts({counts}: {counts: Partial<Record<Phase, number>>}) {
  const shown = phases.filter(phase => counts[phase]);
  if (!shown.length) return <span class="muted">none</span>;
  return (
    <span class="counts">
      {shown.map(phase => {
        const [tone, shape] = kPhaseLook[phase];
        return (
          <span class={`chip small ${tone}`} key={phase} title={`${counts[phase]} ${phase}`}>
            <Icon shape={shape} />{count(counts[phase]!)}<span class="sr"> {phase}</span>
          </span>
        );
      })}
    </span>
  );
}

const kClusterLook: Record<Cluster['state'], [Tone, string, string]> = {
  fresh: ['ok', 'check', 'Fresh'], lagging: ['warn', 'clock', 'Lagging'], silent: ['unknown', 'mute', 'Silent'], warming: ['busy', 'turn', 'Warming up'],
  never: ['unknown', 'ask', 'Never seen'],
};
export const clusterStates = ['silent', 'never', 'lagging', 'warming', 'fresh'] as const; // worst first

export function ClusterChip({state}: {state: Cluster['state']}) {
  const [tone, shape, text] = kClusterLook[state] ?? ['unknown', 'ask', state];
  return <span class={`chip ${tone}`}><Icon shape={shape} />{text}</span>;
}

export function AlertChip({state, severity}: {state: string; severity?: string}) {
  if (state === 'firing') return <span class={`chip ${severity === 'info' ? 'busy' : severity === 'warning' ? 'warn' : 'bad'}`}><Icon shape="bell" />Firing</span>;
  if (state === 'pending') return <span class="chip busy"><Icon shape="clock" />Pending</span>;
  return <span class="chip idle"><Icon shape="ring" />Inactive</span>;
}

// An age that goes on growing: `seconds` old at the time `at` (ms).
export function Age({seconds, at, none = '–'}: {seconds?: number | null; at: number; none?: string}) {
  if (seconds === undefined || seconds === null) return <span class="muted">{none}</span>;
  return <span class="number">{duration(seconds + Math.max(0, slow.value - at) / 1000)}</span>;
}

export function Since({unix}: {unix?: number | null}) {
  if (!unix) return <span class="muted">–</span>;
  return <time class="number" dateTime={new Date(unix * 1000).toISOString()} title={dateTime(unix * 1000)}>{duration((now.peek() / 1000 - unix > 90 ? slow : now).value / 1000 - unix)}</time>;
}

// `3/5` with a bar, which is full and green only if these are pods of the new template as well.
export function Ready({ready, desired, updated}: {ready?: number | null; desired?: number | null; updated?: number | null}) {
  if (ready === undefined || ready === null || desired === undefined || desired === null) return <span class="muted">unknown</span>;
  const share = desired > 0 ? Math.min(1, ready / desired) : 1;
  return (
    <span class="ready">
      <span class="number">{count(ready)}<span class="muted">/{count(desired)}</span></span>
      <span class={desired > 0 ? 'bar' : 'bar none'} aria-hidden="true"><span class={share < 1 || (updated ?? desired) < desired ? 'part' : ''} style={{width: `${share * 100}%`}} /></span>
    </span>
  );
}

export function Notice({tone, children}: {tone: 'error' | 'warning' | 'info'; children: ComponentChildren}) {
  return <div class={`notice ${tone}`} role={tone === 'error' ? 'alert' : 'status'}><Icon shape={tone === 'error' ? 'cross' : 'ask'} /><div>{children}</div></div>;
}

export function Loading() {
  return <p class="muted pad" role="status">Asking…</p>;
}

// `ImagePull/ErrImagePull` may break after the slash, nowhere else.
export function Reason({text}: {text: string}) {
  return <span class="reason">{text.split('/').flatMap((part, i) => i === 0 ? [part] : ['/', <wbr />, part])}</span>;
}

// Text to copy. The clipboard needs HTTPS or localhost; elsewhere the field is selected instead.
export function Snippet({text, label}: {text: string; label: string}) {
  const field = useRef<HTMLTextAreaElement>(null);
  const said = useSignal('Copy');
  const copy = async () => {
    field.current?.select();
    try {
      await navigator.clipboard.writeText(text);
      said.value = 'Copied';
    } catch {
      said.value = 'Selected: press Ctrl C';
    }
    setTimeout(() => { said.value = 'Copy'; }, 3_000);
  };
  return (
    <div class="snippet">
      <textarea ref={field} readOnly rows={text.split('\n').length} aria-label={label} spellcheck={false} value={text} />
      <button type="button" onClick={copy} aria-live="polite">{said}</button>
    </div>
  );
}

export function ShowMore({shown, total, onMore}: {shown: number; total: number; onMore: () => void}) {
  if (shown >= total) return null;
  return <p class="pad"><button type="button" onClick={onMore}>Show {plural(Math.min(200, total - shown), 'more row')} of {count(total - shown)}</button></p>;
}
