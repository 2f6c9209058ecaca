/** Watches: changes pushed to clients as they are written, from any resourceVersion that the log still holds. */
import { expired, type ApiError } from './api-error.ts'
import type { Cluster } from './cluster.ts'
import type { JsonObject, Resource } from './json.ts'
import { matcherOf, resourceVersionOf, type CollectionTarget } from './read.ts'
import { apiVersionOf, keyOf } from './resource-type.ts'
import type { Change } from './store.ts'
import { asVersion } from './write.ts'

/** Where a watch writes. */
export interface WatchSink {
  write: (line: string) => void
  /** Bytes that the client has not taken yet. */
  pending: () => number
  end: () => void
}

/** Makes the object of an event (as it is, or as a table of one row). */
export type Render = (object: Resource) => JsonObject

interface Watcher {
  key: string
  namespace: string | undefined
  take: (change: Change) => void
  bookmark: () => void
  end: () => void
}

/** A client that lags further behind than this is cut off, and lists again. */
const pendingBytesMax = 64 * 1024 * 1024

export class WatchHub {
  readonly #cluster: Cluster
  readonly #watchers = new Set<Watcher>()
  readonly #timer: NodeJS.Timeout

  constructor(cluster: Cluster, bookmarkIntervalMs = 60_000) {
    this.#cluster = cluster
    cluster.store.subscribe((change) => this.#push(change))
    this.#timer = setInterval(() => {
      for (const watcher of this.#watchers) watcher.bookmark()
    }, bookmarkIntervalMs)
    this.#timer.unref()
  }

  get watcherCount(): number {
    return this.#watchers.size
  }

  /** Starts a watch and returns the function that stops it. Throws 410 when the log does not reach back far enough. */
  start(target: CollectionTarget, query: URLSearchParams, render: Render, sink: WatchSink): () => void {
    const { store } = this.#cluster
    const key = keyOf(target.type)
    const since = resourceVersionOf(query)
    const matches = matcherOf(target, query)
    const bookmarks = query.get('allowWatchBookmarks') === 'true' || query.get('allowWatchBookmarks') === '1'
    const sendInitial = query.get('sendInitialEvents') === 'true'
    const fromNow = since === undefined || since === 0 || sendInitial
    // A resourceVersion that was never given out belongs to another store: the client has to list again.
    if (!fromNow && (since < store.compacted || since > store.resourceVersion))
      throw expired(since, store.compacted)

    const send = (type: string, object: JsonObject) => sink.write(`${JSON.stringify({ type, object })}\n`)
    const sendObject = (type: string, object: Resource) => send(type, render(asVersion(object, target)))
    const bookmark = (annotations?: Record<string, string>) => {
      const metadata: JsonObject = { resourceVersion: String(store.resourceVersion), creationTimestamp: null }
      if (annotations !== undefined) metadata['annotations'] = annotations
      const apiVersion = apiVersionOf(target.type.group, target.version)
      send('BOOKMARK', { kind: target.type.kind, apiVersion, metadata })
    }
    const watcher: Watcher = {
      key,
      namespace: target.namespace,
      take: (change) => {
        const type = eventType(change, matches)
        if (type === undefined) return
        if (type !== 'DELETED' || change.type === 'DELETED') sendObject(type, change.object)
        else {
          // The object left the selection: the client sees its last selected state, as of now.
          const left = structuredClone(change.previous!)
          left.metadata.resourceVersion = change.object.metadata.resourceVersion
          sendObject(type, left)
        }
        if (sink.pending() > pendingBytesMax) sink.end()
      },
      bookmark: () => {
        if (bookmarks) bookmark()
      },
      end: sink.end,
    }
    if (fromNow) {
      if (query.get('sendInitialEvents') !== 'false') {
        for (const object of store.objects(key, target.namespace))
          if (matches(object)) sendObject('ADDED', object)
      }
      if (sendInitial && bookmarks) bookmark({ 'k8s.io/initial-events-end': 'true' })
    } else {
      for (const change of store.changesSince(since, key)) {
        if (inNamespace(watcher, change)) watcher.take(change)
      }
    }
    this.#watchers.add(watcher)
    return () => this.#watchers.delete(watcher)
  }

  /** Ends all watches of one resource (its definition is gone), or all there are. */
  end(key?: string): void {
    for (const watcher of this.#watchers) if (key === undefined || watcher.key === key) watcher.end()
    if (key === undefined) clearInterval(this.#timer)
  }

  #push(change: Change): void {
    for (const watcher of this.#watchers) {
      if (watcher.key === change.key && inNamespace(watcher, change)) watcher.take(change)
    }
  }
}

/** The ERROR event that stands for an error after the watch has begun. */
export function errorEvent(error: ApiError): string {
  return `${JSON.stringify({ type: 'ERROR', object: error.status() })}\n`
}

function inNamespace(watcher: Watcher, change: Change): boolean {
  return watcher.namespace === undefined || watcher.namespace === change.object.metadata.namespace
}

/** What a change is to a client that sees only the selected objects. */
function eventType(change: Change, matches: (object: Resource) => boolean): Change['type'] | undefined {
  const before = change.previous !== undefined && matches(change.previous)
  if (change.type === 'DELETED') return before ? 'DELETED' : undefined
  const after = matches(change.object)
  if (before) return after ? 'MODIFIED' : 'DELETED'
  return after ? 'ADDED' : undefined
}
