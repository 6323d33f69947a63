// Stands in for the package lru-cache inside codemirror-promql, which uses a tenth of its 18 kB: a bounded map whose entries expire.
interface Options { max?: number; ttl?: number }

export class LRUCache<K, V> {
  private readonly entries = new Map<K, {value: V; expires: number}>();
  constructor(private readonly options: Options) {}

  get(key: K): V | undefined {
    const entry = this.entries.get(key);
    if (!entry || entry.expires < Date.now()) return undefined;
    this.entries.delete(key); // the order of a Map is the order of insertion: the oldest comes first
    this.entries.set(key, entry);
    return entry.value;
  }
  has(key: K): boolean { return this.get(key) !== undefined; }
  set(key: K, value: V): this {
    this.entries.delete(key);
    this.entries.set(key, {value, expires: this.options.ttl ? Date.now() + this.options.ttl : Infinity});
    if (this.options.max && this.entries.size > this.options.max) this.entries.delete(this.entries.keys().next().value!);
    return this;
  }
  delete(key: K): boolean { return this.entries.delete(key); }
  clear() { this.entries.clear(); }
}
