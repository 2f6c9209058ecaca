/** The `format` keyword, as far as the Kubernetes API server checks it. Unknown formats are no constraint. */
import { versionOf, parseAddress } from '#core/net/address.ts'
import { parsePrefix } from '#core/net/prefix.ts'

const patterns: Record<string, RegExp> = {
  date: /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/,
  'date-time': /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/,
  duration: /^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/,
  mac: /^([\dA-Fa-f]{2}[:-]){5}[\dA-Fa-f]{2}$/,
  uuid: /^[\dA-Fa-f]{8}-?[\dA-Fa-f]{4}-?[\dA-Fa-f]{4}-?[\dA-Fa-f]{4}-?[\dA-Fa-f]{12}$/,
  email: /^[^@\s]+@[^@\s]+$/,
  hostname: /^([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$/,
  byte: /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/,
}

/** Why `value` is not of the format, as the rest of the sentence "x in body …"; undefined when it is. */
export function formatProblem(format: string, value: string | number): string | undefined {
  const problem = `must be of type ${format}: ${JSON.stringify(value)}`
  if (typeof value === 'number') {
    if (format === 'int32' && (value < -(2 ** 31) || value >= 2 ** 31)) return problem
    if (format === 'int64' && (value < -(2 ** 63) || value >= 2 ** 63)) return problem
    return undefined
  }
  switch (format) {
    case 'ipv4':
    case 'ipv6': {
      const parsed = parseAddress(value)
      return parsed.ok && versionOf(parsed.value) === (format === 'ipv4' ? 4 : 6) ? undefined : problem
    }
    case 'cidr':
      return parsePrefix(value).ok ? undefined : problem
    default: {
      const pattern = patterns[format]
      if (pattern === undefined || pattern.test(value)) return undefined
      return problem
    }
  }
}
