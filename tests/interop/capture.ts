/** What Herald puts on the wire, judged by Wireshark's dissector. */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { find } from '#lab/lab.ts'
import { inNamespace, runInside } from '#lab/namespaces.ts'
import { until } from '../until.testing.ts'

export interface Capture {
  /** Ends the capture: how many BGP packets these addresses sent, and what the dissector finds wrong with them. */
  judge(sources: readonly string[]): Promise<{ packets: number; faults: string }>
  /** Ends it without a judgement. May be called after `judge`. */
  drop(): Promise<void>
}

/** Why there can be no capture, or false. */
export function captureMissing(): string | false {
  return find('tshark') === undefined && 'needs tshark: npm test installs it on Debian as root'
}

/** Records BGP inside a namespace. Resolves when it records. */
export async function startCapture(namespace: string): Promise<Capture> {
  const folder = mkdtempSync(join(tmpdir(), 'herald-capture-'))
  const file = join(folder, 'bgp.pcapng')
  const args = ['-q', '-i', 'any', '-f', 'tcp port 179', '-w', file]
  const process = inNamespace(namespace, () => spawn('tshark', args, { stdio: 'ignore' }))
  const ended = once(process, 'exit')
  const stop = async () => {
    if (process.exitCode === null && process.signalCode === null) process.kill('SIGINT')
    await ended
  }
  await until(() => existsSync(file) && statSync(file).size > 0, 'the capture runs')
  return {
    judge: async (sources) => {
      await stop()
      const sent = sources.map((a) => `${a.includes(':') ? 'ipv6' : 'ip'}.src == ${a}`).join(' || ')
      const read = (filter: string) =>
        runInside(undefined, 'tshark', ['-r', file, '-Y', `bgp && (${sent}) && (${filter})`])
      const lines = (text: string) => text.split('\n').filter((line) => /^\s*\d+ /.test(line))
      const all = await read('frame')
      // 0x800000: the severity "error" of an expert item.
      const bad = await read('_ws.malformed || _ws.expert.severity >= 0x800000')
      if (all.code !== 0 || bad.code !== 0) throw new Error(`tshark: ${all.output}${bad.output}`)
      return { packets: lines(all.output).length, faults: lines(bad.output).join('\n') }
    },
    drop: async () => {
      await stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
