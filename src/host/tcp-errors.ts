/** What goes wrong with TCP, in words for people. */
import { messageOf } from '#core/lib/error.ts'

/** Refused by Herald itself; the message is for people. */
export class Refusal extends Error {}

/** One sentence for people without a full stop. `where`: what was dialed or listened on; absent: an open connection. */
export function explain(error: unknown, where?: string, source?: string): string {
  if (error instanceof Refusal) return error.message
  const code = (error as { code?: unknown }).code
  switch (code) {
    case 'ECONNREFUSED':
      return `${where ?? 'the other end'} refused the connection: nothing listens there`
    case 'ECONNRESET':
      return where === undefined ? 'the other end reset the connection' : `${where} reset the connection`
    case 'EPIPE':
      return 'the other end closed the connection while bytes were on their way'
    case 'ETIMEDOUT':
      return `${where ?? 'the other end'} does not answer`
    case 'EHOSTUNREACH':
      return `${where ?? 'the other end'} cannot be reached: no neighbour or router answers for it`
    case 'ENETUNREACH':
      return `there is no route to ${where ?? 'the other end'}`
    case 'EADDRNOTAVAIL':
      return `this machine does not have the address ${source ?? where}`
    case 'EADDRINUSE':
      return `${where} is taken by another process`
    case 'EACCES':
    case 'EPERM':
      return `no permission for ${where}: ports below 1024 need root or CAP_NET_BIND_SERVICE`
    default:
      return messageOf(error)
  }
}

/** The same of a key that could not be set. `signature`: the kernel's option that has such keys. */
export function explainKey(error: unknown, signature: 'CONFIG_TCP_MD5SIG' | 'CONFIG_TCP_AO'): string {
  if (error instanceof Refusal) return error.message
  const what = signature === 'CONFIG_TCP_AO' ? 'TCP authentication option' : 'TCP MD5 signatures'
  switch ((error as { code?: unknown }).code) {
    case 'ENOMEM':
      return 'the kernel takes no more keys: raise net.core.optmem_max'
    case 'ENOPROTOOPT':
      return `this kernel has no ${what} (${signature})`
    default:
      return `the kernel does not take the key: ${messageOf(error)}`
  }
}
