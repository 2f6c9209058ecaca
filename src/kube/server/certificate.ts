/** A self-signed certificate for the API server (X.509 in DER, RFC 5280), made with nothing but node:crypto. */
import { generateKeyPairSync, randomBytes, sign, X509Certificate } from 'node:crypto'
import { addressBytes, parseAddress } from '#core/net/address.ts'

export interface Certificate {
  /** PEM; also the only authority that clients need to trust. */
  certificate: string
  /** PEM, PKCS #8. */
  key: string
}

/** Valid for ten years for `hosts`, which are DNS names and IP addresses. */
export function selfSignedCertificate(commonName: string, hosts: string[], now = Date.now()): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const ecdsaWithSha256 = sequence(oid('1.2.840.10045.4.3.2'))
  const name = sequence(set(sequence(oid('2.5.4.3'), der(0x0c, Buffer.from(commonName)))))
  const day = 24 * 3600 * 1000
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([0x01]), randomBytes(15)])),
    ecdsaWithSha256,
    name,
    sequence(time(now - day), time(now + 3650 * day)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(
      0xa3,
      sequence(
        // RFC 5280 §4.2.1.9 basicConstraints (CA), §4.2.1.3 keyUsage, §4.2.1.12 extKeyUsage, §4.2.1.6 subjectAltName.
        extension('2.5.29.19', sequence(der(0x01, Buffer.from([0xff]))), true),
        extension('2.5.29.15', der(0x03, Buffer.from([0x02, 0x84])), true),
        extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1')), false),
        extension('2.5.29.17', sequence(...hosts.map(alternativeName)), false),
      ),
    ),
  )
  const signature = sign('sha256', body, privateKey)
  const certificate = sequence(body, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.from([0]), signature])))
  return {
    certificate: pem('CERTIFICATE', certificate),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

/** Whether the certificate may still be used, at `now`, for all `hosts`. */
export function covers({ certificate }: Certificate, hosts: string[], now = Date.now()): boolean {
  const parsed = new X509Certificate(certificate)
  const valid = parsed.validToDate.getTime() > now
  return (
    valid && hosts.every((host) => (parseAddress(host).ok ? parsed.checkIP(host) : parsed.checkHost(host)))
  )
}

function alternativeName(host: string): Buffer {
  const parsed = parseAddress(host)
  return parsed.ok ? der(0x87, addressBytes(parsed.value)) : der(0x82, Buffer.from(host))
}

function extension(id: string, value: Buffer, critical: boolean): Buffer {
  const parts = critical ? [oid(id), der(0x01, Buffer.from([0xff]))] : [oid(id)]
  return sequence(...parts, der(0x04, value))
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const head =
    length < 0x80
      ? [tag, length]
      : length < 0x100
        ? [tag, 0x81, length]
        : [tag, 0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from(head), content])
}

function sequence(...parts: Uint8Array[]): Buffer {
  return der(0x30, Buffer.concat(parts))
}

function set(...parts: Uint8Array[]): Buffer {
  return der(0x31, Buffer.concat(parts))
}

/** Non-negative, as bytes in network order whose first bit is 0. */
function integer(bytes: Uint8Array): Buffer {
  return der(0x02, bytes)
}

function oid(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number)
  const bytes = [first * 40 + second]
  for (const arc of rest) {
    const groups = [arc & 0x7f]
    for (let left = arc >>> 7; left > 0; left >>>= 7) groups.unshift((left & 0x7f) | 0x80)
    bytes.push(...groups)
  }
  return der(0x06, Buffer.from(bytes))
}

/** RFC 5280 §4.1.2.5: UTCTime up to 2049, GeneralizedTime after. */
function time(at: number): Buffer {
  const text = new Date(at).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return Number(text.slice(0, 4)) < 2050
    ? der(0x17, Buffer.from(text.slice(2)))
    : der(0x18, Buffer.from(text))
}

function pem(label: string, content: Buffer): string {
  const lines = content.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
