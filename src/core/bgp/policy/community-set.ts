/** Sets of community patterns, made ready to be asked about the communities of a route. */
import {
  communityText,
  largeCommunityText,
  parseCommunity,
  parseLargeCommunity,
} from '#core/net/community.ts'
import type { LargeCommunity } from '#core/net/community.ts'
import { extendedCommunityText, parseExtendedCommunity } from '#core/net/extended-community.ts'
import { compileRegex, type Regex } from '#core/lib/regex.ts'
import type { Result } from '#core/lib/result.ts'
import type { CommunityPattern, SetMode } from './policy.ts'

export interface CommunitySet<T> {
  /** Whether the communities of a route stand to the set as `mode` says. */
  test(mode: SetMode, members: readonly T[]): boolean
  /** Whether some pattern fits the community. */
  fits(member: T): boolean
}

/** How communities of one kind are told apart and written. */
export interface CommunityKind<T> {
  /** Equal for equal communities. */
  key(member: T): number | string
  /** Forms that regular expressions see, the one of tables first. */
  texts(member: T): readonly string[]
  parse(text: string): Result<T>
}

export const standardKind: CommunityKind<number> = {
  key: (community) => community,
  texts: (community) => [communityText(community), `${community >>> 16}:${community & 0xffff}`],
  parse: parseCommunity,
}

export const largeKind: CommunityKind<LargeCommunity> = {
  key: largeCommunityText,
  texts: (community) => [largeCommunityText(community)],
  parse: parseLargeCommunity,
}

/** Of eight or twenty octets. */
export const extendedKind: CommunityKind<string> = {
  key: (community) => community,
  texts: (community) => [extendedCommunityText(community), `0x${community}`],
  parse: parseExtendedCommunity,
}

/** `fault` is told what is wrong with a pattern. */
export function compileCommunitySet<T>(
  kind: CommunityKind<T>,
  patterns: readonly CommunityPattern[],
  fault: (message: string) => void,
): CommunitySet<T> {
  const keys = new Set<number | string>()
  const regexes: Regex[] = []
  for (const pattern of patterns) {
    if (pattern.kind === 'text') {
      const parsed = kind.parse(pattern.text)
      if (parsed.ok) keys.add(kind.key(parsed.value))
      else fault(parsed.error)
      continue
    }
    const compiled = compileRegex(pattern.source)
    if (compiled.ok) regexes.push(compiled.value)
    else fault(`"${pattern.source}" is not a regular expression: ${compiled.error}`)
  }
  const fitsRegex = (regex: Regex, member: T) => kind.texts(member).some((text) => regex.test(text))
  const fits = (member: T) => keys.has(kind.key(member)) || regexes.some((regex) => fitsRegex(regex, member))
  return {
    fits,
    test(mode, members) {
      if (mode !== 'all') return members.some(fits) === (mode === 'any')
      const present = new Set(members.map((member) => kind.key(member)))
      return (
        keys.isSubsetOf(present) &&
        regexes.every((regex) => members.some((member) => fitsRegex(regex, member)))
      )
    },
  }
}
