import { kubectlSuite } from './kubectl-suite.ts'
import { assetsMissing, kubectlMissing, realTarget } from './target.ts'

kubectlSuite('a real API server', kubectlMissing() || assetsMissing(), realTarget)
