/** What people do with kubectl, and what they expect to see: the same for the embedded API server and a real one. */
import assert from 'node:assert/strict'
import { describe, test, before, after } from 'node:test'
import { kubectl, kubectlMinor, outputOf, startKubectl, type Output, type Target } from './target.ts'

const deployment = (name: string, replicas: number) => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: ${name}}}
  template:
    metadata: {labels: {app: ${name}}}
    spec:
      containers:
      - {name: main, image: nginx, ports: [{containerPort: 80}]}
`

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.suite.herald.dev}
spec:
  group: suite.herald.dev
  scope: Namespaced
  names: {kind: Widget, plural: widgets, singular: widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Ready, type: string, jsonPath: '.status.conditions[?(@.type=="Ready")].status'}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1, maximum: 9}
              color: {type: string, enum: [red, green], default: red}
              name: {type: string, pattern: '^[a-z]+$'}
              address: {type: string, format: ipv4}
              replicas: {type: integer}
              port: {x-kubernetes-int-or-string: true}
              low: {type: integer}
              high: {type: integer}
              items:
                type: array
                x-kubernetes-list-type: map
                x-kubernetes-list-map-keys: [key]
                items: {type: object, required: [key], properties: {key: {type: string}, value: {type: string}}}
              free: {type: object, x-kubernetes-preserve-unknown-fields: true}
            x-kubernetes-validations:
            - {rule: '!has(self.low) || !has(self.high) || self.low <= self.high', message: low must not exceed high}
          status:
            type: object
            x-kubernetes-preserve-unknown-fields: true
`

const widget = (name: string, spec: string) => `
apiVersion: suite.herald.dev/v1
kind: Widget
metadata: {name: ${name}}
spec: {${spec}}
`

/** What the tests look at in the objects that they get. */
interface Seen {
  metadata: {
    uid: string
    generation: number
    resourceVersion: string
    deletionTimestamp?: string
    labels: Record<string, string>
    annotations: Record<string, string>
    managedFields: { manager: string }[]
  }
  spec: {
    replicas: number
    strategy: { type: string }
    template: { spec: { containers: { name: string }[] } }
    clusterIP: string
    clusterIPs: string[]
    ipFamilies: string[]
    externalTrafficPolicy?: string
    ports: { nodePort: number; targetPort: number }[]
    selector: Record<string, string>
    items: { key: string; value: string }[]
    [field: string]: unknown
  }
  status: { loadBalancer: unknown; conditions: { status: string }[] }
  data: Record<string, string>
  stringData?: unknown
  type: string
}

