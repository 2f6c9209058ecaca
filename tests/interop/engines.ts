/** All implementations that Herald is tested beside. */
import { bird } from './engines/bird.ts'
import { exabgp } from './engines/exabgp.ts'
import { frr } from './engines/frr.ts'
import { gobgp } from './engines/gobgp.ts'
import { openbgpd } from './engines/openbgpd.ts'

export const engines = { bird, frr, gobgp, openbgpd, exabgp }
