/** What makes a Service invalid, in the words of the real server. */
import { parseAddress } from '#core/net/address.ts'
import { parsePrefix } from '#core/net/prefix.ts'
import {
  duplicateValue,
  forbiddenField,
  invalidValue,
  requiredValue,
  unsupportedValue,
  type Cause,
} from '../api-error.ts'
import { objectAt, objectsAt, stringAt, stringsAt, type JsonObject, type Resource, show } from '../json.ts'

const types = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort']

export function validateService(object: Resource, previous: Resource | undefined): Cause[] {
  const spec = objectAt(object, 'spec')
  const type = stringAt(spec, 'type')
  const causes: Cause[] = []
  if (!types.includes(type)) causes.push(unsupportedValue('spec.type', spec['type'], types))
  if (type === 'ExternalName') {
    const name = stringAt(spec, 'externalName')
    if (name === '') causes.push(requiredValue('spec.externalName'))
    return causes
  }
  causes.push(...validatePorts(spec, type), ...validatePolicies(spec, type))
  for (const [i, ip] of stringsAt(spec, 'externalIPs').entries()) {
    if (!parseAddress(ip).ok) {
      const why = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
      causes.push(invalidValue(`spec.externalIPs[${i}]`, ip, why))
    }
  }
  const ranges = stringsAt(spec, 'loadBalancerSourceRanges')
  if (ranges.length > 0 && type !== 'LoadBalancer')
    causes.push(
      forbiddenField('spec.LoadBalancerSourceRanges', "may only be used when `type` is 'LoadBalancer'"),
    )
  for (const [i, range] of ranges.entries()) {
    if (!parsePrefix(range.trim()).ok) {
      const why = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)'
      causes.push(invalidValue(`spec.LoadBalancerSourceRanges[${i}]`, range, why))
    }
  }
  if (previous !== undefined) causes.push(...validateChange(spec, objectAt(previous, 'spec')))
  return causes
}

function validatePorts(spec: JsonObject, type: string): Cause[] {
  const ports = objectsAt(spec, 'ports')
  const causes: Cause[] = []
  const headless = spec['clusterIP'] === 'None'
  if (ports.length === 0 && !headless) causes.push(requiredValue('spec.ports'))
  if (headless && type !== 'ClusterIP') {
    causes.push(invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`))
  }
  const names = new Set<string>()
  const pairs = new Set<string>()
  for (const [i, port] of ports.entries()) {
    const at = `spec.ports[${i}]`
    const name = stringAt(port, 'name')
    if (name === '' && ports.length > 1) causes.push(requiredValue(`${at}.name`))
    if (name !== '' && !/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name))
      causes.push(invalidValue(`${at}.name`, name, 'must be a lowercase RFC 1123 label'))
    if (name !== '' && names.has(name)) causes.push(duplicateValue(`${at}.name`, name))
    names.add(name)
    if (!isPort(port['port'])) causes.push(badPort(`${at}.port`, port['port']))
    const target = port['targetPort']
    if (typeof target === 'number' ? !isPort(target) : !isPortName(target)) {
      causes.push(typeof target === 'number' ? badPort(`${at}.targetPort`, target) : badPortName(at, target))
    }
    const protocol = stringAt(port, 'protocol')
    if (!['TCP', 'UDP', 'SCTP'].includes(protocol))
      causes.push(unsupportedValue(`${at}.protocol`, port['protocol'], ['SCTP', 'TCP', 'UDP']))
    const pair = `${protocol}/${show(port['port'])}`
    if (pairs.has(pair)) causes.push(duplicateValue(at, { protocol, port: port['port'] }))
    pairs.add(pair)
    if (type === 'ClusterIP' && typeof port['nodePort'] === 'number' && port['nodePort'] !== 0)
      causes.push(forbiddenField(`${at}.nodePort`, "may not be used when `type` is 'ClusterIP'"))
  }
  return causes
}

function validatePolicies(spec: JsonObject, type: string): Cause[] {
  const causes: Cause[] = []
  const choices: [string, string[]][] = [
    ['sessionAffinity', ['ClientIP', 'None']],
    ['externalTrafficPolicy', ['Cluster', 'Local']],
    ['internalTrafficPolicy', ['Cluster', 'Local']],
    ['ipFamilyPolicy', ['SingleStack', 'PreferDualStack', 'RequireDualStack']],
  ]
  for (const [field, supported] of choices) {
    const value = spec[field]
    if (value !== undefined && !(typeof value === 'string' && supported.includes(value)))
      causes.push(unsupportedValue(`spec.${field}`, value, supported))
  }
  const external = type !== 'ClusterIP' || stringsAt(spec, 'externalIPs').length > 0
  if (spec['externalTrafficPolicy'] !== undefined && !external) {
    const why = 'may only be set for externally-accessible services'
    causes.push(invalidValue('spec.externalTrafficPolicy', spec['externalTrafficPolicy'], why))
  }
  for (const field of ['allocateLoadBalancerNodePorts', 'loadBalancerClass']) {
    if (spec[field] !== undefined && type !== 'LoadBalancer')
      causes.push(forbiddenField(`spec.${field}`, "may only be used when `type` is 'LoadBalancer'"))
  }
  return causes
}

function validateChange(spec: JsonObject, before: JsonObject): Cause[] {
  const causes: Cause[] = []
  if (before['type'] === 'ExternalName') return causes
  // The address may only change by way of ExternalName, where the Service has none.
  if (before['clusterIP'] !== undefined && before['clusterIP'] !== spec['clusterIP'])
    causes.push(invalidValue('spec.clusterIPs[0]', [spec['clusterIP']], 'may not change once set'))
  const first = stringsAt(before, 'ipFamilies')[0]
  if (first !== undefined && stringsAt(spec, 'ipFamilies')[0] !== first) {
    const why = 'may not change once set'
    causes.push(invalidValue('spec.ipFamilies[0]', stringsAt(spec, 'ipFamilies')[0], why))
  }
  if (before['type'] === 'LoadBalancer' && spec['type'] === 'LoadBalancer') {
    if (before['loadBalancerClass'] !== spec['loadBalancerClass'])
      causes.push(
        invalidValue('spec.loadBalancerClass', spec['loadBalancerClass'], 'may not change once set'),
      )
  }
  return causes
}

function isPort(value: unknown): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535
}

function isPortName(value: unknown): boolean {
  return typeof value === 'string' && /^(?=.*[a-z])[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/.test(value)
}

function badPort(field: string, value: unknown): Cause {
  return invalidValue(field, value ?? 0, 'must be between 1 and 65535, inclusive')
}

function badPortName(at: string, value: unknown): Cause {
  const why = "must be a port name: at most 15 lower case letters, digits and '-', with a letter among them"
  return invalidValue(`${at}.targetPort`, value, why)
}
