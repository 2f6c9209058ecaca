/**
 * Who may import whom: one row per room, naming the rooms that its files may import. A room may always import itself.
 * The door to everything is `src/herald.ts`, the only file outside the rooms.
 */
const pure = ['core/lib', 'core/net']
const machines = ['core/bgp', 'core/bfd', 'core/ipam', 'core/dataplane', 'core/rpki', 'core/bmp', 'core/mrt']
const planning = [...pure, ...machines, 'core/schema', 'core/dialect']
const core = [...planning, 'core/plan', 'core/speaker', 'core/controller', 'core/workload']

export const importTable: Record<string, readonly string[]> = {
  'core/lib': [],
  'core/net': ['core/lib'],
  'core/bgp': pure,
  'core/bfd': pure,
  'core/ipam': pure,
  'core/dataplane': pure,
  'core/rpki': pure,
  'core/bmp': [...pure, 'core/bgp'],
  'core/mrt': [...pure, 'core/bgp'],
  'core/schema': pure,
  'core/dialect': [...pure, 'core/schema'],
  'core/workload': [...pure, 'core/schema'],
  'core/plan': planning,
  'core/speaker': [...planning, 'core/plan'],
  'core/controller': [...planning, 'core/plan'],
  sim: core,
  'api/contract': [...pure, 'core/schema'],
  api: [...core, 'api/contract'],
  host: [...pure, 'core/dataplane'],
  kube: [...pure, 'core/schema'],
  daemon: [...core, 'host', 'kube', 'api', 'api/contract'],
  lab: [...pure, 'core/schema', 'core/workload', 'host', 'kube'],
  cli: [...pure, 'core/schema', 'api/contract'],
  play: [...core, 'sim', 'lab', 'api', 'api/contract', 'cli'],
}

/** Rooms whose files may import no Node built-in and no package but these. */
export const pureRooms: Record<string, readonly string[]> = {
  ...Object.fromEntries(core.map((room) => [room, []])),
  'core/schema': ['zod'],
  'core/dialect': ['zod'],
  sim: [],
}
