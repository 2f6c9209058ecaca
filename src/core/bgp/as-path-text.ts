/** AS paths as tables show them and as expressions of users match them. */
import type { AsPathSegment } from './attributes.ts'

/** `65000 65001 {65010 65011}`; confederation sequences in parentheses, confederation sets in brackets. */
export function asPathText(path: readonly AsPathSegment[]): string {
  return path
    .map(({ kind, asns }) => {
      const text = asns.join(' ')
      switch (kind) {
        case 'sequence':
          return text
        case 'set':
          return `{${text}}`
        case 'confedSequence':
          return `(${text})`
        case 'confedSet':
          return `[${text}]`
      }
    })
    .join(' ')
}
