/** A byte stream as Wireshark's dissector sees it, without a capture: the stream is wrapped into packets of a made-up connection. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Bytes of the stream in one packet. */
const segmentMax = 1400

/** What tshark says of a stream sent to `port` by a client, read as `protocol`. */
export function dissect(
  stream: Uint8Array,
  port: number,
  protocol: string,
): { text: string; faults: string } {
  const folder = mkdtempSync(join(tmpdir(), 'herald-dissect-'))
  try {
    const file = join(folder, 'stream.pcap')
    writeFileSync(file, pcap(stream, port))
    const read = (...args: string[]) =>
      execFileSync('tshark', ['-r', file, '-d', `tcp.port==${port},${protocol}`, ...args], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        stdio: ['ignore', 'pipe', 'ignore'],
      })
    return {
      text: read('-V', '-O', `${protocol},bgp`),
      // 0x800000: the severity "error" of an expert item.
      faults: read('-Y', '_ws.malformed || _ws.expert.severity >= 0x800000', '-V', '-O', `${protocol},bgp`),
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function pcap(stream: Uint8Array, port: number): Uint8Array {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt16LE(2, 4)
  header.writeUInt16LE(4, 6)
  header.writeUInt32LE(0x40000, 16)
  // LINKTYPE_RAW: packets begin with their IP header.
  header.writeUInt32LE(101, 20)
  const records: Uint8Array[] = [header]
  // A SYN, so that the dissector knows where the stream begins.
  records.push(record(packet(Buffer.alloc(0), 999, port, 0x02), 0))
  for (let at = 0; at < stream.length; at += segmentMax) {
    const payload = Buffer.from(stream.subarray(at, at + segmentMax))
    records.push(record(packet(payload, 1000 + at, port, 0x18), at))
  }
  return Buffer.concat(records)
}

function record(bytes: Buffer, at: number): Buffer {
  const header = Buffer.alloc(16)
  header.writeUInt32LE(1_700_000_000, 0)
  header.writeUInt32LE(Math.floor(at / segmentMax), 4)
  header.writeUInt32LE(bytes.length, 8)
  header.writeUInt32LE(bytes.length, 12)
  return Buffer.concat([header, bytes])
}

function packet(payload: Buffer, sequence: number, port: number, flags: number): Buffer {
  const ip = Buffer.alloc(20)
  ip.writeUInt8(0x45, 0)
  ip.writeUInt16BE(40 + payload.length, 2)
  ip.writeUInt8(64, 8)
  ip.writeUInt8(6, 9)
  ip.set([192, 0, 2, 1, 192, 0, 2, 2], 12)
  const tcp = Buffer.alloc(20)
  tcp.writeUInt16BE(40_000, 0)
  tcp.writeUInt16BE(port, 2)
  tcp.writeUInt32BE(sequence, 4)
  tcp.writeUInt32BE(1, 8)
  tcp.writeUInt8(0x50, 12)
  tcp.writeUInt8(flags, 13)
  tcp.writeUInt16BE(65_535, 14)
  return Buffer.concat([ip, tcp, payload])
}
