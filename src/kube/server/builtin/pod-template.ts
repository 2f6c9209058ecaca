/** What Pods and the pod templates of workloads share: defaults, merge keys, validation. */
import { duplicateValue, invalidValue, requiredValue, unsupportedValue, type Cause } from '../api-error.ts'
import { ensureObject, objectsAt, stringAt, type JsonObject } from '../json.ts'
import type { MergeKeys } from '../patch/strategic-merge.ts'

/** Merge keys of a pod spec whose path is `prefix`. */
export function podSpecMergeKeys(prefix: string): MergeKeys {
  const keys: MergeKeys = {
    [`${prefix}.volumes`]: ['name'],
    [`${prefix}.imagePullSecrets`]: ['name'],
    [`${prefix}.hostAliases`]: ['ip'],
    [`${prefix}.topologySpreadConstraints`]: ['topologyKey', 'whenUnsatisfiable'],
    [`${prefix}.resourceClaims`]: ['name'],
    [`${prefix}.schedulingGates`]: ['name'],
  }
  for (const containers of ['containers', 'initContainers', 'ephemeralContainers']) {
    const path = `${prefix}.${containers}`
    Object.assign(keys, {
      [path]: ['name'],
      [`${path}.ports`]: ['containerPort', 'protocol'],
      [`${path}.env`]: ['name'],
      [`${path}.volumeMounts`]: ['mountPath'],
      [`${path}.volumeDevices`]: ['devicePath'],
    })
  }
  return keys
}

export function podSpecDefaults(spec: JsonObject): void {
  spec['restartPolicy'] ??= 'Always'
  spec['terminationGracePeriodSeconds'] ??= 30
  spec['dnsPolicy'] ??= 'ClusterFirst'
  spec['schedulerName'] ??= 'default-scheduler'
  ensureObject(spec, 'securityContext')
  for (const container of [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')]) {
    ensureObject(container, 'resources')
    container['terminationMessagePath'] ??= '/dev/termination-log'
    container['terminationMessagePolicy'] ??= 'File'
    const image = stringAt(container, 'image')
    const latest = image.endsWith(':latest') || !/[:@][^/]*$/.test(image)
    container['imagePullPolicy'] ??= latest ? 'Always' : 'IfNotPresent'
    for (const port of objectsAt(container, 'ports')) port['protocol'] ??= 'TCP'
  }
}

export function validatePodSpec(spec: JsonObject, path: string): Cause[] {
  const causes: Cause[] = []
  const containers = objectsAt(spec, 'containers')
  if (containers.length === 0) causes.push(requiredValue(`${path}.containers`))
  const names = new Set<string>()
  for (const [i, container] of containers.entries()) {
    const at = `${path}.containers[${i}]`
    const name = stringAt(container, 'name')
    if (name === '') causes.push(requiredValue(`${at}.name`))
    else if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
      causes.push(invalidValue(`${at}.name`, name, 'a lowercase RFC 1123 label is needed'))
    if (names.has(name)) causes.push(duplicateValue(`${at}.name`, name))
    names.add(name)
    if (stringAt(container, 'image') === '') causes.push(requiredValue(`${at}.image`))
    for (const [j, port] of objectsAt(container, 'ports').entries()) {
      const number = port['containerPort']
      if (typeof number !== 'number' || !Number.isInteger(number) || number < 1 || number > 65_535) {
        causes.push(
          invalidValue(`${at}.ports[${j}].containerPort`, number, 'must be between 1 and 65535, inclusive'),
        )
      }
      if (!['TCP', 'UDP', 'SCTP'].includes(stringAt(port, 'protocol'))) {
        causes.push(unsupportedValue(`${at}.ports[${j}].protocol`, port['protocol'], ['SCTP', 'TCP', 'UDP']))
      }
    }
  }
  return causes
}
