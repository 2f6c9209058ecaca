import { engines } from '../engines.ts'
import { matrixSuite } from './matrix-suite.ts'

matrixSuite(engines.gobgp)