export function kubectlSuite(name: string, skip: string | false, start: () => Promise<Target>): void {
  describe(`kubectl against ${name}`, { skip }, () => {
    let target: Target
    before(async () => {
      target = await start()
    })
    after(async () => {
      await target?.close()
    })
    const run = (args: string, input = '') => kubectl(target, args.split(' '), input)
    const good = async (args: string, input = ''): Promise<string> => {
      const output = await run(args, input)
      assert.equal(output.code, 0, `kubectl ${args}: ${output.stderr}`)
      return output.stdout
    }
    const bad = async (args: string, why: RegExp, input = ''): Promise<Output> => {
      const output = await run(args, input)
      assert.notEqual(output.code, 0, `kubectl ${args} is refused`)
      assert.match(output.stderr, why)
      return output
    }
    const minor = kubectlMinor()
    /** Writes through the status subresource (kubectl has a flag for it since 1.24 only). */
    const putStatus = async (path: string, change: object) => {
      const object = JSON.parse(await good(`get --raw ${path}`)) as object
      await good(`replace --raw ${path}/status -f -`, JSON.stringify({ ...object, ...change }))
    }
    const json = async (args: string) => JSON.parse(await good(`${args} -o json`)) as Seen

    test('apply creates, changes nothing when repeated, and configures', async () => {
      assert.match(await good('apply -f -', deployment('web', 2)), /created/)
      assert.match(await good('apply -f -', deployment('web', 2)), /unchanged/)
      assert.match(await good('apply -f -', deployment('web', 3)), /configured/)
      const object = await json('get deployment web')
      assert.equal(object.spec.replicas, 3)
      assert.equal(object.metadata.generation, 2)
      assert.equal(object.spec.strategy.type, 'RollingUpdate')
    })

    test('get shows tables, wide tables, YAML and JSON', async () => {
      assert.match(
        await good('get deploy web'),
        /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +0\/3 +0 +0 +\d+s\n$/,
      )
      assert.match(
        await good('get deploy web -o wide'),
        /CONTAINERS +IMAGES +SELECTOR\nweb .* main +nginx +app=web/,
      )
      assert.match(await good('get deploy web -o yaml'), /^apiVersion: apps\/v1\nkind: Deployment\n/)
      assert.match(await good('get namespaces'), /^NAME +STATUS +AGE\ndefault +Active +\w+\n/)
      assert.match(
        await good('get deploy,svc -A'),
        /NAMESPACE +NAME +READY[^]*service\/kubernetes +ClusterIP +10\.96\.0\.1 /,
      )
      assert.match(await good('get deploy -o name'), /^deployment\.apps\/web\n$/)
    })

    test('expose makes a LoadBalancer Service with cluster IP and node port', async () => {
      await good('expose deployment web --type=LoadBalancer --port=80 --labels app=web')
      const { spec } = await json('get svc web')
      assert.match(spec.clusterIP, /^10\.96\./)
      assert.deepEqual(spec.clusterIPs, [spec.clusterIP])
      assert.ok(spec.ports[0]!.nodePort >= 30_000 && spec.ports[0]!.nodePort <= 32_767)
      assert.equal(spec.ports[0]!.targetPort, 80)
      assert.deepEqual(spec.selector, { app: 'web' })
      assert.match(
        await good('get svc web'),
        /TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\nweb +LoadBalancer +10\.96\.\S+ +<pending> +80:\d+\/TCP/,
      )
      await putStatus('/api/v1/namespaces/default/services/web', {
        status: { loadBalancer: { ingress: [{ ip: '192.0.2.1' }] } },
      })
      assert.match(await good('get svc web'), / 192\.0\.2\.1 /)
    })

    test('a change of type releases the node port and the addresses of the load balancer', async () => {
      await good('patch svc web -p {"spec":{"type":"ClusterIP"}}')
      const { spec, status } = await json('get svc web')
      assert.equal(spec.ports[0]?.nodePort, undefined)
      assert.equal(spec.externalTrafficPolicy, undefined)
      assert.deepEqual(status.loadBalancer, {})
      await good('patch svc web -p {"spec":{"type":"LoadBalancer"}}')
      assert.equal((await json('get svc web')).spec.clusterIP, spec.clusterIP)
    })

    test('a dual-stack Service gets an address of each family', async () => {
      const dual = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"dual"},"spec":{"ipFamilyPolicy":"RequireDualStack","ports":[{"port":53,"protocol":"UDP"}]}}`
      await good('create -f -', dual)
      const { spec } = await json('get svc dual')
      assert.deepEqual(spec.ipFamilies, ['IPv4', 'IPv6'])
      assert.match(spec.clusterIPs[1]!, /^fd00:96::/)
    })

    test('an IPv6 Service gets an IPv6 address', async () => {
      const six = `{"apiVersion":"v1","kind":"Service","metadata":{"name":"six"},"spec":{"ipFamilies":["IPv6"],"ports":[{"port":53}]}}`
      await good('create -f -', six)
      assert.match((await json('get svc six')).spec.clusterIP, /^fd00:96::/)
    })

    test('a bad Service is refused with its fields', async () => {
      const service = (spec: string) =>
        `{"apiVersion":"v1","kind":"Service","metadata":{"name":"bad"},"spec":${spec}}`
      const create = (spec: string, why: RegExp) => bad('create -f -', why, service(spec))
      await create('{"ports":[{"port":0}]}', /spec\.ports\[0\]\.port: Invalid value: 0/)
      await create('{"ports":[{"port":1},{"port":2}]}', /spec\.ports\[0\]\.name: Required value/)
      await create('{"type":"Nonsense","ports":[{"port":1}]}', /spec\.type: Unsupported value: "Nonsense"/)
      await create('{"clusterIP":"10.97.0.1","ports":[{"port":1}]}', /not in the valid range/)
      await create('{"clusterIP":"10.96.0.1","ports":[{"port":1}]}', /already allocated/)
      await create('{"type":"NodePort","ports":[{"port":1,"nodePort":80}]}', /valid ports is 30000-32767/)
      await create(
        '{"ports":[{"port":1,"protocol":"ICMP"}]}',
        /spec\.ports\[0\]\.protocol: Unsupported value/,
      )
      // Since 1.25 kubectl has the server refuse unknown fields.
      if (minor >= 25)
        await create('{"ports":[{"port":1}],"nonsense":true}', /unknown field "spec\.nonsense"/)
      await bad(
        'patch svc web -p {"spec":{"clusterIP":"10.96.7.7","clusterIPs":["10.96.7.7"]}}',
        /may not change once set/,
      )
    })

    test('describe shows the object and its events', async () => {
      const { metadata } = await json('get svc web')
      const event = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { name: 'web.1' },
        involvedObject: {
          apiVersion: 'v1',
          kind: 'Service',
          namespace: 'default',
          name: 'web',
          uid: metadata.uid,
        },
        type: 'Normal',
        reason: 'Announced',
        message: 'to two peers',
        source: { component: 'suite' },
        firstTimestamp: new Date().toISOString(),
        lastTimestamp: new Date().toISOString(),
        count: 2,
      }
      await good('create -f -', JSON.stringify(event))
      assert.match(
        await good('describe svc web'),
        /Selector: +app=web[^]*Normal +Announced +.* suite +to two peers/,
      )
      assert.match(
        await good('get events'),
        /LAST SEEN +TYPE +REASON +OBJECT +MESSAGE\n\S+ +Normal +Announced +service\/web +to two peers/,
      )
      assert.match(
        await good('get events --field-selector reason=Announced,involvedObject.name=web'),
        /Announced/,
      )
      assert.equal(await good('get events --field-selector reason=Other -o name'), '')
    })

    test('label and annotate add and remove; selectors find', async () => {
      await good('label svc web tier=front')
      await good('label svc dual tier=back')
      await bad('label svc web tier=other', /already has a value/)
      await good('annotate svc web note=hello')
      assert.equal((await json('get svc web')).metadata.annotations.note, 'hello')
      const names = async (selector: string) =>
        (await good(`get svc -o name -l ${selector}`)).trim().replaceAll('service/', '').split('\n').join(',')
      assert.equal(await names('tier=front'), 'web')
      assert.equal(await names('tier!=front,tier'), 'dual')
      assert.equal(
        await names('tier\u0020in\u0020(front,back)'.replaceAll(' ', '')).catch(() => 'refused'),
        'refused',
      )
      assert.equal(await names('!tier,app'), '')
      assert.equal(await good('get svc --field-selector metadata.name=web -o name'), 'service/web\n')
      await good('label svc web tier-')
      assert.equal((await json('get svc web')).metadata.labels.tier, undefined)
    })

    test('patch takes strategic merge, merge and JSON patches', async () => {
      await good(
        'patch deploy web -p {"spec":{"template":{"spec":{"containers":[{"name":"side","image":"busybox"}]}}}}',
      )
      let containers = (await json('get deploy web')).spec.template.spec.containers
      assert.deepEqual(containers.map((one) => one.name).sort(), ['main', 'side'])
      await good(
        'patch deploy web -p {"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}',
      )
      containers = (await json('get deploy web')).spec.template.spec.containers
      assert.deepEqual(
        containers.map((one) => one.name),
        ['main'],
      )
      await good('patch deploy web --type=merge -p {"metadata":{"labels":{"x":"y"}}}')
      await good(
        'patch deploy web --type=json -p [{"op":"test","path":"/metadata/labels/x","value":"y"},{"op":"replace","path":"/metadata/labels/x","value":"z"}]',
      )
      assert.equal((await json('get deploy web')).metadata.labels.x, 'z')
      await bad('patch deploy web --type=json -p [{"op":"remove","path":"/metadata/nothing"}]', /./)
    })

    test('scale writes the number of replicas', async () => {
      await good('scale deploy web --replicas=0')
      assert.equal((await json('get deploy web')).spec.replicas, 0)
      await bad(
        'scale deploy web --current-replicas=5 --replicas=1',
        /expected replicas to be 5|no objects passed|Expected replicas/i,
      )
    })

    test('an update of an old version is a conflict', async () => {
      await good('create configmap versions --from-literal=a=1')
      const old = await good('get configmap versions -o json')
      await good('patch configmap versions -p {"data":{"a":"2"}}')
      await bad('replace -f -', /Conflict|the object has been modified/, old)
      const merge = `{"metadata":{"resourceVersion":"${(JSON.parse(old) as { metadata: { resourceVersion: string } }).metadata.resourceVersion}"},"data":{"a":"3"}}`
      await bad(`patch configmap versions --type=merge -p ${merge}`, /the object has been modified/)
    })

    test('create refuses what exists, get and delete what does not', async () => {
      await bad('create configmap versions', /\(AlreadyExists\)|already exists/)
      await bad('get configmap nothing', /configmaps "nothing" not found/)
      await bad('delete configmap nothing', /configmaps "nothing" not found/)
      await bad(
        'create -f -',
        /namespaces "nowhere" not found/,
        '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"nowhere"}}',
      )
      await bad('get nonsense', /doesn't have a resource type "nonsense"/)
      await bad('create configmap Bad_Name', /metadata\.name: Invalid value: "Bad_Name"/)
    })

    test('a dry run answers and stores nothing', async () => {
      const ip = await good(
        'create service clusterip dry --tcp=80 --dry-run=server -o jsonpath={.spec.clusterIP}',
      )
      assert.match(ip, /^10\.96\./)
      await bad('get svc dry', /not found/)
    })

    test('Secrets take plain text and show sizes', async () => {
      await good(
        'create -f -',
        '{"apiVersion":"v1","kind":"Secret","metadata":{"name":"keys"},"stringData":{"password":"geheim"}}',
      )
      const secret = await json('get secret keys')
      assert.equal(Buffer.from(secret.data['password']!, 'base64').toString(), 'geheim')
      assert.equal(secret.stringData, undefined)
      assert.equal(secret.type, 'Opaque')
      assert.match(await good('get secret keys'), /NAME +TYPE +DATA +AGE\nkeys +Opaque +1 /)
    })

    test('a watch shows what happens', async () => {
      const child = startKubectl(target, [
        'get',
        'configmaps',
        '-w',
        '-l',
        'watched',
        '--output-watch-events',
      ])
      const output = outputOf(child)
      const seen = async (text: RegExp) => {
        const deadline = Date.now() + 10_000
        while (!text.test(collected)) {
          assert.ok(Date.now() < deadline, `the watch shows ${text}, it showed ${collected}`)
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
      let collected = ''
      child.stdout!.on('data', (chunk: Buffer) => (collected += chunk.toString()))
      try {
        await good(
          'create -f -',
          '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"seen","labels":{"watched":"1"}}}',
        )
        await seen(/ADDED +seen +0 /)
        await good('patch configmap seen -p {"data":{"k":"v"}}')
        await seen(/MODIFIED +seen +1 /)
        await good('label configmap seen watched-')
        await seen(/DELETED +seen /)
      } finally {
        child.kill()
        await output
      }
    })

    test('a watch from a resourceVersion misses nothing and ends in time', async () => {
      const { metadata } = JSON.parse(await good('get --raw /api/v1/namespaces/default/configmaps')) as {
        metadata: { resourceVersion: string }
      }
      await good('create configmap after')
      await good('patch configmap after -p {"data":{"k":"v"}}')
      await good('delete configmap after')
      const path = `/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dafter&resourceVersion=${metadata.resourceVersion}`
      const lines = (await good(`get --raw ${path}`)).trim().split('\n')
      const events = lines.map(
        (line) => JSON.parse(line) as { type: string; object: { metadata: { resourceVersion: string } } },
      )
      assert.deepEqual(
        events.map((event) => event.type),
        ['ADDED', 'MODIFIED', 'DELETED'],
      )
      const versions = events.map((event) => Number(event.object.metadata.resourceVersion))
      assert.ok(versions[0]! < versions[1]! && versions[1]! < versions[2]!)
    })

    test('a watch-list sends what there is and then says so', async () => {
      const path =
        '/api/v1/namespaces?watch=1&timeoutSeconds=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan'
      const lines = (await good(`get --raw ${path}`)).trim().split('\n')
      const events = lines.map(
        (line) =>
          JSON.parse(line) as {
            type: string
            object: { metadata: { annotations?: Record<string, string> } }
          },
      )
      const end = events.findIndex((event) => event.type === 'BOOKMARK')
      assert.ok(end >= 4)
      assert.equal(events[end]!.object.metadata.annotations?.['k8s.io/initial-events-end'], 'true')
    })

    test('lists come in pages', async () => {
      const first = JSON.parse(await good('get --raw /api/v1/namespaces?limit=2')) as {
        items: unknown[]
        metadata: { continue: string; remainingItemCount: number }
      }
      assert.equal(first.items.length, 2)
      assert.ok(first.metadata.remainingItemCount >= 2)
      const rest = JSON.parse(
        await good(`get --raw /api/v1/namespaces?continue=${encodeURIComponent(first.metadata.continue)}`),
      ) as { items: unknown[] }
      assert.equal(rest.items.length, first.metadata.remainingItemCount)
      assert.equal(
        (await good('get namespaces --chunk-size=1 -o name')).trim().split('\n').length,
        2 + rest.items.length,
      )
    })

    test('a custom resource is served as its definition says', async () => {
      await good('apply -f -', definition)
      await good('wait --for=condition=Established crd/widgets.suite.herald.dev --timeout=10s')
      assert.match(await good('get crd'), /NAME +CREATED AT\nwidgets\.suite\.herald\.dev +20/)
      assert.match(
        await good('apply -f -', widget('one', 'size: 3, free: {a: {b: 1}}, port: http')),
        /created/,
      )
      const object = await json('get wd one')
      assert.equal(object.spec.color, 'red')
      assert.deepEqual(object.spec.free, { a: { b: 1 } })
      assert.equal(object.metadata.generation, 1)
      assert.match(await good('get widgets'), /NAME +SIZE +READY +AGE\none +3 +\d+s\n/)
      if (minor >= 27) assert.match(await good('explain widget.spec.color'), /red/)
      assert.match(
        await good('api-resources --api-group=suite.herald.dev'),
        /widgets +wd +suite\.herald\.dev\/v1 +true +Widget/,
      )
    })

    test('a bad custom resource is refused with its fields', async () => {
      const refused = (spec: string, why: RegExp) => bad('create -f -', why, widget('bad', spec))
      await refused(
        'size: 12',
        /spec\.size: Invalid value: 12: spec\.size in body should be less than or equal to 9/,
      )
      await refused(
        'size: big',
        /spec\.size: Invalid value: "string": spec\.size in body must be of type integer: "string"/,
      )
      await refused('color: red', /spec\.size: Required value/)
      await refused(
        'size: 1, color: blue',
        /spec\.color: Unsupported value: "blue": supported values: "red", "green"/,
      )
      await refused(
        'size: 1, name: ABC',
        /spec\.name: Invalid value: "ABC": spec\.name in body should match '\^\[a-z\]\+\$'/,
      )
      await refused('size: 1, address: 10.0.0.300', /spec\.address: Invalid value: "10\.0\.0\.300"/)
      await refused('size: 1, port: true', /spec\.port: Invalid value: "boolean"/)
      await refused('size: 1, low: 3, high: 2', /spec: Invalid value: "object": low must not exceed high/)
      await refused(
        'size: 1, items: [{key: a}, {key: a}]',
        /spec\.items\[1\]: Duplicate value: \{"key":"a"\}/,
      )
      if (minor >= 25) await refused('size: 1, colour: red', /unknown field "spec\.colour"/)
    })

    test('unknown fields are pruned with a warning, or without', async () => {
      const spec = widget('pruned', 'size: 1, colour: red')
      const warned = await run(minor >= 25 ? 'create --validate=warn -f -' : 'create -f -', spec)
      assert.equal(warned.code, 0)
      assert.match(warned.stderr, /unknown field "spec\.colour"/)
      assert.equal((await json('get wd pruned')).spec.colour, undefined)
      if (minor < 25) return
      const ignored = await run('apply --validate=ignore -f -', spec)
      assert.doesNotMatch(ignored.stderr, /colour/)
    })

    test('status is written apart, and counts no generation', async () => {
      await putStatus('/apis/suite.herald.dev/v1/namespaces/default/widgets/one', {
        spec: { size: 9 },
        status: { conditions: [{ type: 'Ready', status: 'True' }] },
      })
      let object = await json('get wd one')
      assert.equal(object.spec.size, 3)
      assert.equal(object.metadata.generation, 1)
      assert.match(await good('get wd one'), /one +3 +True /)
      await good('patch wd one --type=merge -p {"spec":{"size":4},"status":{"conditions":[]}}')
      object = await json('get wd one')
      assert.equal(object.status.conditions[0]!.status, 'True')
      assert.equal(object.metadata.generation, 2)
      await good('wait wd/one --for=condition=Ready --timeout=10s')
      if (minor >= 23) await good('wait wd/one --for=jsonpath={.spec.size}=4 --timeout=10s')
      await good('scale wd one --replicas=4')
      assert.equal((await json('get wd one')).spec.replicas, 4)
    })

    test('server-side apply merges by manager and tells conflicts', async () => {
      const apply = (manager: string, spec: string, force = '') =>
        run(`apply --server-side --field-manager=${manager}${force} -f -`, widget('shared', spec))
      const applied = async (manager: string, spec: string, force = '') => {
        const output = await apply(manager, spec, force)
        assert.equal(output.code, 0, output.stderr)
      }
      await applied('a', 'size: 1, name: aa, items: [{key: p, value: a}]')
      await applied('b', 'size: 1, low: 1, items: [{key: q, value: b}]')
      let { spec, metadata } = await json(`get wd shared${minor >= 21 ? ' --show-managed-fields' : ''}`)
      assert.deepEqual(spec.items.map((one) => one.key).sort(), ['p', 'q'])
      assert.deepEqual(metadata.managedFields.map((one) => one.manager).sort(), ['a', 'b'])
      const conflicting = await apply('b', 'size: 2')
      assert.equal(conflicting.code, 1)
      assert.match(conflicting.stderr, /conflict with "a"[^]*\.spec\.size/)
      await applied('b', 'size: 2, low: 1', ' --force-conflicts')
      ;({ spec, metadata } = await json('get wd shared'))
      assert.equal(spec.size, 2)
      assert.deepEqual(spec.items, [{ key: 'p', value: 'a' }])
      await applied('a', 'size: 2')
      ;({ spec } = await json('get wd shared'))
      assert.equal(spec.name, undefined)
      assert.equal(spec.low, 1)
    })

    test('a deleted definition takes its objects along', async () => {
      await good('delete crd widgets.suite.herald.dev')
      await bad('get widgets', /doesn't have a resource type "widgets"|could not find the requested resource/)
    })

    test('finalizers hold an object until they are gone', async () => {
      await good('create configmap held')
      await good('patch configmap held -p {"metadata":{"finalizers":["suite.herald.dev/hold"]}}')
      await good('delete configmap held --wait=false')
      assert.notEqual((await json('get configmap held')).metadata.deletionTimestamp, undefined)
      const waiting = outputOf(
        startKubectl(target, ['wait', '--for=delete', 'configmap/held', '--timeout=20s']),
      )
      // Old versions of kubectl refuse to wait for what is gone already.
      await new Promise((resolve) => setTimeout(resolve, 500))
      await good('patch configmap held --type=merge -p {"metadata":{"finalizers":null}}')
      assert.equal((await waiting).code, 0)
      await bad('get configmap held', /not found/)
    })

    test('a namespace goes with all that is in it', async () => {
      await good('create namespace temporary')
      await good('-n temporary create configmap inside')
      await good('delete namespace temporary --wait=false')
      assert.ok(
        ['', 'Terminating'].includes(
          (await run('get namespace temporary -o jsonpath={.status.phase}')).stdout,
        ),
      )
      await bad('delete namespace default', /forbidden/i)
    })

    test('delete removes, by name and by selector', async () => {
      await good('delete svc web dual six')
      await bad('get svc web', /not found/)
      await good('delete deploy -l x=z')
      assert.equal(await good('get deploy -o name'), '')
    })
  })
}
