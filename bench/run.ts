/** `npm run bench -- NAME`: runs one benchmark; most write their table into docs/performance.md. */
const benches: Record<string, { about: string; run: () => Promise<unknown> }> = {
  announce: {
    about: 'kubectl apply of a Service until BIRD has its route, in the lab of npm start (root)',
    run: () => import('./announce.ts').then((bench) => bench.run()),
  },
  bgp: {
    about: 'Herald beside BIRD, FRR, GoBGP and OpenBGPD (root, cc); takes scenarios, routers, repetitions',
    run: () => import('./bgp/bgp.ts').then((bench) => bench.run(more[0], more[1], Number(more[2] ?? 3))),
  },
  fuzz: {
    about: 'hostile messages against decoder and speaker; takes a number of cases and a seed',
    run: () =>
      import('./fuzz.ts').then((bench) => bench.run(Number(more[0] ?? 10_000_000), Number(more[1] ?? 1))),
  },
  'fuzz-fsm': {
    about: 'events in random order against a session; takes a number of events and a seed',
    run: () =>
      import('./fuzz.ts').then((bench) => bench.runFsm(Number(more[0] ?? 20_000_000), Number(more[1] ?? 1))),
  },
  questions: {
    about: 'how long questions about a full table take; takes a number of routes',
    run: () => import('./questions.ts').then((bench) => bench.run(Number(more[0] ?? 1_000_000))),
  },
  rib: {
    about: 'time per route of each stage in the RIB; printed only; takes a number of routes',
    run: () => import('./rib.ts').then((bench) => bench.run(Number(more[0] ?? 200_000))),
  },
  sim: {
    about: 'random fabrics of BGP speakers against an oracle; takes a number of fabrics and a seed',
    run: () => import('./sim.ts').then((bench) => bench.run(Number(more[0] ?? 20_000), Number(more[1] ?? 1))),
  },
}

const [name = '', ...more] = process.argv.slice(2).filter((argument) => argument !== '--')
const bench = benches[name]
if (bench === undefined) {
  console.error(name === '' ? 'which benchmark?' : `there is no benchmark "${name}"`)
  for (const [known, { about }] of Object.entries(benches)) console.error(`  ${known}  ${about}`)
  process.exit(2)
}
await bench.run()
