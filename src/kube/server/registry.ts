/** All resources that the server serves: built-in rows from the start, custom ones while their definition exists. */
import { compareText } from '#core/lib/order.ts'
import { keyOf, type ResourceType } from './resource-type.ts'

export class Registry {
  readonly #types = new Map<string, ResourceType>()

  add(type: ResourceType): void {
    this.#types.set(keyOf(type), type)
  }

  remove(key: string): void {
    this.#types.delete(key)
  }

  get(key: string): ResourceType | undefined {
    return this.#types.get(key)
  }

  /** The row that serves `plural` in this group and version. */
  find(group: string, version: string, plural: string): ResourceType | undefined {
    const type = this.#types.get(`${group}/${plural}`)
    return type?.versions.includes(version) === true ? type : undefined
  }

  ofKind(group: string, kind: string): ResourceType | undefined {
    for (const type of this.#types.values()) if (type.group === group && type.kind === kind) return type
    return undefined
  }

  all(): ResourceType[] {
    return [...this.#types.values()]
  }

  /** Rows by group and version, the core group first, versions in order of preference. */
  groups(): { group: string; versions: { version: string; types: ResourceType[] }[] }[] {
    const groups = new Map<string, Map<string, ResourceType[]>>()
    for (const type of this.#types.values()) {
      const versions = groups.get(type.group) ?? new Map<string, ResourceType[]>()
      groups.set(type.group, versions)
      for (const version of type.versions) versions.set(version, [...(versions.get(version) ?? []), type])
    }
    return [...groups]
      .sort(([a], [b]) => compareText(a, b))
      .map(([group, versions]) => ({
        group,
        versions: [...versions]
          .sort(([a], [b]) => compareVersions(a, b))
          .map(([version, types]) => ({ version, types })),
      }))
  }
}

/** Kubernetes' order of version priority: v2, v1, v1beta2, v1beta1, v1alpha1, then anything else by name. */
export function compareVersions(a: string, b: string): number {
  const x = parseVersion(a)
  const y = parseVersion(b)
  if (x === undefined || y === undefined) {
    if (x !== undefined) return -1
    if (y !== undefined) return 1
    return compareText(a, b)
  }
  return y.stage - x.stage || y.major - x.major || y.minor - x.minor
}

function parseVersion(version: string): { major: number; stage: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
  if (match === null) return undefined
  const stage = match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0
  return { major: Number(match[1]), stage, minor: Number(match[3] ?? 0) }
}
