/**
 * Where the objects live: one SQLite table of objects and a bounded log of changes, numbered by one resourceVersion
 * for all. Every write is one transaction (object and log entry), which a killed process does not lose. It knows
 * nothing of what the objects mean.
 *
 * Writes are synchronous and listeners run before the write returns, so nothing sees a state between the two.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { Resource } from './json.ts'

export interface Change {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  /** `group/plural`. */
  key: string
  resourceVersion: number
  object: Resource
  /** What was stored before; for DELETED the last state, with its own resourceVersion. */
  previous: Resource | undefined
}

/** An object as text, so that a list need not parse what it only passes on. */
export interface StoredText {
  namespace: string
  name: string
  body: string
}

export interface StoreOptions {
  /** Changes that the log keeps at least; a watch from before them gets 410. */
  logMax?: number
}

const schema = `
  CREATE TABLE IF NOT EXISTS objects (
    key TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL,
    UNIQUE (key, namespace, name));
  CREATE TABLE IF NOT EXISTS changes (
    resource_version INTEGER PRIMARY KEY, type TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, previous TEXT);
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
  INSERT OR IGNORE INTO meta VALUES ('compacted', 0);
`

export class Store {
  readonly #database: DatabaseSync
  readonly #statements: Record<
    | 'get'
    | 'list'
    | 'listIn'
    | 'page'
    | 'pageIn'
    | 'count'
    | 'put'
    | 'remove'
    | 'log'
    | 'since'
    | 'trim'
    | 'compact',
    StatementSync
  >
  readonly #listeners: ((change: Change) => void)[] = []
  readonly #logMax: number
  #resourceVersion: number
  #compacted: number
  #writesInLog = 0
  #idle: NodeJS.Timeout | undefined

