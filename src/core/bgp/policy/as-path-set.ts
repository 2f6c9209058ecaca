/** Sets of AS path patterns, made ready to be asked about the path of a route. */
import { compileRegex } from '#core/lib/regex.ts'
import { asPathText } from '../as-path-text.ts'
import type { AsPathSegment } from '../attributes.ts'
import { isConfederation } from '../wire/as-path.ts'
import { routeOrigin } from './origins.ts'
import type { AsPathPattern, SetMode } from './policy.ts'

/** `ownAsn`: the origin of a path that is empty. */
export type AsPathSet = (mode: SetMode, path: readonly AsPathSegment[], ownAsn: number) => boolean

type Test = (path: readonly AsPathSegment[], ownAsn: number) => boolean

/** `fault` is told what is wrong with a pattern. */
export function compileAsPathSet(
  patterns: readonly AsPathPattern[],
  fault: (message: string) => void,
): AsPathSet {
  const tests = patterns.map((pattern) => compilePattern(pattern, fault))
  return (mode, path, ownAsn) => {
    if (mode === 'all') return tests.every((holds) => holds(path, ownAsn))
    return tests.some((holds) => holds(path, ownAsn)) === (mode === 'any')
  }
}

function compilePattern(pattern: AsPathPattern, fault: (message: string) => void): Test {
  switch (pattern.kind) {
    case 'regex': {
      const compiled = compileRegex(withBorders(pattern.source))
      if (compiled.ok) return (path) => compiled.value.test(textOf(path))
      fault(`"${pattern.source}" is not a regular expression: ${compiled.error}`)
      return () => false
    }
    case 'first':
      return (path) => {
        const lead = leadingAsns(path)
        return pattern.asns.every((asn, i) => lead[i] === asn)
      }
    case 'origin':
      return (path, ownAsn) => pattern.asns.includes(routeOrigin(path, ownAsn))
    case 'contains':
      return (path) => path.some(({ asns }) => asns.some((asn) => pattern.asns.includes(asn)))
  }
}

/** Several expressions ask about one path after another. A map that holds paths weakly would cost pauses of milliseconds. */
let last: { path: readonly AsPathSegment[]; text: string } | undefined

function textOf(path: readonly AsPathSegment[]): string {
  if (last?.path !== path) last = { path, text: asPathText(path) }
  return last.text
}

/** What routers write as `_` is either end of the path or what stands between AS numbers. */
function withBorders(source: string): string {
  let inClass = false
  return source.replaceAll(/\\.|[[\]_]/gs, (token) => {
    if (token === '[') inClass = true
    else if (token === ']') inClass = false
    return token === '_' && !inClass ? '(?:^|$|[ ,{}()[\\]])' : token
  })
}

/** AS numbers in order up to the first set, without those inside the confederation. */
function leadingAsns(path: readonly AsPathSegment[]): number[] {
  const asns: number[] = []
  for (const segment of path) {
    if (isConfederation(segment)) continue
    if (segment.kind !== 'sequence') break
    asns.push(...segment.asns)
  }
  return asns
}
