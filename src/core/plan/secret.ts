/** Passwords and keys of connections, out of Secrets. */
import { err, ok, type Result } from '#core/lib/result.ts'
import { md5KeyBytesMax } from '#core/net/tcp.ts'
import type { Secret } from '#core/schema/kubernetes.ts'

/** At most 80 bytes: both TCP MD5 and TCP-AO take as many in Linux. The error says what is wrong in one sentence. */
export function passwordFrom(
  secrets: readonly Secret[],
  wanted: { namespace: string; name: string; key: string },
): Result<string> {
  const secret = secrets.find(
    ({ metadata }) => metadata.namespace === wanted.namespace && metadata.name === wanted.name,
  )
  const title = `Secret ${wanted.namespace}/${wanted.name}`
  if (secret === undefined) return err(`the ${title} with the password does not exist`)
  const encoded = secret.data?.[wanted.key]
  if (encoded === undefined) return err(`the ${title} has no key "${wanted.key}"`)
  const bytes = fromBase64(encoded)
  if (bytes === undefined) return err(`the key "${wanted.key}" of the ${title} is not base64`)
  if (bytes.length === 0) return err(`the password in the ${title} is empty`)
  if (bytes.length > md5KeyBytesMax) {
    return err(`the password in the ${title} has ${bytes.length} bytes and TCP MD5 takes ${md5KeyBytesMax}`)
  }
  const text = fromUtf8(bytes)
  return text === undefined ? err(`the password in the ${title} is not UTF-8 text`) : ok(text)
}

function fromBase64(text: string): number[] | undefined {
  const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  const compact = text.replaceAll(/[\r\n]/g, '')
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return undefined
  const bytes: number[] = []
  let bits = 0
  let count = 0
  for (const digit of compact.replace(/=+$/, '')) {
    bits = ((bits << 6) | digits.indexOf(digit)) & 0xffff
    count += 6
    if (count < 8) continue
    count -= 8
    bytes.push((bits >> count) & 0xff)
  }
  return bytes
}

function fromUtf8(bytes: readonly number[]): string | undefined {
  try {
    return decodeURIComponent(bytes.map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''))
  } catch {
    return undefined
  }
}
