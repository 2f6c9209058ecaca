/** What the kernel counts about TCP in the network namespace of this thread, and tells nobody. */
import { readFileSync } from 'node:fs'

/** Segments dropped because of their signatures. */
export const signatureCounters = [
  'TCPMD5NotFound',
  'TCPMD5Unexpected',
  'TCPMD5Failure',
  'TCPAOBad',
  'TCPAOKeyNotFound',
  'TCPAORequired',
] as const

/** Segments dropped because their TTL or hop limit was too low. */
export const minTtlCounters = ['TCPMinTTLDrop'] as const

/** The sum of these; those that this kernel does not have count as 0. */
export function kernelCount(names: readonly string[]): number {
  let text: string
  try {
    text = readFileSync('/proc/thread-self/net/netstat', 'latin1')
  } catch {
    // Not a Linux that counts: nothing will ever be found, and silence stays silence.
    return 0
  }
  const [keys = [], values = []] = text
    .split('\n')
    .filter((line) => line.startsWith('TcpExt:'))
    .map((line) => line.split(' '))
  return names.reduce((sum, name) => sum + Number(values[keys.indexOf(name)] ?? 0), 0)
}
