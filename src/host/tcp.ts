/** The contract of this device; it stands in `core/net` so that the simulator, which is pure, may implement it too. */
export type * from '#core/net/tcp.ts'
