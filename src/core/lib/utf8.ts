/** Text to and from UTF-8, for text that came from or goes to a stranger. */

/** UTF-8 of the text, cut at a character after at most `max` bytes. Lone surrogates become U+FFFD. */
export function utf8Bytes(text: string, max: number): number[] {
  const bytes: number[] = []
  for (const character of text.toWellFormed()) {
    const encoded = encodeURIComponent(character)
    const octets =
      encoded === character
        ? [character.codePointAt(0)!]
        : encoded
            .split('%')
            .slice(1)
            .map((digits) => Number.parseInt(digits, 16))
    if (bytes.length + octets.length > max) break
    bytes.push(...octets)
  }
  return bytes
}

/** Undefined for what is not UTF-8. Control characters become spaces, so that no stranger's text writes on a terminal. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  let escaped = ''
  for (const byte of bytes) escaped += `%${byte.toString(16).padStart(2, '0')}`
  try {
    return decodeURIComponent(escaped).replaceAll(/\p{Cc}/gu, ' ')
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}
