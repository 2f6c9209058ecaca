/** A BIRD beside Herald and the neighbour, to announce what only a third can, and to see what others get to see. */

export interface WitnessOptions {
  asn: number
  /** Own routes. */
  announces?: readonly string[]
  /** More of BIRD's words for its session with Herald. */
  session?: readonly string[]
  /** Whom it has a session with; absent: Herald. */
  sessions?: readonly ('herald' | 'neighbour')[]
}

/** Its file. `neighbourAsn`: of the neighbour. */
export function witnessConfig(
  { asn, announces = [], session = [], sessions = ['herald'] }: WitnessOptions,
  addresses: { herald: string; neighbour: string; witness: string },
  { herald, neighbour }: { herald: number; neighbour: number },
): string {
  const routes = (six: boolean) =>
    announces
      .filter((prefix) => prefix.includes(':') === six)
      .map((prefix) => `route ${prefix} blackhole;`)
      .join(' ')
  const peer = (
    name: string,
    address: string,
    remote: number,
    more: readonly string[],
  ) => `protocol bgp ${name} {
  local ${addresses.witness} as ${asn};
  neighbor ${address} as ${remote};
  connect delay time 1; connect retry time 2; error wait time 1, 2;
  ${more.join('\n  ')}
  ipv4 { import all; export where source = RTS_STATIC; };
  ipv6 { import all; export where source = RTS_STATIC; };
}
`
  return `log stderr all;
router id 192.0.2.3;
protocol device {}
protocol static own4 { ipv4; ${routes(false)} }
protocol static own6 { ipv6; ${routes(true)} }
${sessions.includes('herald') ? peer('herald', addresses.herald, herald, session) : ''}
${sessions.includes('neighbour') ? peer('neighbour', addresses.neighbour, neighbour, []) : ''}`
}
