import { kubectlSuite } from './kubectl-suite.ts'
import { embeddedTarget, kubectlMissing } from './target.ts'

kubectlSuite('the embedded API server', kubectlMissing(), embeddedTarget)
