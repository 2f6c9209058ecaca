/** What is asked of the allocation, and what it answers. */
import type { Address, IpVersion } from '#core/net/address.ts'
import type { Sharing, SharingConflict } from './sharing.ts'

/** One asker's wish for addresses: a Service, seen without Kubernetes words. */
export interface Request {
  /** Unique among the requests of one allocation. */
  id: string
  /** Milliseconds; the older of two askers goes first, equal ones by id. */
  createdAt: number
  /** IP versions in order of preference, one or two; one address of each, unless `wanted` names more. */
  versions: IpVersion[]
  /** `all`: an address of each version or nothing new. `any`: as many as there are. */
  need: 'all' | 'any'
  /** Addresses that the asker has now, as far as anybody knows. Nobody else gets them before they are given back. */
  held: Address[]
  /** Addresses asked for by name. A version without one is served automatically. */
  wanted: Address[]
  /** Names of the pools that admit the asker. */
  pools: ReadonlySet<string>
  /** The asker named its pools, so that `automatic: false` does not matter. */
  poolsByName: boolean
  /** Absent: shares its addresses with nobody. */
  sharing?: Sharing
  /** The wish cannot be understood: it keeps what it holds and gets nothing new. */
  frozen?: boolean
}

/** An address that is in use by something that asks for nothing here. */
export interface Reservation {
  address: Address
  /** Who has it, for people: `the cluster IP of Service default/web`. */
  by: string
  /** Id of the request that may have the address all the same. */
  except?: string
}

export interface Allocation {
  request: string
  /** All addresses that the asker is to have: those kept in the order held, then new ones. */
  given: Given[]
  /** Held addresses that are to be given back, each with the reason. */
  lost: Lost[]
  /** What could not be given. Not empty and `satisfied`: one of two versions is enough for the asker. */
  unmet: Unmet[]
  satisfied: boolean
}

export interface Given {
  address: Address
  /** Absent: an address outside all pools that is kept all the same. */
  pool?: string
  /** Held before. */
  kept: boolean
}

export interface Lost {
  address: Address
  why:
    | { kind: 'outsidePools' }
    | { kind: 'notAdmitted'; pools: string[] }
    | { kind: 'heldBy'; request: string; conflict: SharingConflict }
    /** The asker now asks for others, and got them. */
    | { kind: 'notRequested' }
    /** The asker no longer uses this IP version. */
    | { kind: 'versionNotUsed' }
    /** It has another of this IP version already. */
    | { kind: 'surplus' }
}

export interface Unmet {
  version: IpVersion
  /** Absent: any address of that version would do. */
  address?: Address
  why:
    /** No pool has addresses of that version, or this address. */
    | { kind: 'noPool' }
    /** Those pools would serve, but do not admit the asker. */
    | { kind: 'notAdmitted'; pools: string[] }
    | { kind: 'disabled'; pools: string[] }
    | { kind: 'notAutomatic'; pools: string[] }
    | { kind: 'exhausted'; pools: string[] }
    | { kind: 'heldBy'; request: string; conflict: SharingConflict }
    | { kind: 'reserved'; by: string }
    /** The asker does not use the IP version of the address that it asks for. */
    | { kind: 'versionNotUsed' }
}
