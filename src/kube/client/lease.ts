/**
 * Leader election on a Lease (coordination.k8s.io/v1), with the rules of client-go: whoever sees the lease unchanged for
 * its duration, by its own clock, may take it. Clocks of different machines are never compared. One rule is added: a
 * holder that was a process of this same machine and is no more is succeeded at once.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import type { KubeObject } from '#core/schema/object.ts'
import type { ApiError } from './api-error.ts'
import type { KubeClient } from './client.ts'
import { apiVersionOf, resourceTypes } from './resource.ts'

export interface LeaseOptions {
  client: KubeClient
  name: string
  namespace: string
  /** Absent: {@link processIdentity}. */
  identity?: string
  /** From then on others may take it. Whole seconds. */
  durationSeconds?: number
  /** Between two renewals, and between two looks at another's lease, ms. */
  renewMs?: number
  /** Called when the lease is held. */
  acquired(): void
  /** Called when it is held no more: another has it, or it could not be renewed for its duration. */
  lost(reason: string): void
  /** Another holds it; once per holder. */
  waiting?(holder: string): void
  failed?(error: ApiError): void
}

interface Lease extends KubeObject {
  spec?: {
    holderIdentity?: string | null
    leaseDurationSeconds?: number | null
    acquireTime?: string | null
    renewTime?: string | null
    leaseTransitions?: number | null
  }
}

const type = resourceTypes.leases

export class LeaseElector {
  readonly identity: string
  readonly #options: LeaseOptions
  readonly #durationSeconds: number
  readonly #renewMs: number
  /** What was last seen, and since when it has not changed. */
  #seen: { lease: Lease; since: number } | undefined
  /** Time of the last renewal that was answered; absent: not the holder. */
  #renewedAt: number | undefined
  #reported: string | undefined
  #timer: NodeJS.Timeout | undefined
  #stopped = false
  #round: Promise<void> = Promise.resolve()

  constructor(options: LeaseOptions) {
    this.#options = options
    this.identity = options.identity ?? processIdentity()
    this.#durationSeconds = options.durationSeconds ?? 15
    this.#renewMs = options.renewMs ?? 2_000
  }

  get held(): boolean {
    return this.#renewedAt !== undefined
  }

  start(): void {
    this.#round = this.#run()
  }

  /** Gives the lease up, if it is held, so that the next one need not wait. `lost` is not called. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#round
    const lease = this.#seen?.lease
    if (this.#renewedAt === undefined || lease === undefined) return
    this.#renewedAt = undefined
    // As client-go: no holder, and a duration that is over at once.
    const spec = { ...lease.spec, holderIdentity: '', leaseDurationSeconds: 1, renewTime: microTime() }
    await this.#options.client.update<Lease>(type, { ...lease, spec })
  }

  async #run(): Promise<void> {
    const startedAt = Date.now()
    const error = await this.#tryOnce(startedAt)
    if (error !== undefined) this.#options.failed?.(error)
    if (
      this.#renewedAt !== undefined &&
      Date.now() - this.#renewedAt > 1000 * this.#durationSeconds - this.#renewMs
    )
      this.#lose(`it could not be renewed: ${error?.message ?? 'no time'}`)
    if (this.#stopped) return
    // While the server is away a look costs little, and a controller that is back at once serves at once.
    const waitMs = error === undefined ? this.#renewMs : Math.min(this.#renewMs, 500)
    this.#timer = setTimeout(() => {
      this.#round = this.#run()
    }, waitMs)
  }

  async #tryOnce(now: number): Promise<ApiError | undefined> {
    const { client, name, namespace } = this.#options
    // A holder renews from what it wrote last; a conflict makes it look again.
    if (this.#renewedAt !== undefined && this.#seen !== undefined) {
      const error = await this.#write(this.#seen.lease, now)
      if (error?.kind !== 'conflict' && error?.kind !== 'notFound') return error
    }
    const got = await client.get<Lease>(type, { name, namespace })
    if (!got.ok) {
      if (got.error.kind !== 'notFound') return got.error
      return this.#create(now)
    }
    const lease = got.value
    if (this.#seen?.lease.metadata.resourceVersion !== lease.metadata.resourceVersion)
      this.#seen = { lease, since: now }
    const holder = lease.spec?.holderIdentity ?? ''
    const durationMs = 1000 * (lease.spec?.leaseDurationSeconds ?? this.#durationSeconds)
    const free =
      holder === '' ||
      holder === this.identity ||
      isDeadProcess(holder) ||
      now - (this.#seen?.since ?? now) >= durationMs
    if (free) {
      const error = await this.#write(lease, now)
      // Another was quicker: look again next time.
      return error?.kind === 'conflict' ? undefined : error
    }
    if (this.#renewedAt !== undefined) this.#lose(`${holder} has it`)
    if (this.#reported !== holder) {
      this.#reported = holder
      this.#options.waiting?.(holder)
    }
    return undefined
  }

  async #create(now: number): Promise<ApiError | undefined> {
    const { client, name, namespace } = this.#options
    const created = await client.create<Lease>(type, {
      apiVersion: apiVersionOf(type),
      kind: type.kind,
      metadata: { name, namespace },
      spec: this.#spec(undefined),
    })
    if (created.ok) this.#holding(created.value, now)
    else if (created.error.kind !== 'alreadyExists') return created.error
    return undefined
  }

  async #write(lease: Lease, now: number): Promise<ApiError | undefined> {
    const written = await this.#options.client.update<Lease>(type, { ...lease, spec: this.#spec(lease) })
    if (!written.ok) return written.error
    this.#holding(written.value, now)
    return undefined
  }

  #spec(lease: Lease | undefined): NonNullable<Lease['spec']> {
    const now = microTime()
    const mine = lease?.spec?.holderIdentity === this.identity
    const transitions = lease?.spec?.leaseTransitions ?? 0
    return {
      ...lease?.spec,
      holderIdentity: this.identity,
      leaseDurationSeconds: this.#durationSeconds,
      acquireTime: mine ? (lease.spec?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: mine || lease === undefined ? transitions : transitions + 1,
    }
  }

  /** `now`: when the request was sent, since others may have seen the renewal that early. */
  #holding(lease: Lease, now: number): void {
    const before = this.#renewedAt
    this.#seen = { lease, since: now }
    this.#renewedAt = now
    this.#reported = undefined
    if (before === undefined && !this.#stopped) this.#options.acquired()
  }

  #lose(reason: string): void {
    this.#renewedAt = undefined
    this.#options.lost(reason)
  }
}

/**
 * Unique for this process, and telling for later ones on the same machine: `host_pidNamespace_pid_startTime_random`.
 */
export function processIdentity(): string {
  const own = [hostname(), pidNamespace(), process.pid, startTime(process.pid) ?? '0']
  return [...own, randomBytes(4).toString('hex')].join('_')
}

/** Whether `identity` names a process of this PID namespace that has ended. False when that cannot be known. */
function isDeadProcess(identity: string): boolean {
  const parts = identity.split('_')
  const [host, namespace, pid, started] = parts
  if (parts.length !== 5 || host !== hostname() || namespace !== pidNamespace() || namespace === '0')
    return false
  return startTime(Number(pid)) !== started
}

function pidNamespace(): string {
  try {
    return /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0] ?? '0'
  } catch {
    return '0'
  }
}

/** Ticks since boot at which the process started (field 22 of /proc/PID/stat), or undefined if there is none. */
function startTime(pid: number): string | undefined {
  let stat: string
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The second field, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // A zombie has ended.
  return fields[0] === 'Z' ? undefined : fields[19]
}

/** metav1.MicroTime. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}
