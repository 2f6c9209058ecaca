import { engines } from './engines.ts'
import { interopSuite } from './interop-suite.ts'

interopSuite(engines.exabgp)
