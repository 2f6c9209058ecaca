/** What Herald puts on the wire, judged by Wireshark's dissector. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { address } from '#core/net/address.ts'
import { find } from '#lab/lab.ts'
import { dialInside, inNamespace, runInside } from '#lab/namespaces.ts'
import { until } from '../until.testing.ts'

export interface Capture {
  /** Ends the capture: the packets with BGP that were seen, and what the dissector finds wrong with those of `sources`. */
  judge(sources: readonly string[]): Promise<Judgement>
  /** Ends it without a judgement. May be called after `judge`. */
  drop(): Promise<void>
}

interface Judgement {
  /** In order. A packet may hold several messages, and a message may be told with its last packet only. */
  packets: { source: string; types: MessageType[] }[]
  faults: string
}

type MessageType = 'open' | 'update' | 'notification' | 'keepalive' | 'routeRefresh'

/** RFC 4271 §4.1, RFC 2918 §3. */
const messageTypes: readonly (MessageType | undefined)[] = [
  undefined,
  'open',
  'update',
  'notification',
  'keepalive',
  'routeRefresh',
]

/** Why there can be no capture, or false. */
export function captureMissing(): string | false {
  return find('tshark') === undefined && 'needs tshark: npm test installs it on Debian as root'
}

/** A packet to this port of an address that nobody has says that all before it were captured. */
const marker = { address: address('127.0.0.179'), bytes: Buffer.from([127, 0, 0, 179]), port: 180 }

/** Records BGP inside a namespace. Resolves when it records. */
export async function startCapture(namespace: string): Promise<Capture> {
  const folder = mkdtempSync(join(tmpdir(), 'herald-capture-'))
  const file = join(folder, 'bgp.pcapng')
  const filter = `tcp port 179 or (tcp port ${marker.port} and host ${marker.address})`
  const args = ['-q', '-i', 'any', '-f', filter, '-w', file]
  const process = inNamespace(namespace, () => spawn('dumpcap', args, { stdio: 'ignore' }))
  const ended = once(process, 'exit')
  const stop = async () => {
    if (process.exitCode === null && process.signalCode === null) process.kill('SIGINT')
    await ended
  }
  await until(() => existsSync(file) && statSync(file).size > 0, 'the capture runs')
  return {
    judge: async (sources) => {
      // The kernel hands packets over in blocks, and the last ones are lost with the capture's end.
      await once(dialInside(namespace, marker.address, marker.port), 'error')
      await until(() => readFileSync(file).includes(marker.bytes), 'the capture holds all that was sent')
      await stop()
      const fields = ['ip.src', 'ipv6.src', 'bgp.type'].flatMap((field) => ['-e', field])
      const all = await runInside(undefined, 'tshark', ['-r', file, '-Y', 'bgp', '-T', 'fields', ...fields])
      const sent = sources.map((a) => `${a.includes(':') ? 'ipv6' : 'ip'}.src == ${a}`).join(' || ')
      // 0x800000: the severity "error" of an expert item.
      const wrong = '_ws.malformed || _ws.expert.severity >= 0x800000'
      const bad = await runInside(undefined, 'tshark', ['-r', file, '-Y', `bgp && (${sent}) && (${wrong})`])
      if (all.code !== 0 || bad.code !== 0) throw new Error(`tshark: ${all.output}${bad.output}`)
      const packets = all.output
        .split('\n')
        .filter((line) => line.includes('\t'))
        .map(packetOf)
      const faults = bad.output.split('\n').filter((line) => /^\s*\d+ /.test(line))
      return { packets, faults: faults.join('\n') }
    },
    drop: async () => {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function packetOf(line: string): Judgement['packets'][number] {
  const [v4 = '', v6 = '', types = ''] = line.split('\t')
  const named = types.split(',').map((type) => messageTypes[Number(type)])
  return { source: v4 === '' ? v6 : v4, types: named.filter((type) => type !== undefined) }
}
