// The PromQL editor. A chunk of its own: the other pages do not load it.
import {acceptCompletion, autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus} from '@codemirror/autocomplete';
import {history, historyKeymap, standardKeymap} from '@codemirror/commands';
import {bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting} from '@codemirror/language';
import {lintKeymap} from '@codemirror/lint';
import {EditorState, Prec} from '@codemirror/state';
import {EditorView, highlightSpecialChars, keymap, placeholder} from '@codemirror/view';
import {tags} from '@lezer/highlight';
import {PromQLExtension} from '@prometheus-io/codemirror-promql';
import {base} from '../api';

const kColours = HighlightStyle.define([
  {tag: tags.number, color: 'var(--code-number)'},
  {tag: tags.string, color: 'var(--code-string)'},
  {tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: 'var(--code-keyword)', fontWeight: '600'},
  {tag: [tags.function(tags.variableName), tags.standard(tags.name)], color: 'var(--code-function)'},
  {tag: tags.labelName, color: 'var(--code-label)'},
  {tag: tags.comment, color: 'var(--muted)', fontStyle: 'italic'},
  {tag: tags.invalid, color: 'var(--bad)'},
]);

// Typing over a selection by hand: the browser would keep the look of the replaced text in a style attribute, which the page's
// security policy forbids.
function typeOverSelection(event: InputEvent, view: EditorView): boolean {
  const {from, to, empty} = view.state.selection.main;
  if (event.inputType !== 'insertText' || !event.data || empty || view.composing) return false;
  event.preventDefault();
  const text = event.data;
  const insert = () => view.state.update({changes: {from, to, insert: text}, selection: {anchor: from + text.length}, userEvent: 'input.type'});
  if (!view.state.facet(EditorView.inputHandler).some(handle => handle(view, from, to, text, insert))) view.dispatch(insert());
  return true;
}

export interface Editor { text(): string; setText(text: string): void; focus(): void; destroy(): void }

export function createEditor(parent: HTMLElement, text: string, onRun: () => void): Editor {
  const promql = new PromQLExtension().setComplete({remote: {url: base.replace(/\/$/, ''), cache: {maxAge: 60_000}}});
  const run = () => { onRun(); return true; };
  const nonce = document.querySelector<HTMLScriptElement>('script[nonce]')?.nonce ?? '';
  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: text,
      extensions: [
        EditorView.cspNonce.of(nonce),
        EditorView.contentAttributes.of({'aria-label': 'PromQL expression'}),
        highlightSpecialChars(), history(), indentOnInput(), bracketMatching(), closeBrackets(), autocompletion(),
        syntaxHighlighting(kColours), EditorView.lineWrapping, placeholder('PromQL, for example  sum by (cluster) (up)   ( / )'),
        promql.asExtension(),
        EditorView.domEventHandlers({beforeinput: typeOverSelection}),
        Prec.highest(keymap.of([
          {key: 'Mod-Enter', run},
          {key: 'Enter', run: target => completionStatus(target.state) === 'active' ? acceptCompletion(target) || run() : run()},
          {key: 'Escape', run: target => { if (completionStatus(target.state)) return false; target.contentDOM.blur(); return true; }},
        ])),
        keymap.of([...closeBracketsKeymap, ...standardKeymap, ...historyKeymap, ...completionKeymap, ...lintKeymap]),
      ],
    }),
  });
  return {
    text: () => view.state.doc.toString(),
    setText: value => { if (value !== view.state.doc.toString()) view.dispatch({changes: {from: 0, to: view.state.doc.length, insert: value}}); },
    focus: () => view.focus(),
    destroy: () => view.destroy(),
  };
}