  /** `path`: the database file, made if missing; `:memory:` for tests. */
  constructor(path: string, { logMax = 20_000 }: StoreOptions = {}) {
    const database = openDatabase(path)
    this.#database = database
    this.#logMax = logMax
    const order = 'ORDER BY namespace, name'
    this.#statements = {
      get: database.prepare('SELECT body FROM objects WHERE key = ? AND namespace = ? AND name = ?'),
      list: database.prepare(`SELECT namespace, name, body FROM objects WHERE key = ? ${order}`),
      listIn: database.prepare(
        `SELECT namespace, name, body FROM objects WHERE key = ? AND namespace = ? ${order}`,
      ),
      page: database.prepare(
        `SELECT namespace, name, body FROM objects WHERE key = ? AND (namespace, name) > (?, ?) ${order}`,
      ),
      pageIn: database.prepare(
        `SELECT namespace, name, body FROM objects WHERE key = ? AND namespace = ? AND name > ? ${order}`,
      ),
      count: database.prepare('SELECT COUNT(*) AS count FROM objects WHERE key = ?'),
      put: database.prepare(
        'INSERT INTO objects VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body',
      ),
      remove: database.prepare('DELETE FROM objects WHERE key = ? AND namespace = ? AND name = ?'),
      log: database.prepare('INSERT INTO changes VALUES (?, ?, ?, ?, ?)'),
      since: database.prepare(
        'SELECT * FROM changes WHERE resource_version > ? AND key = ? ORDER BY resource_version',
      ),
      trim: database.prepare('DELETE FROM changes WHERE resource_version <= ?'),
      compact: database.prepare("UPDATE meta SET value = ? WHERE name = 'compacted'"),
    }
    this.#compacted = Number(
      database.prepare("SELECT value FROM meta WHERE name = 'compacted'").get()!['value'],
    )
    const last = database.prepare('SELECT MAX(resource_version) AS last FROM changes').get()!['last']
    this.#resourceVersion = Math.max(Number(last ?? 0), this.#compacted)
  }

  /** That of the latest write. */
  get resourceVersion(): number {
    return this.#resourceVersion
  }

  /** Changes up to this resourceVersion are no longer in the log. */
  get compacted(): number {
    return this.#compacted
  }

  get(key: string, namespace: string, name: string): Resource | undefined {
    const row = this.#statements.get.get(key, namespace, name)
    return row === undefined ? undefined : (JSON.parse(row['body'] as string) as Resource)
  }

  /** In order of namespace and name; `namespace` undefined: all of them. `after`: only what follows it. */
  list(key: string, namespace?: string, after?: { namespace: string; name: string }): StoredText[] {
    const { list, listIn, page, pageIn } = this.#statements
    const rows =
      after === undefined
        ? namespace === undefined
          ? list.all(key)
          : listIn.all(key, namespace)
        : namespace === undefined
          ? page.all(key, after.namespace, after.name)
          : pageIn.all(key, namespace, after.name)
    return rows as unknown as StoredText[]
  }

  objects(key: string, namespace?: string): Resource[] {
    return this.list(key, namespace).map(({ body }) => JSON.parse(body) as Resource)
  }

  count(key: string): number {
    return Number(this.#statements.count.get(key)!['count'])
  }

  /** Stores `object` with a new resourceVersion, which is set in it. `previous`: what it replaces. */
  put(key: string, object: Resource, previous: Resource | undefined): void {
    const resourceVersion = this.#resourceVersion + 1
    object.metadata.resourceVersion = String(resourceVersion)
    const { name, namespace = '' } = object.metadata
    const type = previous === undefined ? 'ADDED' : 'MODIFIED'
    const body = JSON.stringify(object)
    const before = previous === undefined ? null : JSON.stringify(previous)
    this.#transaction(() => {
      this.#statements.put.run(key, namespace, name, body)
      this.#statements.log.run(resourceVersion, type, key, body, before)
    })
    this.#committed({ type, key, resourceVersion, object, previous })
  }

  /** Removes the object. The change carries it with the resourceVersion of its deletion. */
  remove(key: string, previous: Resource): void {
    const resourceVersion = this.#resourceVersion + 1
    const { name, namespace = '' } = previous.metadata
    const object = structuredClone(previous)
    object.metadata.resourceVersion = String(resourceVersion)
    this.#transaction(() => {
      this.#statements.remove.run(key, namespace, name)
      this.#statements.log.run(
        resourceVersion,
        'DELETED',
        key,
        JSON.stringify(object),
        JSON.stringify(previous),
      )
    })
    this.#committed({ type: 'DELETED', key, resourceVersion, object, previous })
  }

  /** Changes of one resource after `resourceVersion`, which must not be below {@link compacted}. */
  changesSince(resourceVersion: number, key: string): Change[] {
    return this.#statements.since.all(resourceVersion, key).map((row) => ({
      type: row['type'] as Change['type'],
      key,
      resourceVersion: Number(row['resource_version']),
      object: JSON.parse(row['body'] as string) as Resource,
      previous: row['previous'] === null ? undefined : (JSON.parse(row['previous'] as string) as Resource),
    }))
  }

  /** Calls `listener` for every write from now on, in order, before the write returns. */
  subscribe(listener: (change: Change) => void): void {
    this.#listeners.push(listener)
  }

  /** Forgets the changes up to `resourceVersion`. */
  compact(resourceVersion: number): void {
    const upTo = Math.min(resourceVersion, this.#resourceVersion)
    this.#transaction(() => {
      this.#statements.trim.run(upTo)
      this.#statements.compact.run(upTo)
    })
    this.#compacted = upTo
  }

  close(): void {
    clearTimeout(this.#idle)
    this.#database.close()
  }

  #transaction(write: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      write()
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
  }

  #committed(change: Change): void {
    this.#resourceVersion = change.resourceVersion
    this.#checkpointSoon()
    for (const listener of this.#listeners) listener(change)
    // In steps, so that few writes pay for it and none pays much.
    const slack = Math.min(100, Math.floor(this.#logMax / 4))
    if (this.#resourceVersion - this.#compacted > this.#logMax + slack) {
      this.compact(this.#resourceVersion - this.#logMax)
    }
  }

  /** Moves the write-ahead log into the database a second after the last write, or when the log has grown large. */
  #checkpointSoon(): void {
    const checkpoint = () => {
      this.#writesInLog = 0
      this.#database.exec('PRAGMA wal_checkpoint(PASSIVE)')
    }
    clearTimeout(this.#idle)
    if (++this.#writesInLog >= 2000) return checkpoint()
    this.#idle = setTimeout(checkpoint, 1000)
    this.#idle.unref()
  }
}

function openDatabase(path: string): DatabaseSync {
  const database = new DatabaseSync(path)
  try {
    // One process at a time: resourceVersions are counted in memory. The kernel frees the lock of a killed process.
    database.exec('PRAGMA busy_timeout = 2000; PRAGMA locking_mode = EXCLUSIVE')
    // WAL with synchronous NORMAL: a commit survives the death of the process; only a power cut may lose the last ones.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    // Checkpoints wait for the disk, so they are made between bursts of writes (see #checkpointSoon).
    database.exec('PRAGMA wal_autocheckpoint = 0')
    database.exec(schema)
  } catch (error) {
    database.close()
    if (!(error instanceof Error) || !error.message.includes('locked')) throw error
    throw new Error(`${path} is in use by another API server`, { cause: error })
  }
  return database
}
