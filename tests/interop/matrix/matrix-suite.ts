/** One column of the interop matrix: every feature that applies to an implementation, over IPv4 and over IPv6. */
import { appendFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { captureMissing, startCapture, type Capture } from '../capture.ts'
import type { Engine } from '../engine.ts'
import { heraldAddresses, skipReason, startPair } from '../pair.ts'
import { features } from './features.ts'
import type { Bed, Feature } from './feature.ts'

export function matrixSuite(engine: Engine): void {
  const skip = skipReason(engine) || captureMissing()
  describe(`interop matrix: ${engine.name}`, { skip }, () => {
    for (const feature of features) {
      const reason = feature.notApplicable?.[engine.name]
      for (const version of feature.versions ?? ([4, 6] as const)) {
        const name = `${feature.name}, over IPv${version}: ${feature.fact}`
        if (reason === undefined) test(name, () => cell(feature, engine, version))
      }
    }
  })
}

async function cell(feature: Feature, engine: Engine, version: 4 | 6): Promise<void> {
  await feature.run({ engine, version, withPair: capturedPair(engine, version) })
  // The page about the matrix is made of these lines: scripts/interop.ts.
  const results = process.env['HERALD_INTEROP_RESULTS']
  const line = JSON.stringify({ feature: feature.name, engine: engine.name, version })
  if (results !== undefined) appendFileSync(results, `${line}\n`)
}

function capturedPair(engine: Engine, version: 4 | 6): Bed['withPair'] {
  return async (options, body) => {
    let capture: Capture | undefined
    const beforeHerald = (namespace: string) => (capture = startCapture(namespace, heraldAddresses))
    try {
      const pair = await startPair({ ...options, engine, version, beforeHerald })
      try {
        await capture!.ready()
        await body(pair, capture!)
        await capture!.judge()
      } finally {
        await pair.down()
      }
    } finally {
      await capture?.drop()
    }
  }
}
