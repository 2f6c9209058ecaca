/** What Herald puts on the wire, judged by Wireshark's dissector. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { address } from '#core/net/address.ts'
import { find } from '#lab/lab.ts'
import { dialInside, inNamespace, runInside } from '#lab/namespaces.ts'
import { until, untilGiven } from '../until.testing.ts'

export interface Capture {
  /** Resolves when it records. */
  ready(): Promise<void>
  /** Waits until what was seen so far satisfies `holds`. */
  sees(what: string, holds: (packets: readonly Packet[]) => boolean): Promise<void>
  /** No message will be seen at all, and that is right. */
  expectNothing(): void
  /** Ends the capture. Throws when Herald sent nothing, or anything that the dissector finds wrong. */
  judge(): Promise<void>
  /** Ends it without a judgement. May be called after `judge`. */
  drop(): Promise<void>
}

/** A packet with BGP. It may hold several messages, and a message may be told with its last packet only. */
export interface Packet {
  /** Herald sent it. */
  own: boolean
  types: MessageType[]
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

/**
 * Records BGP inside a namespace, in the same turn; until it is `ready` the first packets may be missed. `own`: Herald's
 * addresses there.
 */
export function startCapture(namespace: string, own: readonly string[]): Capture {
  const folder = mkdtempSync(join(tmpdir(), 'herald-capture-'))
  const file = join(folder, 'bgp.pcapng')
  const filter = `tcp port 179 or (tcp port ${marker.port} and host ${marker.address})`
  const args = ['-q', '-i', 'any', '-f', filter, '-w', file]
  const process = inNamespace(namespace, () => spawn('dumpcap', args, { stdio: 'ignore' }))
  const ended = once(process, 'exit')
  let nothing = false
  const stop = async () => {
    if (process.exitCode === null && process.signalCode === null) process.kill('SIGINT')
    await ended
  }
  /** Of a file that is being written the last packet may be cut off, which tshark calls a failure. */
  const read = async (complete: boolean) => {
    const { code, output } = await runInside(undefined, 'tshark', [
      '-r',
      file,
      '-Y',
      'bgp',
      ...fieldArguments,
    ])
    if (complete && code !== 0) throw new Error(`tshark: ${output}`)
    const lines = output.split('\n').filter((line) => line.includes('\t'))
    return lines.map((line) => packetOf(line, own))
  }
  return {
    ready: () => until(() => existsSync(file) && statSync(file).size > 0, 'the capture runs'),
    sees: async (what, holds) => {
      await untilGiven(what, async () => holds(await read(false)))
    },
    expectNothing: () => (nothing = true),
    judge: async () => {
      // The kernel hands packets over in blocks, and the last ones are lost with the capture's end.
      await once(dialInside(namespace, marker.address, marker.port), 'error')
      await until(() => readFileSync(file).includes(marker.bytes), 'the capture holds all that was sent')
      await stop()
      const sent = (await read(true)).filter((packet) => packet.own)
      const faults = sent.filter(({ faulty }) => faulty).map(({ said }) => said)
      assert.deepEqual(faults, [], 'what Herald sent has faults in the eyes of Wireshark')
      if (!nothing) assert.ok(sent.length > 0, 'no packet of Herald was seen')
    },
    drop: async () => {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

const fields = [
  'ip.src',
  'ipv6.src',
  'bgp.type',
  '_ws.malformed',
  '_ws.expert.severity',
  '_ws.expert.message',
]
const fieldArguments = ['-T', 'fields', ...fields.flatMap((field) => ['-e', field])]

/** The severity "error" of an expert item. */
const severityError = 0x800000

/** From a line of tshark's fields. */
function packetOf(said: string, own: readonly string[]): Packet & { faulty: boolean; said: string } {
  const [v4 = '', v6 = '', types = '', malformed = '', severities = ''] = said.split('\t')
  const named = types.split(',').map((type) => messageTypes[Number(type)])
  return {
    own: own.includes(v4) || own.includes(v6),
    types: named.filter((type) => type !== undefined),
    faulty: malformed !== '' || severities.split(',').some((severity) => Number(severity) >= severityError),
    said,
  }
}
